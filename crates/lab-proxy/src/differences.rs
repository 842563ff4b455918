//! Where the proxy differs from nginx on purpose: a table that documentation is generated from.
//!
//! Directives that are refused or have no effect are not listed here but in
//! [`lab_nginx_conf::compatibility()`].

/// One deliberate difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub topic: &'static str,
    /// What nginx does.
    pub nginx: &'static str,
    /// What lab does instead.
    pub lab: &'static str,
    pub why: &'static str,
}

const fn row(topic: &'static str, nginx: &'static str, lab: &'static str, why: &'static str) -> Difference {
    Difference { topic, nginx, lab, why }
}

/// In the order of a request's way: the request, the response, then the configuration. What nginx does
/// was observed with nginx 1.22.
#[rustfmt::skip]
pub const DIFFERENCES: &[Difference] = &[
    row(
        "fields named by Connection",
        "Passes them on, in both directions.",
        "Drops them, and with them Proxy-Connection, Trailer and HTTP2-Settings.",
        "RFC 9110 §7.6.1: they belong to one hop, and a client must not be able to remove what the proxy adds.",
    ),
    row(
        "absolute request target",
        "Sends the client's Host field as $http_host.",
        "The host of the target, with its port, replaces the Host field.",
        "RFC 9112 §3.2.2.",
    ),
    row(
        "OPTIONS *",
        "Refuses it.",
        "Passes it on.",
        "RFC 9112 §3.2.4.",
    ),
    row(
        "Max-Forwards",
        "Passes it on unchanged.",
        "Counts it down for OPTIONS, and responds itself at 0.",
        "RFC 9110 §7.6.2.",
    ),
    row(
        "Expect: 100-continue",
        "Responds with 100 itself.",
        "Passes it on to an HTTP/1.1 upstream, and the upstream's interim or final response to the client.",
        "RFC 9110 §10.1.1.",
    ),
    row(
        "interim responses of an upstream",
        "Are not passed on.",
        "Are passed on to HTTP/1.1 clients.",
        "RFC 9110 §15.2.",
    ),
    row(
        "white space around field values",
        "Passes some of it on.",
        "Is removed.",
        "RFC 9110 §5.5: it is no part of the value.",
    ),
    row(
        "line ends in variables",
        "Are written into fields and request targets.",
        "Become spaces in fields and escapes in targets.",
        "RFC 9110 §5.5: an escaped line end could begin a field of the client's making.",
    ),
    row(
        "a lone LF at the end of a line",
        "Accepts it, from clients and upstreams.",
        "Refuses it.",
        "RFC 9112 §2.2: if only some recipients accept it, requests can be smuggled.",
    ),
    row(
        "HTTP/0.9",
        "Accepts it, from clients and upstreams.",
        "Refuses it.",
        "RFC 9112 §2.3.",
    ),
    row(
        "heads that are too large",
        "Responds with 400.",
        "Responds with 431.",
        "RFC 6585 §5.",
    ),
    row(
        "slow heads and bodies",
        "Logs 408, and closes the connection without a response.",
        "Responds with 408.",
        "RFC 9110 §15.5.9.",
    ),
    row(
        "error_page of a request that was refused while it was read",
        "Fetches the page with the fields that had arrived.",
        "Fetches the page with a request that contains nothing from the client.",
        "What was not understood must not reach an upstream.",
    ),
    row(
        "ambiguous responses",
        "Passes some of them on.",
        "Responds with 502: repeated or malformed lengths, a length beside chunks, unknown transfer codings.",
        "RFC 9112 §6.3: two recipients could find different ends.",
    ),
    row(
        "101 that was not requested",
        "Opens a tunnel.",
        "Responds with 502.",
        "RFC 9110 §7.8.",
    ),
    row(
        "white space before the colon of an upstream's field",
        "Responds with 502.",
        "Removes the white space.",
        "RFC 9112 §5.1.",
    ),
    row(
        "Date of an upstream",
        "Replaces it.",
        "Passes it on.",
        "RFC 9110 §6.6.1: a recipient adds Date only if it is missing.",
    ),
    row(
        "Connection: close to an upstream",
        "Reuses the connection if the response does not close it.",
        "Closes the connection after the response.",
        "RFC 9112 §9.6.",
    ),
    row(
        "unread bytes after a response",
        "Reuses the connection.",
        "Closes the connection.",
        "RFC 9112 §6.3: the bytes could be taken for the next response.",
    ),
    row(
        "204",
        "Passes Content-Length on.",
        "Removes Content-Length.",
        "RFC 9110 §8.6.",
    ),
    row(
        "If-None-Match beside If-Modified-Since",
        "Evaluates both.",
        "Evaluates If-None-Match alone.",
        "RFC 9110 §13.1.3.",
    ),
    row(
        "ranges",
        "Serves parts of files.",
        "Sends files whole, and announces no ranges.",
        "Not implemented; RFC 9110 §14.3 makes it optional.",
    ),
    row(
        "names in a proxy_pass with variables",
        "Asks the name servers of resolver.",
        "Asks the system. Without valid=, a result is kept for five seconds.",
        "It is simpler; the system does not tell how long a result is valid.",
    ),
    row(
        "regular expressions",
        "PCRE, with backtracking.",
        "Linear time. Look-around and back-references are refused by name, and $ matches only at the very end.",
        "No request can make a match expensive.",
    ),
    row(
        "no error_log",
        "Writes to a file chosen when nginx was built.",
        "Writes to standard error.",
        "It is simpler.",
    ),
    row(
        "no access_log",
        "Writes to a file chosen when nginx was built.",
        "Writes no access log.",
        "It is simpler.",
    ),
    row(
        "no pid",
        "Writes to a file chosen when nginx was built.",
        "Writes no pid file.",
        "It is simpler.",
    ),
    row(
        "no daemon",
        "Goes to the background.",
        "Stays in the foreground.",
        "It is simpler.",
    ),
    row(
        "no worker_cpu_affinity",
        "Pins no worker.",
        "Pins each of several workers to a core of its own.",
        "Workers do not move between cores under load.",
    ),
    row(
        "worker_connections",
        "Counts connections to clients and to upstreams.",
        "Counts connections to clients.",
        "It is simpler.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sentences() {
        for row in DIFFERENCES {
            assert!(!row.topic.ends_with('.'), "{}", row.topic);
            assert!([row.nginx, row.lab, row.why].iter().all(|text| text.ends_with('.')), "{}", row.topic);
        }
    }
}
