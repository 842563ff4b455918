//! Errors of sending a check's request.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::request_body::BodyFileError;

/// Why there is no response to evaluate.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("cannot connect to {address}")]
    Connect { address: SocketAddr, source: io::Error },
    /// The check names the client's address.
    #[error("the stack is not on the loopback interface, so its client cannot be {client}")]
    NotOnLoopback { client: Ipv4Addr },
    /// The check asks for TLS.
    #[error("the stack has no listener with TLS; add a `listen … ssl` to its proxy")]
    NoTls,
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    /// The check asks for HTTP/2.
    #[error("the server does not agree on HTTP/2 in the TLS handshake")]
    NoHttp2,
    #[error("HTTP/2 failed before a response")]
    Http2(#[source] h2::Error),
    #[error("HTTP/2 cannot carry this request: {0}")]
    NotForHttp2(String),
    /// The connection failed before the response's head was complete.
    #[error("the connection failed before a response")]
    Broken(#[from] io::Error),
    /// The connection was closed before the response's head was complete.
    #[error("the connection was closed without a response")]
    Closed,
    /// The connection was closed before all requests were sent.
    #[error("only {answered} of {times} requests were answered on one connection: {cause}")]
    NotKept { answered: u16, times: u16, cause: String },
    #[error("the response is not HTTP/1.1: {0}")]
    NotHttp(String),
    #[error("no complete response within {}{meanwhile}", display_time(*within))]
    Timeout {
        within: Duration,
        /// The slow clients of the check, as a clause; may be empty.
        meanwhile: String,
    },
    #[error("a slow client could not begin its request")]
    Slow(#[source] io::Error),
    #[error("the body of the request has a file")]
    Body(#[from] BodyFileError),
    #[error("more than {most} redirects: the last one leads to {location}")]
    TooManyRedirects { most: u16, location: String },
    #[error("{0}")]
    Redirect(String),
}

fn display_time(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}
