//! Files that the process may read: a 304 needs the permission, but not the open file.

use std::collections::HashSet;

use rustix::fs::Stat;

/// Beyond this number, all are forgotten.
const CAPACITY: usize = 4096;

/// How many seconds a change must be past: two changes within a tick of the kernel's clock have the same time.
const SETTLED: i64 = 2;

/// Files that were readable as of their last change. A change of the mode, the owner or the access control list sets
/// the time of the change, and `stat` has looked at the folders of the path.
#[derive(Debug, Default)]
pub(super) struct ReadableFiles(HashSet<FileVersion>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct FileVersion {
    device: u64,
    inode: u64,
    /// `ctime`, in seconds and nanoseconds.
    changed: (i64, u64),
}

impl ReadableFiles {
    /// Whether the file is readable, by `check` unless that is known. `now` is in seconds since 1970.
    pub(super) fn check(&mut self, stat: &Stat, now: impl FnOnce() -> i64, check: impl FnOnce() -> bool) -> bool {
        let changed = (stat.st_ctime, stat.st_ctime_nsec);
        let version = FileVersion { device: stat.st_dev, inode: stat.st_ino, changed };
        if self.0.contains(&version) {
            return true;
        }
        let is_readable = check();
        if is_readable && now().saturating_sub(stat.st_ctime) >= SETTLED {
            if self.0.len() == CAPACITY {
                self.0.clear();
            }
            self.0.insert(version);
        }
        is_readable
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn changed_file_is_checked_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "content").unwrap();
        let stat = || rustix::fs::stat(&path).unwrap();
        let (mut files, checks) = (ReadableFiles::default(), Cell::new(0));
        let mut is_readable = |stat: &Stat, age: i64, outcome: bool| {
            let check = || {
                checks.set(checks.get() + 1);
                outcome
            };
            files.check(stat, || stat.st_ctime + age, check)
        };

        // too young to be remembered
        assert!(is_readable(&stat(), 1, true));
        assert!(is_readable(&stat(), 2, true));
        assert_eq!(checks.get(), 2);
        assert!(is_readable(&stat(), 3, false));
        assert_eq!(checks.get(), 2);

        let before = stat();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        assert_ne!((before.st_ctime, before.st_ctime_nsec), (stat().st_ctime, stat().st_ctime_nsec));
        assert!(!is_readable(&stat(), 3, false));
        // a file that is not readable is checked each time
        assert!(!is_readable(&stat(), 3, false));
        assert_eq!(checks.get(), 4);
    }
}
