//! The distributions that are installed in a virtual environment, by the names of their metadata folders (PEP 376).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every distribution, by its normalised name, with its version.
pub(super) fn installed(venv: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for folder in site_packages(venv) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(file) = entry.file_name().into_string() else { continue };
            let parts = file.strip_suffix(".dist-info").and_then(|inner| inner.rsplit_once('-'));
            found.extend(parts.map(|(name, version)| (normalize(name), version.to_owned())));
        }
    }
    found
}

/// The version of one of them.
pub(super) fn version(venv: &Path, name: &str) -> Option<String> {
    installed(venv).remove(&normalize(name))
}

/// The folders of packages of an environment: one, unless it was made for several Pythons.
pub(super) fn site_packages(venv: &Path) -> Vec<PathBuf> {
    let libraries = fs::read_dir(venv.join("lib")).into_iter().flatten().flatten();
    libraries.map(|library| library.path().join("site-packages")).filter(|folder| folder.is_dir()).collect()
}

/// A name as it is compared (PEP 503).
pub(super) fn normalize(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distribution_version_is_in_its_metadata_folder() {
        let venv = tempfile::tempdir().unwrap();
        for folder in ["zope.interface-8.7.dist-info", "Mod_Wsgi_Standalone-6.1.1.dist-info", "pip"] {
            fs::create_dir_all(venv.path().join("lib/python3.11/site-packages").join(folder)).unwrap();
        }
        assert_eq!(version(venv.path(), "mod-wsgi.standalone").as_deref(), Some("6.1.1"));
        assert_eq!(version(venv.path(), "zope-interface").as_deref(), Some("8.7"));
        assert_eq!(version(venv.path(), "zope"), None);
    }
}
