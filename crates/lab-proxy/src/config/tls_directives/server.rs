//! Reads `ssl` and `ssl_*`, which a `server` inherits from `http`.

use std::time::Duration;

use super::handshake::HandshakeLevel;
use super::{named_file, pem_source};
use crate::config::reader::ConfigReader;
use crate::config::tls::NamedFile;
use crate::config::tls::pem_source::{CertificateSource, PemSource};
use crate::config::tls::server::{
    ClientCertificateConfig, ClientVerification, ServerTlsConfig, SessionCacheConfig, Stapling,
};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, parse_number, parse_size};

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerTlsLevel {
    is_enabled: Option<bool>,
    certificates: Option<Vec<PemSource>>,
    keys: Option<Vec<PemSource>>,
    password_file: Option<NamedFile>,
    rejects_handshakes: Option<bool>,
    handshake: HandshakeLevel,
    prefers_own_ciphers: Option<bool>,
    cache: Option<SessionCacheConfig>,
    has_tickets: Option<bool>,
    ticket_keys: Option<Vec<NamedFile>>,
    session_timeout: Option<Duration>,
    early_data: Option<bool>,
    stapling: Option<bool>,
    stapling_file: Option<NamedFile>,
    stapling_responder: Option<String>,
    verification: Option<ClientVerification>,
    authorities: Option<NamedFile>,
    trusted: Option<NamedFile>,
    revocations: Option<NamedFile>,
    depth: Option<usize>,
    record_size: Option<usize>,
}

impl ServerTlsLevel {
    /// Reads the directives of an `http` or `server` block.
    pub(crate) fn read(block: &[Directive], reader: &mut ConfigReader<'_>) -> ServerTlsLevel {
        let mut level = ServerTlsLevel::default();
        for directive in block {
            let read = level.read_directive(directive, reader);
            reader.keep(read);
        }
        level
    }

    fn read_directive(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        if directive.name == "ssl" {
            self.is_enabled = Some(directive.flag()?);
            let message = "the \"ssl\" directive is deprecated, use the \"listen ... ssl\" directive instead";
            reader.warn(directive, message.to_owned());
            return Ok(());
        }
        let Some(setting) = directive.name.strip_prefix("ssl_") else { return Ok(()) };
        if self.handshake.read(setting, directive, reader)? {
            return Ok(());
        }
        match setting {
            "certificate" => self.certificates.get_or_insert_default().push(pem_source(directive, reader)?),
            "certificate_key" => self.keys.get_or_insert_default().push(pem_source(directive, reader)?),
            "password_file" => self.password_file = Some(named_file(directive, reader)?),
            "reject_handshake" => self.rejects_handshakes = Some(directive.flag()?),
            "prefer_server_ciphers" => self.prefers_own_ciphers = Some(directive.flag()?),
            "session_cache" => self.cache = Some(read_cache(directive)?),
            "session_tickets" => self.has_tickets = Some(directive.flag()?),
            "session_ticket_key" => self.ticket_keys.get_or_insert_default().push(named_file(directive, reader)?),
            "session_timeout" => self.session_timeout = Some(directive.time()?),
            "early_data" => self.early_data = Some(directive.flag()?),
            "stapling" => self.stapling = Some(directive.flag()?),
            "stapling_file" => self.stapling_file = Some(named_file(directive, reader)?),
            "stapling_responder" => self.stapling_responder = Some(directive.first().to_owned()),
            "verify_client" => {
                self.verification = Some(match directive.first() {
                    "off" => ClientVerification::Off,
                    "on" => ClientVerification::Required,
                    "optional" => ClientVerification::Optional,
                    "optional_no_ca" => ClientVerification::OptionalFromAnyAuthority,
                    other => return Err(directive.invalid(other, "on, off, optional, optional_no_ca")),
                });
            }
            "client_certificate" => self.authorities = Some(named_file(directive, reader)?),
            "trusted_certificate" => self.trusted = Some(named_file(directive, reader)?),
            "crl" => self.revocations = Some(named_file(directive, reader)?),
            "verify_depth" => self.depth = Some(directive.number()?),
            "buffer_size" => {
                let size = usize::try_from(directive.size()?).ok().filter(|size| *size > 0);
                self.record_size = Some(size.ok_or_else(|| directive.invalid(directive.first(), "a size from 1"))?);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &ServerTlsLevel) -> ServerTlsLevel {
        ServerTlsLevel {
            is_enabled: self.is_enabled.or(outer.is_enabled),
            certificates: self.certificates.or_else(|| outer.certificates.clone()),
            keys: self.keys.or_else(|| outer.keys.clone()),
            password_file: self.password_file.or_else(|| outer.password_file.clone()),
            rejects_handshakes: self.rejects_handshakes.or(outer.rejects_handshakes),
            handshake: self.handshake.inherit(&outer.handshake),
            prefers_own_ciphers: self.prefers_own_ciphers.or(outer.prefers_own_ciphers),
            cache: self.cache.or_else(|| outer.cache.clone()),
            has_tickets: self.has_tickets.or(outer.has_tickets),
            ticket_keys: self.ticket_keys.or_else(|| outer.ticket_keys.clone()),
            session_timeout: self.session_timeout.or(outer.session_timeout),
            early_data: self.early_data.or(outer.early_data),
            stapling: self.stapling.or(outer.stapling),
            stapling_file: self.stapling_file.or_else(|| outer.stapling_file.clone()),
            stapling_responder: self.stapling_responder.or_else(|| outer.stapling_responder.clone()),
            verification: self.verification.or(outer.verification),
            authorities: self.authorities.or_else(|| outer.authorities.clone()),
            trusted: self.trusted.or_else(|| outer.trusted.clone()),
            revocations: self.revocations.or_else(|| outer.revocations.clone()),
            depth: self.depth.or(outer.depth),
            record_size: self.record_size.or(outer.record_size),
        }
    }

    /// The effective values for a `server` block, with nginx's defaults.
    ///
    /// # Errors
    /// Something that the others need is missing. The messages are nginx's.
    pub(crate) fn resolve(&self, server: &Directive) -> Result<ServerTlsConfig, ConfError> {
        let conflict = |message: String| server.error(ConfErrorKind::Conflict(message));
        let is_enabled = self.is_enabled.unwrap_or(false);
        let rejects_handshakes = self.rejects_handshakes.unwrap_or(false);
        let certificates = self.certificates.clone().unwrap_or_default();
        let keys = self.keys.clone().unwrap_or_default();
        if is_enabled && certificates.is_empty() && !rejects_handshakes {
            return Err(conflict("no \"ssl_certificate\" is defined for the \"ssl\" directive".to_owned()));
        }
        if let Some(certificate) = certificates.get(keys.len()) {
            let name = certificate.name();
            return Err(conflict(format!("no \"ssl_certificate_key\" is defined for certificate \"{name}\"")));
        }
        let verification = self.verification.unwrap_or(ClientVerification::Off);
        let needs_authorities = matches!(verification, ClientVerification::Required | ClientVerification::Optional);
        if !certificates.is_empty() && needs_authorities && self.authorities.is_none() {
            return Err(conflict("no ssl_client_certificate for ssl_verify_client".to_owned()));
        }
        let stapling = match &self.stapling_file {
            _ if self.stapling != Some(true) => Stapling::Off,
            Some(file) => Stapling::File(file.clone()),
            None => Stapling::Responder { url: self.stapling_responder.clone() },
        };
        let commands = self.handshake.commands();
        let pairs = certificates.into_iter().zip(keys);
        Ok(ServerTlsConfig {
            is_enabled,
            certificates: pairs.map(|(certificate, key)| CertificateSource { certificate, key }).collect(),
            password_file: self.password_file.clone(),
            rejects_handshakes,
            parameters: self.handshake.resolve(server)?,
            prefers_own_ciphers: commands.server_preference.or(self.prefers_own_ciphers).unwrap_or(false),
            cache: self.cache.clone().unwrap_or(SessionCacheConfig::None),
            has_tickets: commands.tickets.or(self.has_tickets).unwrap_or(true),
            ticket_keys: self.ticket_keys.clone().unwrap_or_default(),
            session_timeout: self.session_timeout.unwrap_or(Duration::from_secs(300)),
            early_data: self.early_data.unwrap_or(false),
            stapling,
            clients: ClientCertificateConfig {
                verification,
                authorities: self.authorities.clone(),
                trusted: self.trusted.clone(),
                revocations: self.revocations.clone(),
                depth: self.depth.unwrap_or(1),
            },
            record_size: self.record_size.unwrap_or(16 * 1024),
        })
    }
}

/// nginx's default for `builtin`, which is OpenSSL's.
const BUILTIN_SESSIONS: usize = 20 * 1024;
/// A megabyte of nginx's shared cache holds about 4000 sessions.
const SESSION_SIZE: u64 = 256;
/// nginx's smallest shared zone: eight pages.
const SMALLEST_ZONE: u64 = 32 * 1024;

fn read_cache(directive: &Directive) -> Result<SessionCacheConfig, ConfError> {
    const ACCEPTED: &str = "off, none, builtin[:SESSIONS] or shared:NAME:SIZE, SIZE from 32k";
    let mut cache = SessionCacheConfig::None;
    for word in directive.args.iter().map(|arg| arg.value.as_str()) {
        let invalid = || directive.invalid(word, ACCEPTED);
        let mut parts = word.split(':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("off" | "none"), None, ..) => {}
            (Some("builtin"), number, None, _) => {
                let capacity = match number {
                    None => BUILTIN_SESSIONS,
                    Some(number) => parse_number(number).filter(|number| *number > 0).ok_or_else(invalid)?,
                };
                // with both, the shared cache is the one that all workers see
                if cache == SessionCacheConfig::None {
                    cache = SessionCacheConfig::Cache { name: None, capacity };
                }
            }
            (Some("shared"), Some(name), Some(size), None) if !name.is_empty() => {
                let size = parse_size(size).filter(|size| *size >= SMALLEST_ZONE).ok_or_else(invalid)?;
                let capacity = usize::try_from(size / SESSION_SIZE).unwrap_or(usize::MAX);
                cache = SessionCacheConfig::Cache { name: Some(name.to_owned()), capacity };
            }
            _ => return Err(invalid()),
        }
    }
    Ok(cache)
}
