//! Static files that nginx serves.

use std::path::{Path, PathBuf};

use lab_nginx_conf::{Directive, parse_time, walk};

use super::{named, prefix_of};

/// A location of static files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    pub line: usize,
    /// The prefix of the location.
    pub prefix: String,
    /// The folder of the files below the prefix, relative to the configuration's, unless it is absolute.
    pub folder: PathBuf,
    /// The argument of `alias` or `root`, in which it is.
    pub named: PathBuf,
    /// The `max-age` that `expires` sets, in seconds.
    pub max_age: Option<u64>,
    /// A file that is there, as a path for clients.
    pub sample: Option<String>,
    /// The folder of the deployment that takes the place of `named`, which is of a container, and the file that says so.
    pub here: Option<(PathBuf, PathBuf)>,
}

impl Files {
    /// The folder as seen from `named`.
    pub(in crate::init) fn below_named(&self) -> PathBuf {
        self.folder.strip_prefix(&self.named).map(Path::to_owned).unwrap_or_default()
    }
}

/// The static files of a location, if it passes no requests on.
pub(super) fn files(location: &Directive, server: &[Directive]) -> Option<Files> {
    let own = location.children();
    let prefix = prefix_of(location)?;
    if walk(own).any(|directive| directive.name.ends_with("_pass") || directive.name == "internal") {
        return None;
    }
    let value = |name: &str| named(own, name).first().and_then(|directive| directive.arg(0));
    let root = || named(server, "root").first().and_then(|directive| directive.arg(0));
    let (argument, folder) = match (value("alias"), value("root").or_else(root)) {
        (Some(alias), _) => (alias, PathBuf::from(alias)),
        (None, root) => (root?, PathBuf::from(root?).join(prefix.trim_matches('/'))),
    };
    let max_age = match value("expires") {
        Some("max") => Some(315_360_000),
        Some(time) => parse_time(time).map(|time| time.as_secs()).filter(|seconds| *seconds > 0),
        None => None,
    };
    let sets_cache_control = named(own, "add_header")
        .iter()
        .any(|added| added.arg(0).is_some_and(|name| name.eq_ignore_ascii_case("cache-control")));
    let is_literal = !folder.to_string_lossy().contains('$');
    is_literal.then(|| Files {
        line: location.line,
        prefix: prefix.to_owned(),
        folder,
        // Without a final slash.
        named: Path::new(argument).components().collect(),
        max_age: max_age.filter(|_| !sets_cache_control),
        sample: None,
        here: None,
    })
}
