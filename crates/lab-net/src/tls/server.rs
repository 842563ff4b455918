//! The server's side of a handshake: its certificate, its cipher suites, and the clients it accepts.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::cipher_suites::{self, UnknownCipherSuite};

/// Builds the [`ServerConfig`] of a TLS server.
#[derive(Debug)]
pub struct ServerTls {
    /// The provider, restricted to the allowed cipher suites of TLS 1.2.
    provider: Arc<CryptoProvider>,
    client_verifier: Option<Arc<dyn ClientCertVerifier>>,
    alpn: Vec<Vec<u8>>,
}

/// The certificates that clients present.
#[derive(Debug)]
pub enum ClientAuth {
    /// No certificate; the server requests none.
    None,
    /// One signed by these authorities, if the client has one.
    Optional(RootCertStore),
    /// One signed by these authorities.
    Required(RootCertStore),
}

impl ServerTls {
    /// A server that accepts any client. `ciphers` lists the [names](super::cipher_suite_names) of the allowed cipher
    /// suites of TLS 1.2, separated by colons; by default all are allowed.
    ///
    /// # Errors
    /// One of `ciphers` is unknown.
    pub fn new(ciphers: Option<&str>) -> Result<ServerTls, UnknownCipherSuite> {
        let mut provider = super::provider();
        if let Some(ciphers) = ciphers {
            cipher_suites::restrict(Arc::make_mut(&mut provider), ciphers)?;
        }
        Ok(ServerTls { provider, client_verifier: None, alpn: Vec::new() })
    }

    /// # Errors
    /// The authorities cannot verify anything.
    pub fn with_client_auth(mut self, clients: ClientAuth) -> Result<ServerTls, VerifierBuilderError> {
        let builder = |roots: RootCertStore| {
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
        };
        self.client_verifier = match clients {
            ClientAuth::None => None,
            ClientAuth::Optional(roots) => Some(builder(roots).allow_unauthenticated().build()?),
            ClientAuth::Required(roots) => Some(builder(roots).build()?),
        };
        Ok(self)
    }

    /// The application protocols that clients may choose, the preferred one first.
    #[must_use]
    pub fn with_alpn(self, alpn: Vec<Vec<u8>>) -> ServerTls {
        ServerTls { alpn, ..self }
    }

    /// The configuration for a certificate chain, starting with the server's own, and its key.
    ///
    /// # Errors
    /// The key belongs to another certificate, or one of them is unusable.
    pub fn build(
        self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(self.provider).with_safe_default_protocol_versions()?;
        let builder = match self.client_verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = self.alpn;
        Ok(Arc::new(config))
    }
}
