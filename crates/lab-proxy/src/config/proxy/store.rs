//! `proxy_store`, `proxy_store_access`: responses that are kept as files.

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// Where and how complete responses with status 200 are kept.
#[derive(Debug, Clone)]
pub struct StoreRules {
    /// None for the file that `root` or `alias` names.
    pub path: Option<Template>,
    /// The permissions of files.
    pub access: u32,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreLevel {
    destination: Option<Destination>,
    access: Option<u32>,
}

#[derive(Debug, Clone)]
enum Destination {
    Off,
    File,
    Path(Template),
}

impl StoreLevel {
    /// Whether this block itself stores responses.
    pub(crate) fn is_on(&self) -> bool {
        matches!(self.destination, Some(Destination::File | Destination::Path(_)))
    }

    pub(crate) fn turn_off(&mut self) {
        self.destination = Some(Destination::Off);
    }

    pub(crate) fn read_destination(
        &mut self,
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
    ) -> Result<(), ConfError> {
        self.destination = Some(match directive.first() {
            "off" => Destination::Off,
            "on" => Destination::File,
            path => Destination::Path(reader.template(directive, path)?),
        });
        Ok(())
    }

    /// Reads `user:rw group:rw all:r`.
    pub(crate) fn read_access(&mut self, directive: &Directive) -> Result<(), ConfError> {
        let (mut access, mut user) = (0, 0o600);
        for word in directive.args.iter().map(|arg| arg.value.as_str()) {
            let invalid = || directive.invalid(word, "user:r, user:rw, and the same with group and all");
            let (who, rights) = word.split_once(':').ok_or_else(invalid)?;
            let bits = match rights {
                "rw" => 6,
                "r" => 4,
                _ => return Err(invalid()),
            };
            match who {
                "user" => user = bits << 6,
                "group" => access |= bits << 3,
                "all" => access |= bits,
                _ => return Err(invalid()),
            }
        }
        self.access = Some(access | user);
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &StoreLevel) -> StoreLevel {
        StoreLevel {
            destination: self.destination.or_else(|| outer.destination.clone()),
            access: self.access.or(outer.access),
        }
    }

    pub(crate) fn resolve(&self) -> Option<StoreRules> {
        let path = match self.destination.clone()? {
            Destination::Off => return None,
            Destination::File => None,
            Destination::Path(path) => Some(path),
        };
        Some(StoreRules { path, access: self.access.unwrap_or(0o600) })
    }
}
