//! The surroundings of a scenario: its root, the files beside it, and the kinds.

use std::path::{Path, PathBuf};

use toml::Spanned;

use super::super::model::{PastSessions, Scenario};
use crate::catalog::Catalog;
use crate::document::diagnostic::{Diagnostic, Problems};

/// The inputs of a scenario's resolution besides its tables.
pub(in crate::scenario) struct ResolveContext<'a> {
    /// The text of the file.
    pub(in crate::scenario) source: &'a str,
    pub(in crate::scenario) file: &'a Path,
    /// The absolute folder that relative paths start at.
    pub(in crate::scenario) root: &'a Path,
    pub(in crate::scenario) is_file: &'a dyn Fn(&Path) -> bool,
    pub(in crate::scenario) catalog: &'a Catalog,
    /// Whether this is the earlier version of a comparison, whose files were checked out.
    pub(in crate::scenario) is_earlier: bool,
    /// Set if the run will judge the margins of the gate, so that something must be able to: the past of its stacks.
    pub(in crate::scenario) gated_past: Option<&'a dyn Fn(&Scenario) -> PastSessions>,
}

/// The absolute path of a file that the scenario names. Reports a missing file.
pub(super) fn existing_file(
    path: &Spanned<String>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<PathBuf> {
    let absolute = context.root.join(path.get_ref());
    if path.get_ref().is_empty() || !(context.is_file)(&absolute) {
        let message = format!("no such file: `{}`", path.get_ref());
        let hint = "a relative path starts at the scenario's root: the folder above `scenarios/`, \
                    or the scenario's own folder where that has another name";
        problems.push(Diagnostic::at(path.span(), message).hint(hint));
        return None;
    }
    Some(absolute)
}
