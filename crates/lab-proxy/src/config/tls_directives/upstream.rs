//! Reads `proxy_ssl_*`.

use super::handshake::HandshakeLevel;
use super::named_file;
use crate::config::reader::ConfigReader;
use crate::config::tls::upstream::{UpstreamTlsConfig, UpstreamVerification};
use crate::config::tls::{CertificateFiles, NamedFile};
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamTlsLevel {
    handshake: HandshakeLevel,
    verify: Option<bool>,
    depth: Option<usize>,
    authorities: Option<NamedFile>,
    revocations: Option<NamedFile>,
    certificate: Option<NamedFile>,
    key: Option<NamedFile>,
    password_file: Option<NamedFile>,
    name: Option<Template>,
    sends_server_name: Option<bool>,
    resumes: Option<bool>,
}

impl UpstreamTlsLevel {
    /// Reads a directive by its name without `proxy_ssl_`.
    pub(crate) fn read(
        &mut self,
        setting: &str,
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
    ) -> Result<(), ConfError> {
        if self.handshake.read(setting, directive, reader)? {
            return Ok(());
        }
        match setting {
            "verify" => self.verify = Some(directive.flag()?),
            "verify_depth" => self.depth = Some(directive.number()?),
            "trusted_certificate" => self.authorities = Some(named_file(directive, reader)?),
            "crl" => self.revocations = Some(named_file(directive, reader)?),
            "certificate" => self.certificate = Some(named_file(directive, reader)?),
            "certificate_key" => self.key = Some(named_file(directive, reader)?),
            "password_file" => self.password_file = Some(named_file(directive, reader)?),
            "name" => self.name = Some(reader.template(directive, directive.first())?),
            "server_name" => self.sends_server_name = Some(directive.flag()?),
            "session_reuse" => self.resumes = Some(directive.flag()?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &UpstreamTlsLevel) -> UpstreamTlsLevel {
        UpstreamTlsLevel {
            handshake: self.handshake.inherit(&outer.handshake),
            verify: self.verify.or(outer.verify),
            depth: self.depth.or(outer.depth),
            authorities: self.authorities.or_else(|| outer.authorities.clone()),
            revocations: self.revocations.or_else(|| outer.revocations.clone()),
            certificate: self.certificate.or_else(|| outer.certificate.clone()),
            key: self.key.or_else(|| outer.key.clone()),
            password_file: self.password_file.or_else(|| outer.password_file.clone()),
            name: self.name.or_else(|| outer.name.clone()),
            sends_server_name: self.sends_server_name.or(outer.sends_server_name),
            resumes: self.resumes.or(outer.resumes),
        }
    }

    /// `proxy_ssl_name`
    pub(crate) fn name(&self) -> Option<&Template> {
        self.name.as_ref()
    }

    /// The effective values for a `proxy_pass`, with nginx's defaults.
    ///
    /// # Errors
    /// Something that the others need is missing. The messages are nginx's.
    pub(crate) fn resolve(&self, pass: &Directive) -> Result<UpstreamTlsConfig, ConfError> {
        let conflict = |message: String| pass.error(ConfErrorKind::Conflict(message));
        let verification = match (self.verify, &self.authorities) {
            (Some(true), Some(authorities)) => Some(UpstreamVerification {
                authorities: authorities.clone(),
                revocations: self.revocations.clone(),
                depth: self.depth.unwrap_or(1),
            }),
            (Some(true), None) => {
                return Err(conflict("no proxy_ssl_trusted_certificate for proxy_ssl_verify".to_owned()));
            }
            _ => None,
        };
        let certificate = match (&self.certificate, &self.key) {
            (None, _) => None,
            (Some(certificate), Some(key)) => {
                Some(CertificateFiles { certificate: certificate.clone(), key: key.clone() })
            }
            (Some(certificate), None) => {
                let path = certificate.path.display();
                return Err(conflict(format!(
                    "no \"proxy_ssl_certificate_key\" is defined for certificate \"{path}\""
                )));
            }
        };
        Ok(UpstreamTlsConfig {
            parameters: self.handshake.resolve(pass)?,
            verification,
            certificate,
            password_file: self.password_file.clone(),
            sends_server_name: self.sends_server_name.unwrap_or(false),
            resumes: self.resumes.unwrap_or(true),
        })
    }
}
