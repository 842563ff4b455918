//! `ssi` and its family: commands in responses, such as `<!--#include virtual="/header.html" -->`.

use super::media_type_set::MediaTypeSet;
use lab_nginx_conf::{ConfError, Directive};

/// The SSI module of a location that has `ssi on`.
#[derive(Debug, Clone)]
pub struct SsiConfig {
    /// `ssi_silent_errors`: whether a failing command leaves nothing in the page.
    pub is_silent: bool,
    /// `ssi_last_modified`: whether the response keeps its date.
    pub keeps_last_modified: bool,
    /// `ssi_types`
    pub types: MediaTypeSet,
    /// `ssi_value_length`: the maximum length of a parameter's value in bytes.
    pub value_length: usize,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct SsiLevel {
    is_on: Option<bool>,
    is_silent: Option<bool>,
    keeps_last_modified: Option<bool>,
    types: Option<MediaTypeSet>,
    value_length: Option<usize>,
}

impl SsiLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "ssi" => self.is_on = Some(directive.flag()?),
            "ssi_silent_errors" => self.is_silent = Some(directive.flag()?),
            "ssi_last_modified" => self.keeps_last_modified = Some(directive.flag()?),
            "ssi_types" => MediaTypeSet::read(directive, &mut self.types),
            "ssi_value_length" => self.value_length = Some(directive.number()?),
            _ => {}
        }
        Ok(())
    }

    /// Whether the block switches it on.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on == Some(true)
    }

    pub(crate) fn inherit(self, outer: &SsiLevel) -> SsiLevel {
        SsiLevel {
            is_on: self.is_on.or(outer.is_on),
            is_silent: self.is_silent.or(outer.is_silent),
            keeps_last_modified: self.keeps_last_modified.or(outer.keeps_last_modified),
            types: self.types.or_else(|| outer.types.clone()),
            value_length: self.value_length.or(outer.value_length),
        }
    }

    /// None without `ssi on`.
    pub(crate) fn resolve(&self) -> Option<Box<SsiConfig>> {
        if !self.is_on.unwrap_or(false) {
            return None;
        }
        Some(Box::new(SsiConfig {
            is_silent: self.is_silent.unwrap_or(false),
            keeps_last_modified: self.keeps_last_modified.unwrap_or(false),
            types: self.types.clone().unwrap_or_else(|| MediaTypeSet::new(&["text/html"])),
            value_length: self.value_length.unwrap_or(255),
        }))
    }
}
