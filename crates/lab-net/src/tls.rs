//! TLS by rustls: one cryptographic provider, configurations of both sides, and a session over any transport.

mod acceptance;
mod certificate_status;
mod certificates;
mod cipher_list;
mod cipher_suites;
mod client;
mod details;
mod parameters;
mod resumption;
mod server;
mod session;
mod upstream;
mod verification;
mod virtual_host;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use certificate_status::{StatusError, StatusQuery, find_issuer, responder_url};
pub use certificates::{
    CertificateError, Expiry, expiry, parse_certificates, parse_private_key, read_certificates, read_private_key,
    read_private_key_with, read_revocations, read_roots,
};
pub use cipher_list::CipherList;
pub use cipher_suites::{UnknownCipherSuite, cipher_suite_names, tls13_cipher_suite};
pub use client::{ServerTrust, client_config};
pub use details::{ClientOffer, SessionDetails};
pub use parameters::{GroupList, HandshakeParameters, KeyExchangeGroup, ProtocolVersions};
pub use resumption::{InvalidTicketKey, SessionCache, TicketKeys};
pub use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
pub use rustls::{ClientConfig, Error, RootCertStore, ServerConfig, SupportedCipherSuite};
pub use server::{ClientAuth, ServerTls};
pub use session::{Session, Tls};
pub use upstream::{UpstreamTls, verification_failure};
pub use verification::{ChainVerifier, PeerRole, VerificationError};
pub use virtual_host::{ServerCertificate, VirtualHost, is_key_mismatch};

/// The ALPN name of HTTP/1.1 (RFC 7301 section 6).
pub const HTTP_1_1: &[u8] = b"http/1.1";
/// The ALPN name of HTTP/2 over TLS (RFC 9113 section 3.2).
pub const HTTP_2: &[u8] = b"h2";

/// The provider of all configurations, the same as reqwest's; a second one would only enlarge the binary.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
