//! `root`, `index`, `types` and the other directives about files, as blocks inherit them.

use std::collections::HashMap;
use std::sync::Arc;

use super::root::RootDirective;
use super::symlinks::SymlinkRules;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// `if_modified_since`: how the field's date is compared with a file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfModifiedSince {
    /// The field is ignored.
    Off,
    /// The dates must be equal.
    #[default]
    Exact,
    /// The field's date may be later.
    Before,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilesLevel {
    /// The block's own `root` or `alias`. The inherited one is kept with its location.
    pub(crate) root: Option<RootDirective>,
    pub(crate) index: Option<Vec<Index>>,
    pub(crate) types: Option<Arc<MediaTypes>>,
    pub(crate) default_type: Option<String>,
    pub(crate) etag: Option<bool>,
    pub(crate) if_modified_since: Option<IfModifiedSince>,
    pub(crate) log_not_found: Option<bool>,
    /// The inner option is none for `disable_symlinks off`.
    pub(crate) symlinks: Option<Option<SymlinkRules>>,
    pub(crate) sendfile: Option<bool>,
    /// In bytes; 0 for no limit.
    pub(crate) sendfile_max_chunk: Option<u64>,
}

impl FilesLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "root" | "alias" => self.root = Some(RootDirective::read(directive, self.root.as_ref(), reader)?),
            "index" => Index::read(directive, reader, self.index.get_or_insert_default())?,
            "types" => self.types = Some(Arc::new(MediaTypes::read(directive))),
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
            "disable_symlinks" => self.symlinks = Some(SymlinkRules::read(directive, reader)?),
            "sendfile" => self.sendfile = Some(directive.flag()?),
            "sendfile_max_chunk" => self.sendfile_max_chunk = Some(directive.size()?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &FilesLevel) -> FilesLevel {
        FilesLevel {
            root: self.root,
            index: self.index.or_else(|| outer.index.clone()),
            types: self.types.or_else(|| outer.types.clone()),
            default_type: self.default_type.or_else(|| outer.default_type.clone()),
            etag: self.etag.or(outer.etag),
            if_modified_since: self.if_modified_since.or(outer.if_modified_since),
            log_not_found: self.log_not_found.or(outer.log_not_found),
            symlinks: self.symlinks.or_else(|| outer.symlinks.clone()),
            sendfile: self.sendfile.or(outer.sendfile),
            sendfile_max_chunk: self.sendfile_max_chunk.or(outer.sendfile_max_chunk),
        }
    }

    /// How many bytes the kernel sends of a file at a time; None without `sendfile on`.
    pub(super) fn sendfile_chunk(&self) -> Option<u64> {
        let chunk = match self.sendfile_max_chunk.unwrap_or(2 << 20) {
            0 => u64::MAX,
            bytes => bytes,
        };
        self.sendfile.unwrap_or(false).then_some(chunk)
    }
}

/// One argument of `index`.
#[derive(Debug, Clone)]
pub struct Index {
    /// The name of a file, perhaps with variables.
    pub name: Template,
    /// Whether it begins with a slash. Then the request is redirected to it without checking that it exists.
    pub is_absolute: bool,
}

impl Index {
    /// nginx's default.
    pub(crate) fn default_list() -> Vec<Index> {
        vec![Index { name: Template::text("index.html"), is_absolute: false }]
    }

    pub(crate) fn read(
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
        list: &mut Vec<Index>,
    ) -> Result<(), ConfError> {
        for arg in &directive.args {
            if arg.value.is_empty() {
                return Err(directive.invalid("", "the name of a file"));
            }
            let name = reader.template(directive, &arg.value)?;
            list.push(Index { name, is_absolute: arg.value.starts_with('/') });
        }
        Ok(())
    }
}

/// `types`: media types by file name extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaTypes {
    by_extension: HashMap<Vec<u8>, String>,
}

impl Default for MediaTypes {
    /// nginx's default types.
    fn default() -> MediaTypes {
        let known = [("html", "text/html"), ("gif", "image/gif"), ("jpg", "image/jpeg")];
        let by_extension = known.map(|(extension, media_type)| (extension.as_bytes().to_vec(), media_type.to_owned()));
        MediaTypes { by_extension: by_extension.into() }
    }
}

impl MediaTypes {
    pub(crate) fn read(directive: &Directive) -> MediaTypes {
        let mut by_extension = HashMap::new();
        for entry in directive.children() {
            for arg in &entry.args {
                by_extension.insert(arg.value.to_ascii_lowercase().into_bytes(), entry.name.clone());
            }
        }
        MediaTypes { by_extension }
    }

    /// The media type of an extension. Case does not matter.
    #[must_use]
    pub fn find(&self, extension: &[u8]) -> Option<&str> {
        let media_type = match extension.iter().any(u8::is_ascii_uppercase) {
            true => self.by_extension.get(&extension.to_ascii_lowercase()),
            false => self.by_extension.get(extension),
        };
        media_type.map(String::as_str)
    }
}

fn media_type(directive: &Directive) -> Result<String, ConfError> {
    let text = directive.first();
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(directive.invalid(&text.escape_debug().to_string(), "a media type such as text/plain"));
    }
    Ok(text.to_owned())
}
