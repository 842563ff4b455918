//! Evaluates `root` and `alias`.

use super::Scope;
use crate::config::location::root::{Root, RootKind};
use crate::routing::route::UriAlignment;

/// The length of most folders.
const FOLDER: usize = 64;

/// A file that belongs to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePath {
    pub bytes: Vec<u8>,
    /// The number of its leading bytes that come from `root` or `alias`.
    pub root: usize,
}

impl Root {
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

    /// The file that belongs to the request's path. None if an `alias` would replace a part of the path that `rewrite`
    /// has already removed.
    #[must_use]
    pub fn file_path(&self, scope: &Scope<'_>) -> Option<FilePath> {
        let route = scope.route;
        if self.is_alias() && route.alignment == UriAlignment::Detached {
            return None;
        }
        let mut bytes = Vec::with_capacity(FOLDER + route.uri.len());
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
