//! The configuration of a TLS server with several certificates, resumption, and clients that are verified after the
//! handshake.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, StoresServerSessions};
use rustls::sign::CertifiedKey;
use rustls::{
    CipherSuite, DigitallySignedStruct, DistinguishedName, InconsistentKeys, RootCertStore, ServerConfig,
    SignatureAlgorithm, SignatureScheme,
};

use super::parameters::HandshakeParameters;

/// A certificate chain with its key, and a response of its authority about its revocation.
#[derive(Debug, Clone)]
pub struct ServerCertificate {
    certified: Arc<CertifiedKey>,
    /// The same with a response that was fetched; all clones share it.
    stapled: Arc<RwLock<Option<Arc<CertifiedKey>>>>,
}

impl ServerCertificate {
    /// `chain` begins with the server's own certificate. `stapled` is an OCSP response in DER.
    ///
    /// # Errors
    /// The key is of an unsupported kind, or does not belong to the certificate.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        stapled: Option<Vec<u8>>,
    ) -> Result<ServerCertificate, rustls::Error> {
        let mut certified = CertifiedKey::from_der(chain, key, &super::provider())?;
        certified.ocsp = stapled;
        Ok(ServerCertificate { certified: Arc::new(certified), stapled: Arc::default() })
    }

    /// The server's own certificate, then those that link it to its authority.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// Replaces the OCSP response of the next handshakes, also of configurations that have this certificate already.
    pub fn staple(&self, response: Option<Vec<u8>>) {
        let next = response.map(|response| {
            let mut certified = CertifiedKey::clone(&self.certified);
            certified.ocsp = Some(response);
            Arc::new(certified)
        });
        *self.stapled.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let stapled = self.stapled.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(stapled.as_ref().unwrap_or(&self.certified))
    }
}

/// Whether the error says that a key belongs to another certificate.
#[must_use]
pub fn is_key_mismatch(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch))
}

/// The settings of a virtual host.
#[derive(Debug)]
pub struct VirtualHost {
    pub parameters: HandshakeParameters,
    /// Whether the server's order of cipher suites decides.
    pub prefers_own_ciphers: bool,
    /// At least one. The client's signature schemes decide which it gets.
    pub certificates: Vec<ServerCertificate>,
    /// The authorities announced to clients, by which they choose a certificate. None requests no certificate.
    pub client_authorities: Option<RootCertStore>,
    /// The largest content of a record in bytes.
    pub record_size: Option<usize>,
    pub cache: Option<Arc<dyn StoresServerSessions>>,
    pub tickets: Option<Arc<dyn ProducesTickets>>,
    /// How many bytes a client may send before its handshake is complete; 0 for none.
    pub early_data: u32,
    /// The application protocols, most preferred first.
    pub alpn: Vec<Vec<u8>>,
}

impl VirtualHost {
    /// # Errors
    /// No cipher suite or group is left for the versions.
    pub fn build(self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = self.parameters.provider();
        let algorithms = provider.signature_verification_algorithms;
        let versions = self.parameters.versions.list();
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions)?;
        let builder = match self.client_authorities {
            None => builder.with_no_client_auth(),
            Some(roots) => builder
                .with_client_cert_verifier(Arc::new(DeferredVerification { subjects: roots.subjects(), algorithms })),
        };
        let mut config = builder.with_cert_resolver(Arc::new(CertificateChoice(self.certificates)));
        config.ignore_client_order = self.prefers_own_ciphers;
        config.max_fragment_size = self.record_size.map(|size| size.clamp(32, MAX_RECORD) + RECORD_HEADER);
        if self.cache.is_none() && self.tickets.is_none() {
            config.send_tls13_tickets = 0;
        }
        config.session_storage = self.cache.unwrap_or_else(|| Arc::new(NoServerSessionStorage {}));
        if let Some(tickets) = self.tickets {
            config.ticketer = tickets;
        }
        config.max_early_data_size = self.early_data;
        config.alpn_protocols = self.alpn;
        Ok(Arc::new(config))
    }
}

/// The largest content of a record (RFC 8446 section 5.1).
const MAX_RECORD: usize = 16 * 1024;
/// The library counts a record's header as part of the fragment.
const RECORD_HEADER: usize = 5;

/// Chooses the first certificate for the client's most preferred signature scheme.
#[derive(Debug)]
struct CertificateChoice(Vec<ServerCertificate>);

impl ResolvesServerCert for CertificateChoice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let suites = hello.cipher_suites();
        let offers = |kind: &str| suites.iter().filter_map(CipherSuite::as_str).any(|name| name.contains(kind));
        let (offers_rsa, offers_ecdsa) = (offers("_ECDHE_RSA_"), offers("_ECDHE_ECDSA_"));
        // in TLS 1.2 the suite decides about the kind of key, whatever schemes the client lists
        let is_usable = |certificate: &&ServerCertificate| match certificate.certified.key.algorithm() {
            SignatureAlgorithm::RSA => offers_rsa || !offers_ecdsa,
            _ => offers_ecdsa || !offers_rsa,
        };
        let for_scheme = |scheme: &SignatureScheme| {
            let mut certificates = self.0.iter().filter(is_usable);
            certificates.find(|certificate| certificate.certified.key.choose_scheme(&[*scheme]).is_some())
        };
        // without a common scheme the handshake fails, with the right alert, for any certificate
        hello.signature_schemes().iter().find_map(for_scheme).or(self.0.first()).map(ServerCertificate::current)
    }
}

/// Accepts any certificate of a client that holds its key. The chain is verified later, because the failure
/// is reported by HTTP.
#[derive(Debug)]
struct DeferredVerification {
    subjects: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for DeferredVerification {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
