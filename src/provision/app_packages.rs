//! Where the packages of a Python application come from.

use std::path::{Path, PathBuf};

use super::distributions;
use crate::catalog::kind::{Install, Interface, Kind, VersionSource, distribution_of};

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

    /// The application's environment, if it has all that a kind needs to host it. A kind with a launcher for WSGI needs
    /// each of its distributions; any other only the one that it is named after, because the others belong to its variants.
    #[must_use]
    pub fn environment_with(&self, kind: &Kind, app: Option<Interface>) -> Option<&Path> {
        let AppPackages::Venv(venv) = self else { return None };
        let Install::Environment { pip, source, .. } = &kind.install else { return None };
        let has = |requirement: &String| distributions::version(venv, distribution_of(requirement)).is_some();
        // A launcher adapts a server to WSGI.
        let has_launcher = app != Some(Interface::Asgi) && kind.run.as_ref().is_ok_and(|run| run.launcher.is_some());
        let is_complete = match &kind.version {
            VersionSource::Distribution(name) if !has_launcher => distributions::version(venv, name).is_some(),
            _ => pip.iter().all(has),
        };
        (source.is_empty() && is_complete).then_some(venv)
    }
}
