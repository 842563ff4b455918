//! `charset` and its family: the charset that `Content-Type` names.

use super::media_type_set::MediaTypeSet;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// The charset module of a location.
#[derive(Debug, Clone)]
pub struct CharsetConfig {
    /// `charset`; none for `off`.
    pub name: Option<Template>,
    /// `override_charset`: whether it applies to responses of upstreams that name a charset.
    pub overrides: bool,
    /// `charset_types`
    pub types: MediaTypeSet,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct CharsetLevel {
    name: Option<Option<Template>>,
    overrides: Option<bool>,
    types: Option<MediaTypeSet>,
}

const DEFAULT_TYPES: [&str; 6] =
    ["text/html", "text/xml", "text/plain", "text/vnd.wap.wml", "application/javascript", "application/rss+xml"];

impl CharsetLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "charset" if directive.first() == "off" => self.name = Some(None),
            "charset" => {
                let name = directive.first();
                if name.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b';') {
                    return Err(directive.invalid(&name.escape_debug().to_string(), "off, or the name of a charset"));
                }
                if !name.contains('$') && !reader.charsets.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                    reader.charsets.push(name.to_owned());
                }
                self.name = Some(Some(reader.template(directive, name)?));
            }
            "override_charset" => self.overrides = Some(directive.flag()?),
            "charset_types" => MediaTypeSet::read(directive, &mut self.types),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &CharsetLevel) -> CharsetLevel {
        CharsetLevel {
            name: self.name.or_else(|| outer.name.clone()),
            overrides: self.overrides.or(outer.overrides),
            types: self.types.or_else(|| outer.types.clone()),
        }
    }

    pub(crate) fn resolve(&self) -> CharsetConfig {
        CharsetConfig {
            name: self.name.clone().flatten(),
            overrides: self.overrides.unwrap_or(false),
            types: self.types.clone().unwrap_or_else(|| MediaTypeSet::new(&DEFAULT_TYPES)),
        }
    }
}
