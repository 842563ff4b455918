//! `root` and `alias`: the file that belongs to a path.

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// A `root` or `alias`.
#[derive(Debug, Clone)]
pub struct Root {
    pub(crate) folder: Template,
    /// The folder that a relative one starts from.
    pub(crate) prefix: Vec<u8>,
    pub(crate) kind: RootKind,
}

/// Which part of the path is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootKind {
    /// `root`: the whole path.
    Root,
    /// `alias`: what follows the given number of bytes, which the location matched.
    Alias(usize),
    /// `alias` in a location with a regular expression: nothing, since its value is the path of the file.
    AliasedFile,
}

/// A `root` or `alias` whose location is not known yet.
#[derive(Debug, Clone)]
pub(crate) struct RootDirective {
    folder: Template,
    is_alias: bool,
}

impl RootDirective {
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
        // the path begins with the slash
        let text = if is_alias || text == "/" { text } else { text.strip_suffix('/').unwrap_or(text) };
        let text = if text == "/" && !is_alias { "" } else { text };
        Ok(RootDirective { folder: reader.template(directive, text)?, is_alias })
    }

    /// `matched` is how many bytes the location matched; none for a regular expression.
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

pub(crate) fn prefix_bytes(reader: &ConfigReader<'_>) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut prefix = reader.prefix.as_os_str().as_bytes().to_vec();
    if !prefix.is_empty() && !prefix.ends_with(b"/") {
        prefix.push(b'/');
    }
    prefix
}

impl Root {
    /// The root without any directive: `html` below the prefix.
    pub(crate) fn nginx_default(reader: &ConfigReader<'_>) -> Root {
        Root { folder: Template::text("html"), prefix: prefix_bytes(reader), kind: RootKind::Root }
    }

    #[must_use]
    pub fn is_alias(&self) -> bool {
        self.kind != RootKind::Root
    }

    /// How many bytes of a path an `alias` replaces; none for `root`, and for an `alias` that replaces everything.
    #[must_use]
    pub fn alias_prefix(&self) -> Option<usize> {
        match self.kind {
            RootKind::Alias(matched) => Some(matched),
            RootKind::Root | RootKind::AliasedFile => None,
        }
    }

    /// Whether it is the `alias` of a regular expression, which names a file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind == RootKind::AliasedFile
    }
}
