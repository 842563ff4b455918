//! The TLS of a check's connection. Any certificate is accepted: what a check looks at is behind it.

use std::io;

use lab_net::Stream;
use lab_net::tls::{HTTP_1_1, ServerName, ServerTrust, client_config};

/// Performs the handshake for the host of a request, which may have a port.
///
/// # Errors
/// The server speaks something else, or the connection ends.
pub(super) async fn handshake(connection: Stream, host: &str) -> io::Result<Stream> {
    let config = client_config(ServerTrust::AnyCertificate, &[HTTP_1_1]).map_err(io::Error::other)?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    connection.connect_tls(config, name).await
}
