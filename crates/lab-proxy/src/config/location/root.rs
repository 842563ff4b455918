//! `root` and `alias`: which file a path means.

use crate::config::reader::ConfigReader;
use crate::eval::{Scope, Template};
use crate::routing::route::UriAlignment;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// The folder that files are in.
#[derive(Debug, Clone)]
pub struct Root {
    folder: Template,
    /// What a folder that does not begin with a slash is relative to.
    prefix: Vec<u8>,
    kind: RootKind,
}

/// What of a path goes behind the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RootKind {
    /// `root`: the whole path.
    Root,
    /// `alias`: what follows the number of bytes that the location matched.
    Alias(usize),
    /// `alias` in a location with a regular expression: nothing, the value is the path of the file.
    AliasedFile,
}

/// A file that belongs to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePath {
    /// The path of the file.
    pub bytes: Vec<u8>,
    /// How many of them are the root's.
    pub root: usize,
}

/// What a block says of its root, before its location is known.
#[derive(Debug, Clone)]
pub(crate) struct RootDirective {
    folder: Template,
    is_alias: bool,
}

impl RootDirective {
    /// Reads `root` or `alias`.
    pub(crate) fn read(
        directive: &Directive,
        before: Option<&RootDirective>,
        reader: &mut ConfigReader<'_>,
    ) -> Result<RootDirective, ConfError> {
        let is_alias = directive.name == "alias";
        if let Some(before) = before {
            let name = directive.name.clone();
            if before.is_alias == is_alias {
                return Err(directive.error(ConfErrorKind::Duplicate { name }));
            }
            let other = if is_alias { "root" } else { "alias" };
            let message = format!("\"{name}\" directive is duplicate, \"{other}\" directive was specified earlier");
            return Err(directive.error(ConfErrorKind::Conflict(message)));
        }
        let text = directive.first();
        for variable in ["document_root", "realpath_root"] {
            if text.contains(&format!("${variable}")) || text.contains(&format!("${{{variable}}}")) {
                return Err(directive.invalid(text, "a folder that does not depend on itself"));
            }
        }
        // a trailing slash is the path's own
        let text = if is_alias || text == "/" { text } else { text.strip_suffix('/').unwrap_or(text) };
        let text = if text == "/" && !is_alias { "" } else { text };
        Ok(RootDirective { folder: reader.template(directive, text)?, is_alias })
    }

    /// The root of a location that matched so many bytes; none for a regular expression.
    pub(crate) fn resolve(self, matched: Option<usize>, reader: &ConfigReader<'_>) -> Root {
        let kind = match (self.is_alias, matched) {
            (false, _) => RootKind::Root,
            (true, Some(matched)) => RootKind::Alias(matched),
            (true, None) => RootKind::AliasedFile,
        };
        Root { folder: self.folder, prefix: prefix_bytes(reader), kind }
    }

    pub(crate) fn is_alias(&self) -> bool {
        self.is_alias
    }
}

fn prefix_bytes(reader: &ConfigReader<'_>) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut prefix = reader.prefix.as_os_str().as_bytes().to_vec();
    if !prefix.is_empty() && !prefix.ends_with(b"/") {
        prefix.push(b'/');
    }
    prefix
}

impl Root {
    /// nginx's root where none is named: `html` below the prefix.
    pub(crate) fn nginx_default(reader: &ConfigReader<'_>) -> Root {
        Root { folder: Template::text("html"), prefix: prefix_bytes(reader), kind: RootKind::Root }
    }

    /// Whether it is an `alias`.
    #[must_use]
    pub fn is_alias(&self) -> bool {
        self.kind != RootKind::Root
    }

    /// How many bytes of a path an `alias` stands for; none for `root`, or if it stands for all.
    #[must_use]
    pub fn alias_prefix(&self) -> Option<usize> {
        match self.kind {
            RootKind::Alias(matched) => Some(matched),
            RootKind::Root | RootKind::AliasedFile => None,
        }
    }

    /// Whether it is the `alias` of a regular expression, which is a file by itself.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind == RootKind::AliasedFile
    }

    /// Appends the folder.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        self.folder.write(scope, out);
        // an empty `root` is the root of the file system
        let is_root = out.len() == start && !self.is_alias();
        if !is_root && out.get(start) != Some(&b'/') {
            out.splice(start..start, self.prefix.iter().copied());
        }
    }

    /// The file that belongs to the request's path. None if an `alias` stands for a part of the path that a rewrite has
    /// taken away.
    #[must_use]
    pub fn file_path(&self, scope: &Scope<'_>) -> Option<FilePath> {
        let route = scope.route;
        if self.is_alias() && route.alignment == UriAlignment::Detached {
            return None;
        }
        let mut bytes = Vec::new();
        self.write(scope, &mut bytes);
        let root = bytes.len();
        match self.kind {
            RootKind::Root => bytes.extend_from_slice(&route.uri),
            RootKind::Alias(matched) => bytes.extend_from_slice(route.uri.get(matched..)?),
            RootKind::AliasedFile if route.alignment == UriAlignment::BelowAlias => bytes.extend_from_slice(&route.uri),
            RootKind::AliasedFile => {}
        }
        Some(FilePath { bytes, root })
    }
}
