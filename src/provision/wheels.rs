//! The wheels that an installed lab brings: its environments need no source tree, and no compiler.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::distributions::normalize;

/// Their folder, from the one that has the folder of the lab binary in it.
const FOLDER: &str = "share/lab/wheels";

/// The wheels of one distribution, each for another Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheels {
    pub folder: PathBuf,
    pub distribution: String,
    files: Vec<PathBuf>,
}

impl Wheels {
    /// Those that belong to the lab binary `lab`. `None` if it has none, as in a source tree.
    #[must_use]
    pub fn find(lab: &Path, distribution: &str) -> Option<Wheels> {
        let folder = lab.parent()?.parent()?.join(FOLDER);
        let prefix = format!("{}-", normalize(distribution));
        let is_wheel = |file: &PathBuf| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(&prefix) && name.ends_with(".whl")
        };
        let entries = fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = entries.filter(is_wheel).collect();
        files.sort();
        (!files.is_empty()).then(|| Wheels { folder, distribution: distribution.to_owned(), files })
    }

    /// The Pythons that they are for, such as `cp313`.
    #[must_use]
    pub fn pythons(&self) -> Vec<&str> {
        // NAME-VERSION-PYTHON-ABI-PLATFORM.whl
        self.files.iter().filter_map(|file| file.file_stem()?.to_str()?.split('-').nth(2)).collect()
    }

    /// Adds what distinguishes them from others to the digest.
    pub(super) fn add_to(&self, digest: &mut Sha256) -> io::Result<()> {
        for file in &self.files {
            let metadata = fs::metadata(file)?;
            digest.update(file.as_os_str().as_encoded_bytes());
            digest.update(metadata.len().to_le_bytes());
            digest.update(metadata.mtime().to_le_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_lie_beside_the_folder_of_the_binary() {
        let root = tempfile::tempdir().unwrap();
        let lab = root.path().join("bin/lab");
        assert_eq!(Wheels::find(&lab, "lab-wsgi"), None);
        let folder = root.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        for name in [
            "lab_wsgi-0.1.0-cp313-cp313-linux_x86_64.whl",
            "lab_wsgi-0.1.0-cp311-cp311-linux_x86_64.whl",
            "other-1-py3-none-any.whl",
        ] {
            fs::write(folder.join(name), "").unwrap();
        }
        let found = Wheels::find(&lab, "lab-wsgi").unwrap();
        assert_eq!(found.pythons(), ["cp311", "cp313"]);
        assert_eq!(found.folder, folder);
    }
}
