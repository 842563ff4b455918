//! The directives of a handshake that clients and upstreams have in common: protocols, ciphers, and commands of OpenSSL.

use lab_net::tls::{HandshakeParameters, ProtocolVersions};

use super::cipher_choice::{CipherChoice, GroupChoice, read_groups};
use super::conf_command::{self, HandshakeCommands};
use crate::config::reader::ConfigReader;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(super) struct HandshakeLevel {
    versions: Option<ProtocolVersions>,
    ciphers: Option<CipherChoice>,
    groups: Option<GroupChoice>,
    commands: Option<HandshakeCommands>,
}

impl HandshakeLevel {
    /// Reads a directive by its name without `ssl_` or `proxy_ssl_`. Returns whether it is one of these.
    pub(super) fn read(
        &mut self,
        setting: &str,
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
    ) -> Result<bool, ConfError> {
        match setting {
            "protocols" => self.versions = Some(read_versions(directive, reader)?),
            "ciphers" => self.ciphers = Some(CipherChoice::read(directive, directive.first(), reader)),
            "ecdh_curve" => self.groups = Some(read_groups(directive, directive.first(), reader)?),
            "conf_command" => {
                conf_command::read(self.commands.get_or_insert_default(), directive, reader)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn inherit(self, outer: &HandshakeLevel) -> HandshakeLevel {
        HandshakeLevel {
            versions: self.versions.or(outer.versions),
            ciphers: self.ciphers.or_else(|| outer.ciphers.clone()),
            groups: self.groups.or_else(|| outer.groups.clone()),
            commands: self.commands.or_else(|| outer.commands.clone()),
        }
    }

    pub(super) fn commands(&self) -> HandshakeCommands {
        self.commands.clone().unwrap_or_default()
    }

    /// # Errors
    /// No version or cipher suite is left. `owner` is the block or directive that the values are for.
    pub(super) fn resolve(&self, owner: &Directive) -> Result<HandshakeParameters, ConfError> {
        let commands = self.commands();
        let mut versions = self.versions.unwrap_or(ProtocolVersions::ALL);
        versions.tls12 &= commands.min_is_tls13 != Some(true);
        versions.tls13 &= commands.max_is_tls12 != Some(true);
        if !(versions.tls12 || versions.tls13) {
            let message = format!("no version of TLS is left for \"{}\"", owner.name);
            return Err(owner.error(ConfErrorKind::Conflict(message)));
        }
        let ciphers = commands.ciphers.or_else(|| self.ciphers.clone());
        if let Some(error) = ciphers.as_ref().filter(|_| !versions.tls13).and_then(CipherChoice::emptiness) {
            return Err(error);
        }
        Ok(HandshakeParameters {
            versions,
            cipher_suites: ciphers.map(CipherChoice::suites),
            tls13_cipher_suites: commands.tls13_cipher_suites,
            groups: commands.groups.or_else(|| self.groups.clone()).flatten(),
        })
    }
}

fn read_versions(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<ProtocolVersions, ConfError> {
    let mut versions = ProtocolVersions { tls12: false, tls13: false };
    let mut old = Vec::new();
    for arg in &directive.args {
        match arg.value.as_str() {
            "TLSv1.2" => versions.tls12 = true,
            "TLSv1.3" => versions.tls13 = true,
            name @ ("SSLv2" | "SSLv3" | "TLSv1" | "TLSv1.1") => old.push(name),
            other => return Err(directive.invalid(other, "TLSv1.2, TLSv1.3")),
        }
    }
    let old = old.join(", ");
    if !(versions.tls12 || versions.tls13) {
        let message =
            format!("\"{}\" has only {old}, which lab does not speak. It speaks TLS 1.2 and 1.3", directive.name);
        reader.warn(directive, message);
        return Ok(ProtocolVersions::ALL);
    }
    if !old.is_empty() {
        reader.warn(directive, format!("\"{}\" does not enable {old}, which lab does not speak", directive.name));
    }
    Ok(versions)
}
