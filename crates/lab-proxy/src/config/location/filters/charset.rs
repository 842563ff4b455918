//! `charset` and its family: the charset that `Content-Type` names.

use super::media_type_set::MediaTypeSet;
use crate::config::position::Position;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// The charset module of a location.
#[derive(Debug, Clone)]
pub struct CharsetConfig {
    /// `charset`; none for `off`.
    pub name: Option<Template>,
    /// `source_charset`: the charset of contents that do not name theirs.
    pub source: Option<Template>,
    /// `override_charset`: whether it applies to responses of upstreams that name a charset.
    pub overrides: bool,
    /// `charset_types`
    pub types: MediaTypeSet,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct CharsetLevel {
    name: Option<Option<Template>>,
    source: Option<Template>,
    /// The directive of this block that names a charset.
    position: Option<Position>,
    overrides: Option<bool>,
    types: Option<MediaTypeSet>,
}

const DEFAULT_TYPES: [&str; 6] =
    ["text/html", "text/xml", "text/plain", "text/vnd.wap.wml", "application/javascript", "application/rss+xml"];

impl CharsetLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "charset" => {
                self.name = Some(if directive.first() == "off" { None } else { Some(charset(directive, reader)?) });
                self.position = Some(Position::of(directive));
            }
            "source_charset" => {
                self.source = Some(charset(directive, reader)?);
                self.position = Some(Position::of(directive));
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
            source: self.source.or_else(|| outer.source.clone()),
            position: self.position,
            overrides: self.overrides.or(outer.overrides),
            types: self.types.or_else(|| outer.types.clone()),
        }
    }

    /// Reports charsets of this block, or of this block and those around it, that no `charset_map` connects. Those with
    /// variables are looked up for each response.
    pub(crate) fn check(&self, reader: &mut ConfigReader<'_>) {
        let (Some(Some(name)), Some(source), Some(position)) = (&self.name, &self.source, &self.position) else {
            return;
        };
        let (Some(name), Some(source)) = (name.constant(), source.constant()) else { return };
        if !name.eq_ignore_ascii_case(source) && reader.charset_maps.find(source, name).is_none() {
            let [source, name] = [source, name].map(String::from_utf8_lossy);
            let message = format!("no \"charset_map\" between the charsets \"{source}\" and \"{name}\"");
            let error = position.error(ConfErrorKind::Conflict(message));
            reader.errors.push(error);
        }
    }

    pub(crate) fn resolve(&self) -> CharsetConfig {
        CharsetConfig {
            name: self.name.clone().flatten(),
            source: self.source.clone(),
            overrides: self.overrides.unwrap_or(false),
            types: self.types.clone().unwrap_or_else(|| MediaTypeSet::new(&DEFAULT_TYPES)),
        }
    }
}

/// Reads all `charset_map` blocks of the `http` block.
pub(crate) fn read_maps(http: &[Directive], reader: &mut ConfigReader<'_>) {
    for directive in http.iter().filter(|directive| directive.name == "charset_map") {
        let added = reader.charset_maps.add(directive);
        reader.keep(added);
        for arg in &directive.args {
            reader.name_charset(&arg.value);
        }
    }
}

/// Reads the name of a charset.
fn charset(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Template, ConfError> {
    let name = directive.first();
    if name.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b';') {
        return Err(directive.invalid(&name.escape_debug().to_string(), "off, or the name of a charset"));
    }
    let name = if name.contains('$') { name } else { &*reader.name_charset(name) };
    reader.template(directive, name)
}
