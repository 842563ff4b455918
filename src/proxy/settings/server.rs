//! `server`: a virtual host, its names and its locations.

use std::path::Path;
use std::time::Duration;

use super::super::conf::{ConfError, Directive};
use super::level::{Level, Rules};
use super::location::{Location, Locations};
use super::logs::LogFormats;
use super::server_name::ServerName;
use super::upstream::Upstreams;

/// One virtual host.
#[derive(Debug)]
pub struct Server {
    /// The names of `server_name`, in file order; without the directive one empty name.
    pub names: Vec<ServerName>,
    /// What `$server_name` gives: the first name as written, lower-case.
    pub first_name: String,
    /// Where requests go, by path.
    pub locations: Locations,
    /// What holds for requests that no location takes.
    pub rules: Rules,
    /// `client_header_timeout`: how long a request's head may take. Only the default server's counts, since which
    /// server is meant is in the head itself.
    pub client_header_timeout: Duration,
}

impl Server {
    pub(super) fn read(
        directive: &Directive,
        outer: &Level,
        formats: &LogFormats,
        upstreams: &mut Upstreams,
        prefix: &Path,
    ) -> Result<Server, ConfError> {
        let block = directive.block.as_deref().unwrap_or_default();
        let level = Level::read(block, formats, prefix)?.inherit(outer);
        let mut names = Vec::new();
        let mut locations = Vec::new();
        for inner in block {
            match inner.name.as_str() {
                "server_name" => {
                    for arg in &inner.args {
                        names.push(ServerName::read(inner, &arg.value)?);
                    }
                }
                "location" => locations.push((inner, Location::read(inner, &level, formats, upstreams, prefix)?)),
                _ => {}
            }
        }
        if names.is_empty() {
            names.push(ServerName::Exact(String::new()));
        }
        Ok(Server {
            first_name: names[0].text(),
            names,
            locations: Locations::index(locations)?,
            rules: level.rules(),
            client_header_timeout: level.client_header_timeout.unwrap_or(Duration::from_secs(60)),
        })
    }
}
