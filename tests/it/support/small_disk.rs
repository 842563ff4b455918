//! A disk that is soon full.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A small file system, unmounted in the end.
pub(crate) struct SmallDisk {
    pub(crate) folder: PathBuf,
}

impl SmallDisk {
    /// `None` where this process may not mount.
    pub(crate) fn mount(folder: PathBuf, kib: u32) -> Option<SmallDisk> {
        fs::create_dir_all(&folder).unwrap();
        let size = format!("size={kib}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).status();
        mounted.is_ok_and(|status| status.success()).then_some(SmallDisk { folder })
    }

    pub(crate) fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&self.folder).status();
        assert!(grown.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A failed test may leave something open below.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
