//! The names of files that `client_body_in_file_only` asks for.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use lab_net::spool::default_folder;

/// A name, which is removed on drop unless it is kept.
#[derive(Debug)]
pub(crate) struct BodyFileName {
    path: PathBuf,
    is_kept: bool,
}

impl BodyFileName {
    /// Creates a file with a new name in `folder`, or in the default folder.
    pub(crate) fn create(folder: Option<&Path>, is_kept: bool) -> io::Result<(BodyFileName, File)> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let folder = folder.map_or_else(default_folder, Path::to_owned);
        loop {
            // as in nginx, whose applications may look for ten digits
            let path = folder.join(format!("{:010}", NEXT.fetch_add(1, Ordering::Relaxed)));
            let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
            match created {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return Ok((BodyFileName { path, is_kept }, created?)),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for BodyFileName {
    fn drop(&mut self) {
        if !self.is_kept {
            // the application may have moved it
            _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (one, _) = BodyFileName::create(Some(folder.path()), true).unwrap();
        let (other, _) = BodyFileName::create(Some(folder.path()), false).unwrap();
        let (kept, removed) = (one.path().to_owned(), other.path().to_owned());
        assert_ne!(kept, removed);
        drop((one, other));
        assert!(kept.exists() && !removed.exists());
    }
}
