//! Requests and responses.

use super::{Difference, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Difference] = &[
    row(
        "fields named by Connection",
        "Passes them on in both directions.",
        "Drops them, and also Proxy-Connection, Trailer and HTTP2-Settings.",
        "RFC 9110 §7.6.1: these fields belong to one hop, and a client must not be able to remove fields that the proxy adds.",
    ),
    row(
        "absolute request target",
        "Sends the client's Host field as $http_host.",
        "Replaces the Host field with the host and port of the target.",
        "RFC 9112 §3.2.2.",
    ),
    row(
        "empty Host in proxy_set_header",
        "Leaves the field out.",
        "Sends an empty Host field to an HTTP/1.1 upstream.",
        "RFC 9112 §3.2: a request without it is refused.",
    ),
    row(
        "fragments in request targets",
        "Drops them.",
        "Responds with 400. Drops them in HTTP/2.",
        "RFC 9112 §3.2: two recipients could disagree on the path.",
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
        "Decrements it for OPTIONS, and responds itself when it is 0.",
        "RFC 9110 §7.6.2.",
    ),
    row(
        "Expect: 100-continue",
        "Responds with 100 itself.",
        "The same with `proxy_request_buffering on`. Without, passes it on to HTTP/1.1 upstreams, and their interim or \
         final response to the client.",
        "RFC 9110 §10.1.1: without buffering, only the upstream knows whether it wants the body.",
    ),
    row(
        "request body without space on the disk",
        "Responds with 500 when the disk is full.",
        "Responds with 507 when the disk is full, or when collected bodies would take more than half of the free space.",
        "One client must not fill the disk (RFC 4918 §11.5).",
    ),
    row(
        "interim responses of an upstream",
        "Drops them.",
        "Passes them on to HTTP/1.1 clients.",
        "RFC 9110 §15.2.",
    ),
    row(
        "white space around field values",
        "Passes a part on.",
        "Removes it.",
        "RFC 9110 §5.5: it is not part of the value.",
    ),
    row(
        "line breaks in variables, and in fields of the configuration",
        "Writes them into fields and request targets.",
        "Replaces them with spaces in fields, and escapes them in targets, spaces as well. Warns of those in the configuration.",
        "RFC 9110 §5.5: a client could add a field with an escaped line break.",
    ),
    row(
        "LF without CR at the end of a line",
        "Accepts it from clients and upstreams.",
        "Refuses it, unless lab's own `ignore_bare_lf on` accepts it in heads.",
        "RFC 9112 §2.2: request smuggling is possible if only some recipients accept it.",
    ),
    row(
        "HTTP/0.9",
        "Accepts it from clients and upstreams.",
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
        "Logs 408 and closes the connection without a response.",
        "Responds with 408.",
        "RFC 9110 §15.5.9.",
    ),
    row(
        "error_page for a malformed request",
        "Fetches the page with the fields received so far.",
        "Fetches the page with a request that has no data from the client.",
        "Malformed data must not reach an upstream.",
    ),
    row(
        "ambiguous responses",
        "Passes some of them on.",
        "Responds with 502 to repeated or malformed lengths, a length together with chunks, and unknown transfer codings.",
        "RFC 9112 §6.3: two recipients could disagree on the end of the response.",
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
        "Reuses the connection unless the response closes it.",
        "Closes the connection after the response.",
        "RFC 9112 §9.6.",
    ),
    row(
        "extra bytes after a response",
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
        "Range of a HEAD",
        "Responds with 206, as to a GET.",
        "Ignores the field.",
        "RFC 9110 §14.2: ranges are defined for GET only.",
    ),
    row(
        "If-Match beside If-Unmodified-Since",
        "Evaluates both.",
        "Evaluates If-Match alone.",
        "RFC 9110 §13.1.4.",
    ),
    row(
        "subrequests of auth_request, mirror, addition and ssi",
        "Shares its variables with the request, and passes the Content-Length of a body that it does not send.",
        "Has a copy of its variables, and no Content-Length.",
        "A length without a body would make the upstream wait. auth_request_set copies values.",
    ),
    row(
        "order of the subrequests of addition and ssi",
        "Sends them side by side, while it sends the response.",
        "Sends one after the other, once the response was read to its end.",
        "An application with a single worker is free for them.",
    ),
    row(
        "gzip_comp_level 1",
        "Compresses with zlib.",
        "Compresses with zlib-rs at its level 2: 20 kB of JSON become 3.3 kB instead of 3.6 kB.",
        "Level 1 is nginx's default, and that of zlib-rs has a fixed code: it would leave 4.8 kB.",
    ),
    row(
        "post_action",
        "Logs the request afterwards, with the status of the request that follows it.",
        "Logs the request with the status that the client got.",
        "The log shows what the client saw.",
    ),
];
