//! `autoindex`: listings of folders.

use lab_nginx_conf::{ConfError, Directive};

/// The listings of a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoindexConfig {
    /// `autoindex_format`
    pub format: AutoindexFormat,
    /// `autoindex_exact_size`: whether sizes are in bytes. For HTML only.
    pub exact_size: bool,
    /// `autoindex_localtime`: whether times are local ones. For HTML only.
    pub localtime: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoindexFormat {
    #[default]
    Html,
    Json,
    Xml,
    /// JSON in a call of the function that the argument `callback` names.
    Jsonp,
}

/// The directives of one block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AutoindexLevel {
    is_on: Option<bool>,
    format: Option<AutoindexFormat>,
    exact_size: Option<bool>,
    localtime: Option<bool>,
}

impl AutoindexLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "autoindex" => self.is_on = Some(directive.flag()?),
            "autoindex_exact_size" => self.exact_size = Some(directive.flag()?),
            "autoindex_localtime" => self.localtime = Some(directive.flag()?),
            "autoindex_format" => {
                self.format = Some(match directive.first() {
                    "html" => AutoindexFormat::Html,
                    "json" => AutoindexFormat::Json,
                    "jsonp" => AutoindexFormat::Jsonp,
                    "xml" => AutoindexFormat::Xml,
                    other => return Err(directive.invalid(other, "html, json, jsonp, xml")),
                });
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: AutoindexLevel) -> AutoindexLevel {
        AutoindexLevel {
            is_on: self.is_on.or(outer.is_on),
            format: self.format.or(outer.format),
            exact_size: self.exact_size.or(outer.exact_size),
            localtime: self.localtime.or(outer.localtime),
        }
    }

    /// None if folders are not listed.
    pub(crate) fn resolve(self) -> Option<AutoindexConfig> {
        self.is_on.unwrap_or(false).then(|| AutoindexConfig {
            format: self.format.unwrap_or_default(),
            exact_size: self.exact_size.unwrap_or(true),
            localtime: self.localtime.unwrap_or(false),
        })
    }
}
