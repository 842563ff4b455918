//! The directives that the modules of brotli and zstd share: `brotli`, `zstd_comp_level` and so on.

use std::ops::RangeInclusive;

use super::gzip::StaticFiles;
use super::media_type_set::MediaTypeSet;
use lab_nginx_conf::{ConfError, Directive};

/// Which responses of a location get a content coding.
#[derive(Debug, Clone)]
pub struct ContentCodingConfig {
    /// `brotli`, `zstd`
    pub is_on: bool,
    /// `brotli_comp_level`, `zstd_comp_level`
    pub level: u32,
    /// `brotli_min_length`, `zstd_min_length`, in bytes. Responses of unknown length are compressed.
    pub min_length: u64,
    /// `brotli_types`, `zstd_types`
    pub types: MediaTypeSet,
    /// `brotli_static`, `zstd_static`: whether a compressed file beside a file is sent in its place.
    pub static_files: StaticFiles,
}

/// The levels of a module, and their description.
pub(crate) type LevelRange = (RangeInclusive<u32>, &'static str);

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContentCodingLevel {
    is_on: Option<bool>,
    level: Option<u32>,
    min_length: Option<u64>,
    types: Option<MediaTypeSet>,
    static_files: Option<StaticFiles>,
}

impl ContentCodingLevel {
    /// Reads a directive whose name starts with that of the module.
    pub(crate) fn read(&mut self, directive: &Directive, module: &str, levels: &LevelRange) -> Result<(), ConfError> {
        match directive.name.strip_prefix(module).unwrap_or_default() {
            "" => self.is_on = Some(directive.flag()?),
            "_comp_level" => {
                let level = lab_nginx_conf::parse_number(directive.first()).filter(|level| levels.0.contains(level));
                self.level = Some(level.ok_or_else(|| directive.invalid(directive.first(), levels.1))?);
            }
            "_min_length" => self.min_length = Some(directive.size()?),
            "_types" => MediaTypeSet::read(directive, &mut self.types),
            "_static" => self.static_files = Some(StaticFiles::read(directive)?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &ContentCodingLevel) -> ContentCodingLevel {
        ContentCodingLevel {
            is_on: self.is_on.or(outer.is_on),
            level: self.level.or(outer.level),
            min_length: self.min_length.or(outer.min_length),
            types: self.types.or_else(|| outer.types.clone()),
            static_files: self.static_files.or(outer.static_files),
        }
    }

    /// The effective values, with the defaults of both modules.
    pub(crate) fn resolve(&self, default_level: u32) -> ContentCodingConfig {
        ContentCodingConfig {
            is_on: self.is_on.unwrap_or(false),
            level: self.level.unwrap_or(default_level),
            min_length: self.min_length.unwrap_or(20),
            types: self.types.clone().unwrap_or_else(|| MediaTypeSet::new(&["text/html"])),
            static_files: self.static_files.unwrap_or_default(),
        }
    }
}
