//! Files that the process may read: a 304 needs the permission, but not the open file.

use std::time::SystemTime;

use foldhash::HashSet;
use lab_net::FileVersion;
use rustix::fs::Stat;

/// Beyond this number, all are forgotten.
const CAPACITY: usize = 4096;

/// Files that were readable as of their last change: `stat` has looked at the folders of the path.
#[derive(Debug, Default)]
pub(super) struct ReadableFiles(HashSet<FileVersion>);

impl ReadableFiles {
    /// Whether the file is readable, by `check` unless that is known.
    pub(super) fn check(
        &mut self,
        stat: &Stat,
        now: impl FnOnce() -> SystemTime,
        check: impl FnOnce() -> bool,
    ) -> bool {
        let version = FileVersion::of(stat);
        if self.0.contains(&version) {
            return true;
        }
        let is_readable = check();
        if is_readable && version.is_settled(now()) {
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
    use std::time::{Duration, UNIX_EPOCH};

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
            let now = Duration::from_secs((stat.st_ctime + age).cast_unsigned());
            files.check(stat, || UNIX_EPOCH + now, check)
        };

        // too young to be remembered
        assert!(is_readable(&stat(), 1, true));
        assert!(is_readable(&stat(), 3, true));
        assert_eq!(checks.get(), 2);
        assert!(is_readable(&stat(), 4, false));
        assert_eq!(checks.get(), 2);

        let before = stat();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        assert_ne!((before.st_ctime, before.st_ctime_nsec), (stat().st_ctime, stat().st_ctime_nsec));
        assert!(!is_readable(&stat(), 4, false));
        // a file that is not readable is checked each time
        assert!(!is_readable(&stat(), 4, false));
        assert_eq!(checks.get(), 4);
    }
}
