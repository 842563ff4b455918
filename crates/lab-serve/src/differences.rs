//! Where lab departs from gunicorn on purpose, for the documentation.

/// One difference from gunicorn 27.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub topic: &'static str,
    pub gunicorn: &'static str,
    pub lab: &'static str,
    pub why: &'static str,
}

/// All intended differences: first those of the arbiter and its connections, then those that an application sees.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        topic: "PROXY header",
        gunicorn: "applies to the first request of a connection only",
        lab: "applies to all requests of its connection",
        why: "a proxy sends the header once, for the whole connection",
    },
    Difference {
        topic: "PROXY header of kind UNKNOWN or LOCAL",
        gunicorn: "does not keep the connection's own addresses",
        lab: "keeps the connection's own addresses",
        why: "the PROXY protocol says to use those of the connection",
    },
    Difference {
        topic: "malformed PROXY header of version 2",
        gunicorn: "500",
        lab: "400",
        why: "the client is at fault, not the server",
    },
    Difference {
        topic: "end of a TLS connection",
        gunicorn: "closes the socket",
        lab: "sends close_notify first",
        why: "otherwise a client cannot tell the end from a cut (RFC 8446 §6.1)",
    },
    Difference {
        topic: "keep-alive",
        gunicorn: "not in the sync worker",
        lab: "in all workers",
        why: "an idle connection occupies no thread",
    },
    Difference {
        topic: "reload whose workers cannot boot",
        gunicorn: "ends the server",
        lab: "undoes the reload; the workers before it serve on",
        why: "a mistake in new code must not end a running service",
    },
    Difference {
        topic: "reload with an invalid configuration",
        gunicorn: "ends the server",
        lab: "logs the error and keeps the old configuration",
        why: "a mistake in a file must not end a running service",
    },
    Difference {
        topic: "`reload` and a worker that cannot boot",
        gunicorn: "serves the traceback of a SyntaxError, and ends the server on other errors",
        lab: "waits for the next change of a file",
        why: "the developer is about to fix the code",
    },
    Difference {
        topic: "files watched by `reload`",
        gunicorn: "the modules a worker has imported",
        lab: "all Python files below chdir and the module path",
        why: "a worker that cannot import the application has to be watched as well",
    },
    Difference {
        topic: "supplementary groups of a worker with another user",
        gunicorn: "keeps those of the user who started the server",
        lab: "drops them, unless initgroups replaces them",
        why: "a worker without root's privileges must not keep root's groups",
    },
    Difference {
        topic: "standard error of workers",
        gunicorn: "inherited, unless capture_output is set",
        lab: "goes to errorlog",
        why: "a traceback belongs beside the message about it",
    },
    Difference {
        topic: "worker that fails right after its start",
        gunicorn: "is replaced at once",
        lab: "is replaced with a growing delay, up to 5 s",
        why: "a worker that always fails must not use all the CPU",
    },
    Difference {
        topic: "hop-by-hop field from an application",
        gunicorn: "is dropped",
        lab: "start_response raises ValueError",
        why: "PEP 3333 forbids applications to set them",
    },
    Difference {
        topic: "request body with invalid framing",
        gunicorn: "fails in the application, when it reads the body",
        lab: "is refused before the application is called",
        why: "bodies are read first, so a slow client occupies no thread",
    },
    Difference {
        topic: "list as the response",
        gunicorn: "is sent in chunks, unless the application sets Content-Length",
        lab: "has its total length as Content-Length",
        why: "the length is known, and chunks cost time",
    },
    Difference {
        topic: "SERVER_NAME and SERVER_PORT",
        gunicorn: "those of the listener, which may be a wildcard",
        lab: "those of the connection",
        why: "a wildcard address is no address a client can use",
    },
    Difference {
        topic: "`gunicorn.socket` and `wsgi.early_hints` in the environ",
        gunicorn: "present",
        lab: "absent",
        why: "lab owns the socket and writes to it from more than one thread",
    },
    Difference {
        topic: "path that does not start with SCRIPT_NAME",
        gunicorn: "500, with a traceback in the error log",
        lab: "500, with the path and SCRIPT_NAME in the error log",
        why: "the configurations of proxy and server do not match, which an operator has to see",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn topics_are_unique() {
        let topics: BTreeSet<_> = DIFFERENCES.iter().map(|difference| difference.topic).collect();
        assert_eq!(topics.len(), DIFFERENCES.len());
    }
}
