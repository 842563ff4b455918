//! `ssl_*`: TLS towards clients.

use std::time::Duration;

use lab_net::tls::HandshakeParameters;

use super::NamedFile;
use super::pem_source::CertificateSource;

/// TLS of one `server`.
#[derive(Debug, Clone)]
pub struct ServerTlsConfig {
    /// `ssl on`: whether all sockets of the server speak TLS, if it is their default server.
    pub is_enabled: bool,
    /// `ssl_certificate`, `ssl_certificate_key`
    pub certificates: Vec<CertificateSource>,
    /// `ssl_password_file`
    pub password_file: Option<NamedFile>,
    /// `ssl_reject_handshake`
    pub rejects_handshakes: bool,
    pub parameters: HandshakeParameters,
    /// `ssl_prefer_server_ciphers`
    pub prefers_own_ciphers: bool,
    /// `ssl_session_cache`
    pub cache: SessionCacheConfig,
    /// `ssl_session_tickets`
    pub has_tickets: bool,
    /// `ssl_session_ticket_key`
    pub ticket_keys: Vec<NamedFile>,
    /// `ssl_session_timeout`
    pub session_timeout: Duration,
    /// `ssl_early_data`
    pub early_data: bool,
    pub stapling: Stapling,
    pub clients: ClientCertificateConfig,
    /// `ssl_buffer_size`
    pub record_size: usize,
}

/// `ssl_stapling`: the OCSP responses that are sent with certificates.
#[derive(Debug, Clone)]
pub enum Stapling {
    Off,
    /// `ssl_stapling_file`
    File(NamedFile),
    /// The response of `ssl_stapling_responder`, or of the responder that the certificate names.
    Responder {
        url: Option<String>,
    },
}

/// `ssl_session_cache`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionCacheConfig {
    /// `off`, `none`
    None,
    /// `builtin`, `shared`: one cache for all workers.
    Cache {
        /// The name of a cache that several servers share.
        name: Option<String>,
        /// The largest number of sessions.
        capacity: usize,
    },
}

/// Which certificates clients need, and the authorities that sign them.
#[derive(Debug, Clone)]
pub struct ClientCertificateConfig {
    /// `ssl_verify_client`
    pub verification: ClientVerification,
    /// `ssl_client_certificate`: authorities that are announced to clients.
    pub authorities: Option<NamedFile>,
    /// `ssl_trusted_certificate`: further authorities.
    pub trusted: Option<NamedFile>,
    /// `ssl_crl`
    pub revocations: Option<NamedFile>,
    /// `ssl_verify_depth`
    pub depth: usize,
}

/// `ssl_verify_client`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientVerification {
    Off,
    /// Every request needs a trusted certificate.
    Required,
    /// A certificate must be trusted, if there is one.
    Optional,
    /// As `Optional`, but the certificate's authority need not be known.
    OptionalFromAnyAuthority,
}
