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

/// In the order of a request's way: request, upstream, response, then configuration.
#[rustfmt::skip]
pub const DIFFERENCES: &[Difference] = &[
    row(
        "fields named by Connection",
        "Passes them on.",
        "Drops them, and with them Proxy-Connection, Trailer and HTTP2-Settings.",
        "RFC 9110 §7.6.1: a proxy must remove the fields of a single hop.",
    ),
    row(
        "absolute request target",
        "Passes the client's Host field on as $http_host.",
        "The host of the target replaces the Host field.",
        "RFC 9112 §3.2.2: a proxy must ignore the received Host field.",
    ),
    row(
        "OPTIONS *",
        "Refuses it with 400.",
        "Passes it on as a request for the whole server.",
        "RFC 9110 §9.3.7.",
    ),
    row(
        "Max-Forwards",
        "Passes it on unchanged.",
        "Counts it down, and answers at 0.",
        "RFC 9110 §7.6.2: an intermediary must check and update it.",
    ),
    row(
        "Expect: 100-continue",
        "Answers it itself.",
        "Passes it on to an HTTP/1.1 upstream, whose interim responses reach the client.",
        "RFC 9110 §10.1.1 and §15.2: a proxy must forward both.",
    ),
    row(
        "slow heads and bodies",
        "Closes the connection without a response to a slow head.",
        "Responds with 408.",
        "RFC 9110 §15.5.9: the client learns why its connection closes.",
    ),
    row(
        "heads that are too large",
        "Responds with 400 or 414.",
        "Responds with 431 to fields that are too large.",
        "RFC 6585 §5 has a status for it since.",
    ),
    row(
        "line ends in variables",
        "Writes them into fields and request targets.",
        "Writes spaces into fields, and escapes into targets. White space around values is removed.",
        "A client could add fields or requests of its own.",
    ),
    row(
        "ambiguous responses",
        "Passes some of them on.",
        "Responds with 502: repeated lengths, a length beside chunks, unknown transfer codings.",
        "RFC 9112 §6.3: two readers of one message must not find different ends.",
    ),
    row(
        "101 that was not requested",
        "Closes the connection or passes it on, by version.",
        "Responds with 502.",
        "RFC 9110 §15.2.2: a server must not switch to a protocol that the client did not request.",
    ),
    row(
        "Date of an upstream",
        "Replaces it.",
        "Passes it on.",
        "RFC 9110 §6.6.1: a recipient adds Date only if it is missing.",
    ),
    row(
        "Connection: close",
        "May keep the client's connection open if the upstream asked to close its own.",
        "Keeps a Connection: close that the client asked for.",
        "RFC 9112 §9.6.",
    ),
    row(
        "204",
        "Passes Content-Length on.",
        "Removes Content-Length.",
        "RFC 9110 §8.6: a server must not send it with 204.",
    ),
    row(
        "If-None-Match beside If-Modified-Since",
        "Evaluates both.",
        "Evaluates If-None-Match alone.",
        "RFC 9110 §13.1.3: a recipient must ignore If-Modified-Since then.",
    ),
    row(
        "ranges",
        "Serves parts of files.",
        "Sends files whole.",
        "It keeps file serving simple; RFC 9110 §14.2 allows it.",
    ),
    row(
        "error_page of a request that was refused while it was read",
        "Shows the page to the upstream as the client's request.",
        "Fetches the page with a request that contains nothing of the client's.",
        "What was not understood must not reach an upstream.",
    ),
    row(
        "names in a proxy_pass with variables",
        "Asks the name servers of resolver.",
        "Asks the system. Without valid= a result is kept for five seconds.",
        "The system does not tell how long a result is valid.",
    ),
    row(
        "regular expressions",
        "PCRE, with backtracking.",
        "Linear time. Look-around and back-references are refused by name, and $ matches only at the very end.",
        "No request can make a match expensive.",
    ),
    row(
        "no error_log",
        "Writes to a file that was chosen when nginx was built.",
        "Writes to standard error.",
        "There is no such file.",
    ),
    row(
        "no access_log",
        "Writes to a file that was chosen when nginx was built.",
        "Writes no access log.",
        "There is no such file.",
    ),
    row(
        "no pid",
        "Writes to a file that was chosen when nginx was built.",
        "Writes no pid file.",
        "There is no such file.",
    ),
    row(
        "no daemon",
        "Goes to the background.",
        "Stays in the foreground.",
        "Whoever starts it waits for it.",
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
        "The limit is the number of clients served at a time.",
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
