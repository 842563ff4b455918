//! `set_real_ip_from`, `real_ip_header`, `real_ip_recursive`: which peers may name the client's address, and where.

use crate::config::network::Network;
use lab_nginx_conf::{ConfError, Directive};

/// The configuration of the real ip module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealIp {
    /// The trusted peers. Without any, the peer is the client.
    pub trusted: Vec<Network>,
    pub source: ClientAddressSource,
    /// Whether trusted addresses in the field are skipped, from its right end.
    pub is_recursive: bool,
}

/// `real_ip_header`: the source of the client's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAddressSource {
    /// A field of the request.
    Field(String),
    /// `proxy_protocol`: the PROXY header of the connection.
    ProxyProtocol,
}

impl Default for RealIp {
    fn default() -> RealIp {
        RealIp { trusted: Vec::new(), source: ClientAddressSource::Field("X-Real-IP".to_owned()), is_recursive: false }
    }
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct RealIpLevel {
    trusted: Option<Vec<Network>>,
    source: Option<ClientAddressSource>,
    is_recursive: Option<bool>,
}

impl RealIpLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "set_real_ip_from" => self.trusted.get_or_insert_default().extend(Network::read(directive)?),
            "real_ip_header" => self.source = Some(source(directive)?),
            "real_ip_recursive" => self.is_recursive = Some(directive.flag()?),
            _ => {}
        }
        Ok(())
    }

    /// Fills in what this block does not set from the enclosing one.
    pub(crate) fn inherit(self, outer: &RealIpLevel) -> RealIpLevel {
        RealIpLevel {
            trusted: self.trusted.or_else(|| outer.trusted.clone()),
            source: self.source.or_else(|| outer.source.clone()),
            is_recursive: self.is_recursive.or(outer.is_recursive),
        }
    }

    pub(crate) fn resolve(&self) -> RealIp {
        let defaults = RealIp::default();
        RealIp {
            trusted: self.trusted.clone().unwrap_or_default(),
            source: self.source.clone().unwrap_or(defaults.source),
            is_recursive: self.is_recursive.unwrap_or(false),
        }
    }
}

fn source(directive: &Directive) -> Result<ClientAddressSource, ConfError> {
    match directive.first() {
        "proxy_protocol" => Ok(ClientAddressSource::ProxyProtocol),
        name if lab_http::Headers::is_clean(name.as_bytes(), b"") => Ok(ClientAddressSource::Field(name.to_owned())),
        name => Err(directive.invalid(name, "the name of a field, or proxy_protocol")),
    }
}
