//! Where the packages of a WSGI application come from.

use std::path::{Path, PathBuf};

use super::distributions;
use crate::catalog::kind::{Install, Kind, VersionSource, distribution_of};

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AppPackages {
    /// It needs none.
    #[default]
    None,
    /// Requirements for pip, as the text of a file without references to other files.
    Requirements(String),
    /// The application's own virtual environment.
    Venv(PathBuf),
}

impl AppPackages {
    /// Requirements, of which there may be none.
    #[must_use]
    pub fn from_requirements(text: String) -> AppPackages {
        if text.trim().is_empty() { AppPackages::None } else { AppPackages::Requirements(text) }
    }

    /// The application's environment, if it has all that a kind is made of. A kind with a launcher needs each of its
    /// distributions; another one only the one that it is named after, because the others belong to its variants.
    #[must_use]
    pub fn environment_with(&self, kind: &Kind) -> Option<&Path> {
        let AppPackages::Venv(venv) = self else { return None };
        let Install::Environment { pip, source, .. } = &kind.install else { return None };
        let has = |requirement: &String| distributions::version(venv, distribution_of(requirement)).is_some();
        let has_launcher = kind.run.as_ref().is_ok_and(|run| run.launcher.is_some());
        let is_complete = match &kind.version {
            VersionSource::Distribution(name) if !has_launcher => distributions::version(venv, name).is_some(),
            _ => pip.iter().all(has),
        };
        (source.is_empty() && is_complete).then_some(venv)
    }
}
