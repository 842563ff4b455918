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
        topic: "PROXY header without addresses",
        gunicorn: "400 for UNKNOWN; REMOTE_ADDR is None for LOCAL",
        lab: "keeps the connection's own addresses",
        why: "the PROXY protocol tells the receiver to use them",
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
        topic: "HTTP/2 in the sync worker",
        gunicorn: "falls back to HTTP/1.1",
        lab: "served, in all workers",
        why: "the event loop reads the frames, whichever worker calls the application",
    },
    Difference {
        topic: "requests of one HTTP/2 connection",
        gunicorn: "one after the other",
        lab: "side by side, as far as the worker has threads or greenlets",
        why: "a slow request must not hold up the others on its connection",
    },
    Difference {
        topic: "client that offers only unknown protocols by ALPN",
        gunicorn: "is served HTTP/1.1",
        lab: "is refused in the handshake, if `http_protocols` has h2",
        why: "RFC 7301 requires it",
    },
    Difference {
        topic: "idle HTTP/2 connection with `keepalive = 0`",
        gunicorn: "stays open",
        lab: "closes after `idle_timeout`",
        why: "an idle connection must not stay forever",
    },
    Difference {
        topic: "reload whose workers cannot boot",
        gunicorn: "ends the server",
        lab: "undoes the reload, and the previous workers keep serving",
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
        why: "the fix of an application that cannot be imported is a change as well",
    },
    Difference {
        topic: "supplementary groups of a worker with another user",
        gunicorn: "keeps those of the user who started the server",
        lab: "drops them, unless initgroups replaces them",
        why: "a worker without root's privileges must not keep root's groups",
    },
    Difference {
        topic: "group of a worker with `initgroups`",
        gunicorn: "stays that of the user who started the server",
        lab: "is `group`",
        why: "a worker without root's privileges must not keep root's group",
    },
    Difference {
        topic: "process that runs the arbiter's server hooks",
        gunicorn: "the arbiter",
        lab: "the fork server, a child of the arbiter from which workers are forked",
        why: "the arbiter is not a Python program, and no application can bring it down",
    },
    Difference {
        topic: "user and group while `post_fork` runs",
        gunicorn: "still those of the arbiter",
        lab: "already those of the worker",
        why: "a worker gives up privileges first",
    },
    Difference {
        topic: "`pre_exec` that raises",
        gunicorn: "ends the workers",
        lab: "is logged, and the server is not upgraded",
        why: "an upgrade that fails must not end a running service",
    },
    Difference {
        topic: "process name of the new arbiter of an upgrade",
        gunicorn: "ends in .2 until the old arbiter has ended",
        lab: "is that of the old arbiter",
        why: "a process cannot change its name later; the pid file ends in .2 as in gunicorn",
    },
    Difference {
        topic: "garbage collection of loaded objects",
        gunicorn: "as Python does it: full collections scan all modules",
        lab: "exempt (`gc.freeze`) once the application is loaded and `post_worker_init` has run",
        why: "a full collection would hold up all connections for as long as that scan takes",
    },
    Difference {
        topic: "application that cannot be preloaded",
        gunicorn: "exit code 1",
        lab: "exit code 3 or 4, as without `preload_app`",
        why: "the failure is the same",
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
        topic: "SERVER_SOFTWARE",
        gunicorn: "`gunicorn/27.0.1`, in the environ and in the environment of the process",
        lab: "the same, followed by lab's version in brackets",
        why: "applications look for gunicorn there, and logs should name the real server",
    },
    Difference {
        topic: "messages of the arbiter with `logger_class` or `logconfig`",
        gunicorn: "go through the logger",
        lab: "go to errorlog, and to syslog if that is set; those of workers go through the logger",
        why: "the arbiter is not a Python program",
    },
    Difference {
        topic: "files that `logger_class` or `logconfig` opens",
        gunicorn: "are opened by the arbiter, before workers change their user",
        lab: "are opened by each worker, as its user; SIGUSR1 reopens them",
        why: "the arbiter is not a Python program",
    },
    Difference {
        topic: "`logconfig_json` that does not exist",
        gunicorn: "is ignored",
        lab: "ends the start",
        why: "logs that are missed only when they are needed are lost",
    },
    Difference {
        topic: "hop-by-hop field from an application",
        gunicorn: "is dropped, except Trailer and Proxy-Connection",
        lab: "start_response raises ValueError",
        why: "PEP 3333 forbids applications to set them",
    },
    Difference {
        topic: "request body with invalid chunks",
        gunicorn: "fails in the application, when it reads the body",
        lab: "is refused before the application is called",
        why: "bodies are read first, so a slow client occupies no thread",
    },
    Difference {
        topic: "size of a request body",
        gunicorn: "unlimited",
        lab: "1 GiB, then 413; `limit_request_body` changes it",
        why: "bodies are kept in files before the application is called, and one client must not fill the disk",
    },
    Difference {
        topic: "request body without space on the disk",
        gunicorn: "bodies are not kept",
        lab: "507 when the disk is full, or when bodies would take more than `spool_share` of the free space",
        why: "one client must not fill the disk",
    },
    Difference {
        topic: "`Expect: 100-continue`",
        gunicorn: "100 before the application is called, which then waits for the body",
        lab: "the same, but the body is read first; with threads, the first read of the body sends 100",
        why: "a slow client must not occupy the application",
    },
    Difference {
        topic: "client that reads its response slowly",
        gunicorn: "occupies a sync worker, which is killed after `timeout`",
        lab: "occupies no worker; beyond `limit_response_spool` only its own connection is cut after `timeout`",
        why: "other clients must not wait for it",
    },
    Difference {
        topic: "new connection beyond `worker_connections`",
        gunicorn: "waits",
        lab: "the longest idle connection is closed for it",
        why: "idle clients must not shut others out",
    },
    Difference {
        topic: "`Transfer-Encoding: gzip, chunked`",
        gunicorn: "reaches the application, still compressed",
        lab: "501",
        why: "an application that does not know of the coding would take it for the content (RFC 9112 §6.1)",
    },
    Difference {
        topic: "request body that ends before its Content-Length",
        gunicorn: "looks to the application like a complete, shorter body",
        lab: "is refused before the application is called",
        why: "an application must not take a part of a body for the whole",
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
        why: "a client cannot use a wildcard address",
    },
    Difference {
        topic: "`gunicorn.socket` in the environ",
        gunicorn: "present",
        lab: "present if the request has an Upgrade field, without TLS",
        why: "others do not take over the connection, and lab writes to it from more than one thread",
    },
    Difference {
        topic: "`wsgi.early_hints` in the environ",
        gunicorn: "present",
        lab: "absent",
        why: "responses of quick calls are sent together, so a hint would not be early",
    },
    Difference {
        topic: "`gunicorn.http2.send_trailers`, `gunicorn.http2.priority_…` and HTTP_VERSION in the environ",
        gunicorn: "present over HTTP/2",
        lab: "absent",
        why: "responses have no trailers, RFC 9113 has removed priorities, and SERVER_PROTOCOL names the version",
    },
    Difference {
        topic: "HTTP/2 request whose length no field announces",
        gunicorn: "no environ key reports it",
        lab: "HTTP_TRANSFER_ENCODING is `chunked`",
        why: "an application learns that a body follows",
    },
    Difference {
        topic: "GreenletExit or SystemExit in a request of a gevent worker",
        gunicorn: "no response; the connection closes after `keepalive`",
        lab: "500, and the traceback in the error log",
        why: "the client must learn that its request failed",
    },
    Difference {
        topic: "SystemExit in a greenlet that is no request's",
        gunicorn: "ends the worker and the requests in it",
        lab: "retires the worker, which finishes its requests",
        why: "other requests must not be lost",
    },
    Difference {
        topic: "generator in a gevent worker that never waits",
        gunicorn: "holds up all other greenlets",
        lab: "gives way to them every 10 ms",
        why: "one long response must not stop the others",
    },
    Difference {
        topic: "`gevent_wsgi` and `gevent_pywsgi`",
        gunicorn: "gevent's HTTP server",
        lab: "the same as `gevent`",
        why: "lab reads requests in the same way for all workers",
    },
    Difference {
        topic: "path that does not start with SCRIPT_NAME",
        gunicorn: "500, with both in the error log and in the page",
        lab: "500, with both in the error log only",
        why: "a client must not see the configuration of the server",
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
