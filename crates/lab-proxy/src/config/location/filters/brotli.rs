//! `brotli` and its family: which responses are compressed with brotli.

use super::content_coding::{ContentCodingConfig, ContentCodingLevel, LevelRange};
use lab_nginx_conf::{ConfError, Directive};

const LEVELS: LevelRange = (0..=11, "a level from 0 to 11");

/// The brotli modules of a location.
#[derive(Debug, Clone)]
pub struct BrotliConfig {
    pub coding: ContentCodingConfig,
    /// `brotli_window`, as a power of 2.
    pub window_bits: u32,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrotliLevel {
    coding: ContentCodingLevel,
    window_bits: Option<u32>,
}

impl BrotliLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        if directive.name != "brotli_window" {
            return self.coding.read(directive, "brotli", &LEVELS);
        }
        let is_valid = |size: &u64| size.is_power_of_two() && (1 << 10..=1 << 24).contains(size);
        let size = Some(directive.size()?).filter(is_valid);
        let size = size.ok_or_else(|| directive.invalid(directive.first(), "1k, 2k, 4k and so on up to 16m"))?;
        self.window_bits = Some(size.ilog2());
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &BrotliLevel) -> BrotliLevel {
        BrotliLevel { coding: self.coding.inherit(&outer.coding), window_bits: self.window_bits.or(outer.window_bits) }
    }

    /// The effective values, with the module's defaults.
    pub(crate) fn resolve(&self) -> BrotliConfig {
        BrotliConfig { coding: self.coding.resolve(6), window_bits: self.window_bits.unwrap_or(19) }
    }
}
