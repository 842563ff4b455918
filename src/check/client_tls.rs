//! The TLS of a check's connection. Any certificate is accepted: what a check looks at is behind it.

use std::io;

use lab_net::Stream;
use lab_net::tls::{HTTP_1_1, HTTP_2, ServerName, ServerTrust, client_config};

use crate::scenario::model::HttpVersion;

/// Performs the handshake for the host of a request, which may have a port, and offers its version of HTTP.
///
/// # Errors
/// The server speaks something else, or the connection ends.
pub(super) async fn handshake(connection: Stream, host: &str, version: HttpVersion) -> io::Result<Stream> {
    // A server without HTTP/2 then agrees on the other, rather than refusing the handshake.
    let protocols: &[&[u8]] = if version == HttpVersion::Two { &[HTTP_2, HTTP_1_1] } else { &[HTTP_1_1] };
    let config = client_config(ServerTrust::AnyCertificate, protocols).map_err(io::Error::other)?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    connection.connect_tls(config, name).await
}
