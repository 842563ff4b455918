//! TLS as lab's own drivers speak it: rustls, with whom to trust said in the plan and never assumed.
//!
//! Sessions are not resumed: every connection stands for a client that was not there before, and its handshake costs the
//! stack what a first visit costs.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wire::{self, Trust};

/// The names of HTTP's versions in ALPN (RFC 7301, RFC 9113 section 3.2).
pub(super) const HTTP_1_1: &[u8] = b"http/1.1";
/// See [`HTTP_1_1`].
pub(super) const HTTP_2: &[u8] = b"h2";

/// Why TLS cannot be spoken as planned.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or is not PEM.
    #[error("cannot read certificates from {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds nothing that could vouch for a server.
    #[error("no certificate in {}; accepted: PEM, with one CERTIFICATE or several", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate of the file, or what is to be spoken, is not to rustls's liking.
    #[error("cannot speak TLS as planned")]
    Rustls(#[from] rustls::Error),
    /// No certificate could be for such a name.
    #[error("`{0}` is neither a host's name nor an address")]
    Name(String),
}

/// Whom to ask for, and whom to trust.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    version: &'static [u8],
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Tls {
    /// With `host` for the name that is asked for, and `version` of HTTP to be agreed on.
    pub(super) fn new(trust: &Trust, host: &str, version: &'static [u8]) -> Result<Tls, TlsError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let mut config = match trust {
            Trust::Ca(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots.add(CertificateDer::from(certificate))?;
                }
                builder.with_root_certificates(roots)
            }
            Trust::Insecure => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
        }
        .with_no_client_auth();
        config.alpn_protocols = vec![version.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)), name, version })
    }

    /// Shakes hands over `tcp`. A server that chose no version of HTTP speaks HTTP/1.1.
    pub(super) async fn handshake(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let stream = self.connector.connect(self.name.clone(), tcp).await?;
        let chosen = stream.get_ref().1.alpn_protocol().unwrap_or(HTTP_1_1);
        if chosen != self.version {
            return Err(io::Error::other(rustls::Error::NoApplicationProtocol));
        }
        Ok(stream)
    }
}

/// The certificates of a PEM file, of which there is at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { file: file.to_owned(), source };
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
        certificates.push(certificate.map_err(unreadable)?.to_vec());
    }
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(file.to_owned()));
    }
    Ok(certificates)
}

/// Trusts anybody, but that the other end holds the key of the certificate it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The name a plan has its driver ask for.
pub(super) fn server_name<'a>(tls: Option<&'a wire::Tls>, host: &'a str) -> &'a str {
    tls.and_then(|tls| tls.server_name.as_deref()).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(trust: &Trust, host: &str) -> String {
        Tls::new(trust, host, HTTP_1_1).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_vouch_for_a_server_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let told = |text: &str| {
            std::fs::write(&file, text).unwrap();
            refused(&Trust::Ca(file.clone()), "example.org").replace(&file.display().to_string(), "FILE")
        };
        assert_eq!(told("nothing"), "no certificate in FILE; accepted: PEM, with one CERTIFICATE or several");
        assert_eq!(told("-----BEGIN CERTIFICATE-----\n!\n"), "cannot read certificates from FILE");
        assert!(refused(&Trust::Ca("no/such.pem".into()), "example.org").starts_with("cannot read certificates"));
        assert_eq!(refused(&Trust::Insecure, "a b"), "`a b` is neither a host's name nor an address");
    }

    #[test]
    fn names_and_addresses_can_be_asked_for() {
        for host in ["example.org", "127.0.0.1", "[::1]", "localhost"] {
            Tls::new(&Trust::Insecure, host, HTTP_2).unwrap();
        }
    }
}
