//! `proxy_ssl_*`: TLS towards upstreams.

use lab_net::tls::HandshakeParameters;

use super::{CertificateFiles, NamedFile};

/// TLS of the connections that one `proxy_pass` opens.
#[derive(Debug, Clone)]
pub struct UpstreamTlsConfig {
    pub parameters: HandshakeParameters,
    /// `proxy_ssl_verify`; none accepts any certificate.
    pub verification: Option<UpstreamVerification>,
    /// `proxy_ssl_certificate`, `proxy_ssl_certificate_key`
    pub certificate: Option<CertificateFiles>,
    /// `proxy_ssl_password_file`
    pub password_file: Option<NamedFile>,
    /// `proxy_ssl_server_name`: whether the server's name is sent (SNI).
    pub sends_server_name: bool,
    /// `proxy_ssl_session_reuse`
    pub resumes: bool,
}

/// How the certificates of upstreams are verified.
#[derive(Debug, Clone)]
pub struct UpstreamVerification {
    /// `proxy_ssl_trusted_certificate`
    pub authorities: NamedFile,
    /// `proxy_ssl_crl`
    pub revocations: Option<NamedFile>,
    /// `proxy_ssl_verify_depth`
    pub depth: usize,
}
