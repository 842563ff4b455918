//! Which content of a file a path leads to, without reading it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

/// How old a change must be: two changes within a tick of the kernel's clock have the same time.
const SETTLED: Duration = Duration::from_secs(2);

/// A file as of its last change. A write, another mode, owner or access control list, and a new name set the time of the
/// change (`ctime`), which no program can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileVersion {
    device: u64,
    inode: u64,
    /// In seconds and nanoseconds since 1970.
    changed: (i64, u64),
}

impl FileVersion {
    #[must_use]
    pub fn of(stat: &Stat) -> FileVersion {
        FileVersion { device: stat.st_dev, inode: stat.st_ino, changed: (stat.st_ctime, stat.st_ctime_nsec) }
    }

    /// Whether a later change cannot have the same version.
    #[must_use]
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(self.changed.0).unwrap_or(0));
        now.duration_since(changed).is_ok_and(|age| age > SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn every_change_makes_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "content").unwrap();
        let version = || FileVersion::of(&rustix::fs::stat(&path).unwrap());
        // a change in the same tick would have the same time
        let pass_tick = || std::thread::sleep(Duration::from_millis(20));
        let first = version();
        assert_eq!(first, version());
        pass_tick();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let second = version();
        assert_ne!(first, second);
        pass_tick();
        fs::write(&path, "changed").unwrap();
        assert_ne!(second, version());
    }

    #[test]
    fn young_version_is_not_settled() {
        let version = FileVersion { device: 1, inode: 1, changed: (1000, 999_999_999) };
        for (now, is_settled) in [(0, false), (1000, false), (1002, false), (1003, true)] {
            assert_eq!(version.is_settled(UNIX_EPOCH + Duration::from_secs(now)), is_settled, "{now}");
        }
    }
}
