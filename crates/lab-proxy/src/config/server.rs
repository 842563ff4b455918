//! `server`: a virtual host, its names and its locations.

use super::heads::Heads;
use super::level::{Level, Rules};
use super::location::{Location, Locations, Outer};
use super::reading::Reading;
use super::root::Root;
use super::server_name::ServerName;
use lab_nginx_conf::{ConfError, Directive};

/// One virtual host.
#[derive(Debug)]
pub struct Server {
    /// The names of `server_name`, in file order; without the directive one empty name.
    pub names: Vec<ServerName>,
    /// What `$server_name` gives: the first name as written, lower-case.
    pub first_name: String,
    /// What holds for requests that no location takes, and the locations.
    pub outside: Location,
    /// How heads of requests are read, if it is the default server of its address.
    pub heads: Heads,
}

impl Server {
    pub(super) fn read(
        directive: &Directive,
        outer: &Level,
        root: &Root,
        reading: &mut Reading<'_>,
    ) -> Result<Server, ConfError> {
        let block = directive.block.as_deref().unwrap_or_default();
        let mut names = Vec::new();
        for inner in block.iter().filter(|inner| inner.name == "server_name") {
            for arg in &inner.args {
                names.push(ServerName::read(inner, &arg.value, reading)?);
            }
        }
        if names.is_empty() {
            names.push(ServerName::Exact(String::new()));
        }
        let outside = Location::outside(block, &Outer { level: outer, root, location: None }, reading)?;
        let heads = outer.heads_within(block)?;
        Ok(Server { first_name: names[0].text(), names, outside, heads })
    }

    /// Where requests go, by path.
    #[must_use]
    pub fn locations(&self) -> &Locations {
        &self.outside.locations
    }

    /// What holds for requests that no location takes.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.outside.rules
    }
}
