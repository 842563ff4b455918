//! TLS.

use super::{Difference, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Difference] = &[
    row(
        "no ssl_protocols",
        "Speaks TLS up to version 1.2. Since 1.23.4 also 1.3.",
        "Speaks TLS 1.2 and 1.3, to clients and upstreams. Older versions are never spoken, and a warning names them; a \
         list of nothing else counts as none.",
        "RFC 8996: older versions are deprecated.",
    ),
    row(
        "cipher suites",
        "Has those of OpenSSL.",
        "Has AES-GCM and CHACHA20, in TLS 1.2 with ECDHE. Names and classes of OpenSSL select among them; a warning names \
         words that select none. A list of nothing else counts as none.",
        "RFC 9325 §4: these have forward secrecy and authenticated encryption.",
    ),
    row(
        "ssl_session_ticket_key",
        "Seals tickets with AES-CBC and HMAC.",
        "Seals tickets with AES-GCM, so that nginx cannot open them.",
        "The key is used with one algorithm, which does both.",
    ),
    row(
        "no ssl_session_ticket_key",
        "Uses one random key for as long as a configuration runs.",
        "Replaces the random key whenever `ssl_session_timeout` has passed.",
        "A key that is kept for long endangers all sessions that it has sealed.",
    ),
    row(
        "ssl_early_data",
        "Serves requests before the handshake is complete, and sets $ssl_early_data.",
        "Accepts them, and serves them after the handshake. Tickets refer to a cache.",
        "RFC 8470 §3: a request that is replayed must not take effect twice.",
    ),
    row(
        "ssl_stapling",
        "Each worker asks the responder when a client needs the response.",
        "Asks once for all workers, when the proxy starts and before a response expires. Does not need `resolver`: the \
         system looks up the responder.",
        "The first clients get a response as well.",
    ),
    row(
        "trusted certificates",
        "Accepts a server's name in its common name, and certificates of version 1.",
        "Accepts names in the subject's alternative names only, and certificates of version 3.",
        "RFC 9525 §2: the common name does not identify a server.",
    ),
    row(
        "certificate of an upstream that is not accepted",
        "Closes the connection after the handshake.",
        "Ends the handshake with an alert.",
        "RFC 8446 §6.2: the upstream learns why.",
    ),
    row(
        "$ssl_session_id",
        "Has the session's identifier.",
        "Is empty.",
        "The TLS library keeps identifiers to itself.",
    ),
    row(
        "$ssl_server_name",
        "Has the name as the client wrote it.",
        "Has the name in lower case.",
        "RFC 6066 §3: case does not matter.",
    ),
];
