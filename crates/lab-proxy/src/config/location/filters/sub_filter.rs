//! `sub_filter` and its family: texts that are replaced in responses.

use super::media_type_set::MediaTypeSet;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// The sub module of a location that has a `sub_filter`.
#[derive(Debug, Clone)]
pub struct SubFilterConfig {
    /// In file order, which decides if several match at one place.
    pub pairs: Vec<SubFilterPair>,
    /// `sub_filter_once`: whether each text is replaced once.
    pub once: bool,
    /// `sub_filter_last_modified`: whether the response keeps its date.
    pub keeps_last_modified: bool,
    /// `sub_filter_types`
    pub types: MediaTypeSet,
}

/// One `sub_filter`.
#[derive(Debug, Clone)]
pub struct SubFilterPair {
    /// The text that is searched for. Case does not matter.
    pub search: Template,
    pub replacement: Template,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct SubFilterLevel {
    pairs: Option<Vec<SubFilterPair>>,
    once: Option<bool>,
    keeps_last_modified: Option<bool>,
    types: Option<MediaTypeSet>,
}

impl SubFilterLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "sub_filter_once" => self.once = Some(directive.flag()?),
            "sub_filter_last_modified" => self.keeps_last_modified = Some(directive.flag()?),
            "sub_filter_types" => MediaTypeSet::read(directive, &mut self.types),
            _ => {
                let (search, replacement) = (directive.first(), directive.arg(1).unwrap_or_default());
                if search.is_empty() {
                    return Err(directive.invalid(search, "a text to search for, then its replacement"));
                }
                let search = reader.template(directive, search)?;
                let replacement = reader.template(directive, replacement)?;
                self.pairs.get_or_insert_default().push(SubFilterPair { search, replacement });
            }
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &SubFilterLevel) -> SubFilterLevel {
        SubFilterLevel {
            pairs: self.pairs.or_else(|| outer.pairs.clone()),
            once: self.once.or(outer.once),
            keeps_last_modified: self.keeps_last_modified.or(outer.keeps_last_modified),
            types: self.types.or_else(|| outer.types.clone()),
        }
    }

    /// None without any `sub_filter`.
    pub(crate) fn resolve(&self) -> Option<Box<SubFilterConfig>> {
        Some(Box::new(SubFilterConfig {
            pairs: self.pairs.clone()?,
            once: self.once.unwrap_or(true),
            keeps_last_modified: self.keeps_last_modified.unwrap_or(false),
            types: self.types.clone().unwrap_or_else(|| MediaTypeSet::new(&["text/html"])),
        }))
    }
}
