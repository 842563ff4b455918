//! `brotli` and its family: which responses are compressed with brotli.

use super::gzip::StaticFiles;
use super::media_type_set::MediaTypeSet;
use lab_nginx_conf::{ConfError, Directive};

/// The brotli modules of a location.
#[derive(Debug, Clone)]
pub struct BrotliConfig {
    /// `brotli`
    pub is_on: bool,
    /// `brotli_comp_level`: 0 to 11.
    pub level: u32,
    /// `brotli_window`, as a power of 2.
    pub window_bits: u32,
    /// `brotli_min_length`, in bytes. Responses of unknown length are compressed.
    pub min_length: u64,
    /// `brotli_types`
    pub types: MediaTypeSet,
    /// `brotli_static`: whether `FILE.br` is sent instead of a file.
    pub static_files: StaticFiles,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrotliLevel {
    is_on: Option<bool>,
    level: Option<u32>,
    window_bits: Option<u32>,
    min_length: Option<u64>,
    types: Option<MediaTypeSet>,
    static_files: Option<StaticFiles>,
}

impl BrotliLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "brotli" => self.is_on = Some(directive.flag()?),
            "brotli_comp_level" => {
                let level = lab_nginx_conf::parse_number(directive.first()).filter(|level| *level <= 11);
                self.level = Some(level.ok_or_else(|| directive.invalid(directive.first(), "a level from 0 to 11"))?);
            }
            "brotli_window" => {
                let is_valid = |size: &u64| size.is_power_of_two() && (1 << 10..=1 << 24).contains(size);
                let size = Some(directive.size()?).filter(is_valid);
                let size =
                    size.ok_or_else(|| directive.invalid(directive.first(), "1k, 2k, 4k and so on up to 16m"))?;
                self.window_bits = Some(size.ilog2());
            }
            "brotli_min_length" => self.min_length = Some(directive.size()?),
            "brotli_types" => MediaTypeSet::read(directive, &mut self.types),
            "brotli_static" => self.static_files = Some(StaticFiles::read(directive)?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &BrotliLevel) -> BrotliLevel {
        BrotliLevel {
            is_on: self.is_on.or(outer.is_on),
            level: self.level.or(outer.level),
            window_bits: self.window_bits.or(outer.window_bits),
            min_length: self.min_length.or(outer.min_length),
            types: self.types.or_else(|| outer.types.clone()),
            static_files: self.static_files.or(outer.static_files),
        }
    }

    /// The effective values, with the module's defaults.
    pub(crate) fn resolve(&self) -> BrotliConfig {
        BrotliConfig {
            is_on: self.is_on.unwrap_or(false),
            level: self.level.unwrap_or(6),
            window_bits: self.window_bits.unwrap_or(19),
            min_length: self.min_length.unwrap_or(20),
            types: self.types.clone().unwrap_or_else(|| MediaTypeSet::new(&["text/html"])),
            static_files: self.static_files.unwrap_or_default(),
        }
    }
}
