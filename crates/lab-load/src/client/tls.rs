//! TLS of lab's own drivers, with the trust of their plan.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use lab_net::Stream;
use lab_net::deadline::{Deadline, TimedOut};
use lab_net::tls::{
    self, CertificateError, ClientConfig, HTTP_1_1, ServerName, ServerTrust, client_config, read_roots,
};

use super::failure::{Phase, failed, timed_out};
use crate::accounting::RequestOutcome;
use crate::wire::{self, Trust};

/// The reason why a plan's TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("cannot use TLS as planned")]
    Rustls(#[from] tls::Error),
    #[error("`{0}` is neither a host name nor an address")]
    Name(String),
}

/// The client's side of every handshake with one server.
#[derive(Debug)]
pub(crate) struct ClientTls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// The ALPN name of the version of HTTP.
    version: &'static [u8],
}

impl ClientTls {
    /// `host` is the name that the server's certificate must have, `version` the ALPN name of the version of HTTP.
    pub(crate) fn new(trust: &Trust, host: &str, version: &'static [u8]) -> Result<ClientTls, TlsError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))?;
        let trust = match trust {
            Trust::Ca(file) => ServerTrust::Roots(read_roots(file)?),
            Trust::Insecure => ServerTrust::AnyCertificate,
        };
        Ok(ClientTls { config: client_config(trust, &[version])?, name, version })
    }

    async fn handshake(&self, stream: Stream) -> io::Result<Stream> {
        let stream = stream.connect_tls(Arc::clone(&self.config), self.name.clone()).await?;
        let agreed = stream.session().and_then(|session| session.alpn_protocol());
        // a server that does not choose a protocol speaks HTTP/1.1
        if agreed.as_deref().unwrap_or(HTTP_1_1) != self.version {
            return Err(io::Error::other(tls::Error::NoApplicationProtocol));
        }
        Ok(stream)
    }
}

/// Connects to a stack before the deadline, with a TLS handshake if `tls` is given.
pub(crate) async fn connect(
    address: SocketAddr,
    tls: Option<&ClientTls>,
    deadline: &mut Deadline,
) -> Result<Stream, RequestOutcome> {
    let late = |_: TimedOut| timed_out(Phase::Connecting);
    let broken = |error: io::Error| failed(&error, Phase::Connecting);
    let stream = deadline.limit(Stream::connect_tcp(address)).await.map_err(late)?.map_err(broken)?;
    let Some(tls) = tls else { return Ok(stream) };
    deadline.limit(tls.handshake(stream)).await.map_err(late)?.map_err(broken)
}

/// The server name of a plan.
pub(crate) fn server_name<'a>(tls: Option<&'a wire::Tls>, host: &'a str) -> &'a str {
    tls.and_then(|tls| tls.server_name.as_deref()).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use lab_net::tls::HTTP_2;

    use super::*;

    fn refused(trust: &Trust, host: &str) -> String {
        ClientTls::new(trust, host, HTTP_1_1).unwrap_err().to_string()
    }

    #[test]
    fn unusable_trust_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let refusal = |text: &str| {
            std::fs::write(&file, text).unwrap();
            refused(&Trust::Ca(file.clone()), "example.org").replace(&file.display().to_string(), "FILE")
        };
        assert_eq!(refusal("nothing"), "no certificate in FILE; accepted: PEM, with one CERTIFICATE or several");
        assert_eq!(refusal("-----BEGIN CERTIFICATE-----\n!\n"), "cannot read certificates from FILE");
        assert!(refused(&Trust::Ca("no/such.pem".into()), "example.org").starts_with("cannot read certificates"));
        assert_eq!(refused(&Trust::Insecure, "a b"), "`a b` is neither a host name nor an address");
    }

    #[test]
    fn server_names_and_addresses() {
        for host in ["example.org", "127.0.0.1", "[::1]", "localhost"] {
            ClientTls::new(&Trust::Insecure, host, HTTP_2).unwrap();
        }
    }
}
