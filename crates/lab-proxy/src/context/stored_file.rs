//! The files of `proxy_store`.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// A file that is written beside its place, and takes the place once it is complete. Otherwise it is removed.
#[derive(Debug)]
pub(crate) struct StoredFile {
    file: File,
    path: PathBuf,
    /// None once the file has its place.
    temporary: Option<PathBuf>,
    access: u32,
    /// The first write that failed.
    failure: Option<io::Error>,
}

impl StoredFile {
    /// Creates the file, and the folders above it, with the permissions `access`.
    pub(crate) fn create(path: &[u8], access: u32) -> io::Result<StoredFile> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let path = Path::new(OsStr::from_bytes(path));
        if let Some(folder) = path.parent() {
            // as in nginx: a folder can be searched by everyone who can read it
            let access = access | (access & 0o444) >> 2;
            DirBuilder::new().recursive(true).mode(access).create(folder)?;
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        Ok(StoredFile { file, path: path.to_owned(), temporary: Some(temporary.into()), access, failure: None })
    }

    pub(crate) fn push(&mut self, content: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.file.write_all(content).err();
        }
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    /// Some of the content could not be written, or the file not be renamed.
    pub(crate) fn finish(mut self, modified: Option<SystemTime>) -> io::Result<()> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.file.set_permissions(Permissions::from_mode(self.access))?;
        if let Some(modified) = modified {
            self.file.set_modified(modified)?;
        }
        if let Some(temporary) = &self.temporary {
            std::fs::rename(temporary, &self.path)?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for StoredFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            _ = std::fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_files_take_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c.txt");
        let mut file = StoredFile::create(path.as_os_str().as_bytes(), 0o640).unwrap();
        file.push(b"one");
        drop(file);
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 0);
        let mut file = StoredFile::create(path.as_os_str().as_bytes(), 0o640).unwrap();
        file.push(b"one");
        file.push(b"two");
        file.finish(Some(SystemTime::UNIX_EPOCH)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"onetwo");
        let metadata = path.metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
        assert_eq!(metadata.modified().unwrap(), SystemTime::UNIX_EPOCH);
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1);
    }
}
