//! TLS by rustls: one cryptographic provider, configurations of both sides, and a session over any transport.

mod certificates;
mod cipher_suites;
mod client;
mod server;
mod session;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use certificates::{CertificateError, read_certificates, read_private_key, read_roots};
pub use cipher_suites::{UnknownCipherSuite, cipher_suite_names};
pub use client::{ServerTrust, client_config};
pub use rustls::pki_types::ServerName;
pub use rustls::{ClientConfig, Error, ServerConfig};
pub use server::{ClientAuth, ServerTls};
pub use session::{Session, Tls};

/// The ALPN name of HTTP/1.1 (RFC 7301 section 6).
pub const HTTP_1_1: &[u8] = b"http/1.1";
/// The ALPN name of HTTP/2 over TLS (RFC 9113 section 3.2).
pub const HTTP_2: &[u8] = b"h2";

/// The provider of all configurations, the same as reqwest's; a second one would only enlarge the binary.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
