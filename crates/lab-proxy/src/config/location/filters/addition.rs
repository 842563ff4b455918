//! `add_before_body`, `add_after_body`: contents of other locations around a response.

use super::media_type_set::MediaTypeSet;
use lab_nginx_conf::{ConfError, Directive};

/// The addition module of a location.
#[derive(Debug, Clone)]
pub struct AdditionConfig {
    /// `add_before_body`: the path whose content comes first.
    pub before: Option<String>,
    /// `add_after_body`: the path whose content comes last.
    pub after: Option<String>,
    /// `addition_types`
    pub types: MediaTypeSet,
}

/// The directives of one block. An empty path switches off what an enclosing block adds.
#[derive(Debug, Clone, Default)]
pub(crate) struct AdditionLevel {
    before: Option<String>,
    after: Option<String>,
    types: Option<MediaTypeSet>,
}

impl AdditionLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        let target = match directive.name.as_str() {
            "add_before_body" => &mut self.before,
            "add_after_body" => &mut self.after,
            _ => {
                MediaTypeSet::read(directive, &mut self.types);
                return Ok(());
            }
        };
        let path = directive.first();
        if !path.is_empty() && !path.starts_with('/') {
            return Err(directive.invalid(path, "a path that starts with \"/\", or \"\""));
        }
        *target = Some(path.to_owned());
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &AdditionLevel) -> AdditionLevel {
        AdditionLevel {
            before: self.before.or_else(|| outer.before.clone()),
            after: self.after.or_else(|| outer.after.clone()),
            types: self.types.or_else(|| outer.types.clone()),
        }
    }

    /// None if nothing is added.
    pub(crate) fn resolve(&self) -> Option<Box<AdditionConfig>> {
        let path = |path: &Option<String>| path.clone().filter(|path| !path.is_empty());
        let (before, after) = (path(&self.before), path(&self.after));
        if before.is_none() && after.is_none() {
            return None;
        }
        let types = self.types.clone().unwrap_or_else(|| MediaTypeSet::new(&["text/html"]));
        Some(Box::new(AdditionConfig { before, after, types }))
    }
}
