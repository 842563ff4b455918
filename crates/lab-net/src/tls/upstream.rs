//! The client's side of a handshake with an upstream: which servers it trusts, and what it offers them.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::parameters::HandshakeParameters;
use super::verification::{ChainVerifier, VerificationError};

/// The settings of connections to one kind of upstream.
#[derive(Debug)]
pub struct UpstreamTls {
    pub parameters: HandshakeParameters,
    /// None accepts any certificate, as long as the server holds its key.
    pub verifier: Option<ChainVerifier>,
    /// The client's own chain and key.
    pub certificate: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    /// Whether the client sends the server's name (SNI).
    pub sends_server_name: bool,
    /// Whether sessions are resumed.
    pub resumes: bool,
}

/// How many servers sessions are kept for.
const SESSIONS: usize = 256;

impl UpstreamTls {
    /// # Errors
    /// The key does not belong to the certificate, or no cipher suite or group is left for the versions.
    pub fn build(self) -> Result<Arc<ClientConfig>, Error> {
        let provider = self.parameters.provider();
        let algorithms = provider.signature_verification_algorithms;
        let versions = self.parameters.versions.list();
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions)?;
        let verification = ChainVerification { verifier: self.verifier, algorithms };
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verification));
        let mut config = match self.certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        };
        config.enable_sni = self.sends_server_name;
        config.resumption = match self.resumes {
            true => Resumption::in_memory_sessions(SESSIONS),
            false => Resumption::disabled(),
        };
        Ok(Arc::new(config))
    }
}

/// Why the certificate of a server was not accepted, if a handshake failed for that.
#[must_use]
pub fn verification_failure(error: &io::Error) -> Option<VerificationError> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => cause.downcast_ref().copied(),
        _ => None,
    }
}

#[derive(Debug)]
struct ChainVerification {
    verifier: Option<ChainVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ChainVerification {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(verifier) = &self.verifier {
            let chain: Vec<CertificateDer<'_>> = std::iter::once(own).chain(intermediates).cloned().collect();
            verifier
                .verify_server(&chain, name, now)
                .map_err(|error| Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error)))))?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
