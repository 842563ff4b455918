//! Tells whether a zone has its folder for itself.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// A lock on a folder, shared by all zones that use it. The kernel releases it however a process ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    _folder: File,
    /// Whether no other zone used the folder when this one took it. What is incomplete in it is abandoned then.
    pub(super) was_alone: bool,
}

impl FolderLock {
    /// # Errors
    /// The folder cannot be opened.
    pub(super) fn take(folder: &Path) -> io::Result<FolderLock> {
        let folder = File::open(folder)?;
        // a file system without locks leaves old files until they are old enough
        let was_alone = flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok();
        _ = flock(&folder, FlockOperation::NonBlockingLockShared);
        Ok(FolderLock { _folder: folder, was_alone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_lock_is_not_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        let second = FolderLock::take(folder.path()).unwrap();
        assert!(first.was_alone && !second.was_alone);
        drop(first);
        assert!(!FolderLock::take(folder.path()).unwrap().was_alone);
        drop(second);
        assert!(FolderLock::take(folder.path()).unwrap().was_alone);
    }
}
