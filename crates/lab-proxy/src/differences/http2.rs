//! HTTP/2.

use super::{Difference, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Difference] = &[
    row(
        "HTTP/2: malformed requests",
        "Responds to many with 400, and serves others: with fields of a connection such as Connection and \
         Transfer-Encoding, or with pseudo fields behind other fields.",
        "Resets the stream with PROTOCOL_ERROR. Names and values that are not valid end the connection.",
        "RFC 9113 §8.1.1 and §8.2.",
    ),
    row(
        "HTTP/2: CONNECT, also extended for WebSockets (RFC 8441)",
        "Responds with 400.",
        "Responds with 405. WebSockets need an HTTP/1.1 connection in both: neither announces the extension, so \
         browsers open one.",
        "RFC 9110 §9.3.6: the method is known.",
    ),
    row(
        "HTTP/2: Host beside :authority",
        "Responds with 400.",
        "Accepts a Host that is the same, and responds with 400 to another.",
        "RFC 9113 §8.3.1.",
    ),
    row(
        "HTTP/2: heads larger than large_client_header_buffers",
        "Closes the connection with ENHANCE_YOUR_CALM.",
        "Responds with 414 or 431. A head far beyond the limit ends the connection as in nginx.",
        "RFC 9113 §10.5.1: the other streams of the connection have done nothing wrong.",
    ),
    row(
        "HTTP/2: trailers of a request",
        "Closes the connection.",
        "Accepts them, and does not pass them on.",
        "RFC 9113 §8.1.",
    ),
    row(
        "HTTP/2: interim responses of an upstream",
        "Takes them for the final response.",
        "Passes them on.",
        "RFC 9110 §15.2.",
    ),
    row(
        "HTTP/2: end of a connection",
        "Announces it with one GOAWAY, and ignores requests behind it.",
        "Announces it twice, and serves what the client sent before it knew. A client that does not confirm the first \
         GOAWAY within a second is not waited for.",
        "RFC 9113 §6.8: no request is lost.",
    ),
    row(
        "HTTP/2: clients that cancel their requests",
        "Serves up to `keepalive_requests` of them. Since 1.25.3 limits new streams for each turn of the event loop.",
        "Ends a connection on which a hundred more requests were cancelled than completed.",
        "CVE-2023-44487.",
    ),
    row(
        "HTTP/2: priorities",
        "Orders responses by the dependencies of their streams.",
        "Ignores dependencies.",
        "RFC 9113 §5.3.2 has deprecated them.",
    ),
    row(
        "HTTP/2: $bytes_sent and $request_length",
        "Count frames, whose fields are compressed.",
        "Count fields and content, without compression and frames.",
        "The values do not depend on earlier requests of the connection.",
    ),
    row(
        "HTTP/2: http2_body_preread_size below 16k",
        "Uses it.",
        "Uses 16k.",
        "A smaller window costs a round trip for every few bytes.",
    ),
];
