//! `server`: a virtual host, its names and its locations.

pub mod listen;

use crate::config::http2::{Http2Config, Http2Level};
use crate::config::location::level::Level;
use crate::config::location::location_config::LocationConfig;
use crate::config::location::root::Root;
use crate::config::location::{EnclosingBlock, Location, Locations};
use crate::config::position::Position;
use crate::config::reader::ConfigReader;
use crate::config::request_head::RequestHeadConfig;
use crate::config::server_name::ServerName;
use crate::config::tls::server::ServerTlsConfig;
use crate::config::tls_directives::server::ServerTlsLevel;
use lab_nginx_conf::{ConfError, Directive};

#[derive(Debug)]
pub struct Server {
    /// In file order. Without `server_name`, one empty name.
    pub names: Vec<ServerName>,
    /// `$server_name`: the first name as written, in lower case.
    pub first_name: String,
    /// The configuration of requests that no location matches, and the locations.
    pub outside: Location,
    /// How heads of requests are read if this is the default server of its address.
    pub request_head: RequestHeadConfig,
    pub tls: ServerTlsConfig,
    pub http2: Http2Config,
    /// The position of the block.
    pub position: Position,
}

impl Server {
    pub(crate) fn read(
        directive: &Directive,
        outer: &Level,
        root: &Root,
        (tls, http2): (&ServerTlsLevel, Http2Level),
        reader: &mut ConfigReader<'_>,
    ) -> Result<Server, ConfError> {
        let block = directive.children();
        let mut names = Vec::new();
        for inner in block.iter().filter(|inner| inner.name == "server_name") {
            for arg in &inner.args {
                names.push(ServerName::read(inner, &arg.value, reader)?);
                warn_of_odd_name(inner, &arg.value, reader);
            }
        }
        if names.is_empty() {
            names.push(ServerName::Exact(String::new()));
        }
        let outside = Location::outside(block, &EnclosingBlock { level: outer, root, location: None }, reader)?;
        let request_head = outer.request_head(block)?;
        let tls = ServerTlsLevel::read(block, reader).inherit(tls).resolve(directive)?;
        let http2 = Http2Level::read(block, reader).inherit(http2).resolve();
        let position = Position::of(directive);
        Ok(Server { first_name: names[0].text(), names, outside, request_head, tls, http2, position })
    }

    #[must_use]
    pub fn locations(&self) -> &Locations {
        &self.outside.locations
    }

    /// The configuration of requests that no location matches.
    #[must_use]
    pub fn config(&self) -> &LocationConfig {
        &self.outside.config
    }
}

/// Warns of a name that is probably a mistake. As in nginx, it is compared as it is written.
fn warn_of_odd_name(directive: &Directive, name: &str, reader: &mut ConfigReader<'_>) {
    if name.starts_with('~') || name == "$hostname" {
        return;
    }
    if name.contains('/') {
        reader.warn(directive, format!("server name \"{name}\" has suspicious symbols"));
    } else if name.contains('$') {
        reader.warn(directive, format!("server name \"{name}\" has no variables: it is compared as it is written"));
    }
}
