//! Where files are and what they are: what blocks inherit of `root`, `index`, `types` and their like.

use std::sync::Arc;

use super::answers::{Index, Types};
use super::reading::Reading;
use super::root::RootDirective;
use lab_nginx_conf::{ConfError, Directive};

/// `if_modified_since`: how the date is compared with a file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfModifiedSince {
    /// The field is not looked at.
    Off,
    /// It has to be the file's own.
    #[default]
    Exact,
    /// It may be later.
    Before,
}

/// What the directives of one block say.
#[derive(Debug, Clone, Default)]
pub(super) struct FilesLevel {
    /// The block's own; what is inherited is known to its location.
    pub(super) root: Option<RootDirective>,
    pub(super) index: Option<Vec<Index>>,
    pub(super) types: Option<Arc<Types>>,
    pub(super) default_type: Option<String>,
    pub(super) etag: Option<bool>,
    pub(super) if_modified_since: Option<IfModifiedSince>,
    pub(super) log_not_found: Option<bool>,
}

impl FilesLevel {
    pub(super) fn read(&mut self, directive: &Directive, reading: &mut Reading<'_>) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "root" | "alias" => self.root = Some(RootDirective::read(directive, self.root.as_ref(), reading)?),
            "index" => Index::read(directive, reading, self.index.get_or_insert_default())?,
            "types" => self.types = Some(Arc::new(Types::read(directive))),
            "default_type" => self.default_type = Some(media_type(directive)?),
            "etag" => self.etag = Some(directive.flag()?),
            "if_modified_since" => {
                self.if_modified_since = Some(match directive.first() {
                    "off" => IfModifiedSince::Off,
                    "exact" => IfModifiedSince::Exact,
                    "before" => IfModifiedSince::Before,
                    other => return Err(directive.invalid(other, "off, exact, before")),
                });
            }
            "log_not_found" => self.log_not_found = Some(directive.flag()?),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn inherit(self, outer: &FilesLevel) -> FilesLevel {
        FilesLevel {
            root: self.root,
            index: self.index.or_else(|| outer.index.clone()),
            types: self.types.or_else(|| outer.types.clone()),
            default_type: self.default_type.or_else(|| outer.default_type.clone()),
            etag: self.etag.or(outer.etag),
            if_modified_since: self.if_modified_since.or(outer.if_modified_since),
            log_not_found: self.log_not_found.or(outer.log_not_found),
        }
    }
}

fn media_type(directive: &Directive) -> Result<String, ConfError> {
    let text = directive.first();
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(directive.invalid(&text.escape_debug().to_string(), "a media type such as text/plain"));
    }
    Ok(text.to_owned())
}
