//! The space that the spool files of a process may take together.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::fstatvfs;

/// How much a file may grow between two looks at the file system.
const CHECK_INTERVAL: u64 = 1024 * 1024;

/// Bytes in all spool files of this process, whichever file systems they are on.
static SPOOLED: AtomicU64 = AtomicU64::new(0);

/// How much of the free space of a file system the spool files of this process may take together: a percentage of what
/// would be free without them. Processes need no agreement: what one takes is not free for the others, so something always
/// remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolShare(u64);

impl SpoolShare {
    /// As much as there is.
    pub const UNLIMITED: SpoolShare = SpoolShare(100);
    /// Half of the free space.
    pub const HALF: SpoolShare = SpoolShare(50);

    /// A share in percent. 100 and more is [`UNLIMITED`](SpoolShare::UNLIMITED).
    #[must_use]
    pub const fn from_percent(percent: u64) -> SpoolShare {
        SpoolShare(if percent < 100 { percent } else { 100 })
    }

    /// Whether `taken` bytes are within the share when `free` bytes are left.
    fn allows(self, taken: u64, free: u64) -> bool {
        self == SpoolShare::UNLIMITED
            || u128::from(taken) * 100 <= (u128::from(free) + u128::from(taken)) * u128::from(self.0)
    }
}

/// Whether an error of a spool file means that there is no space for it: the disk, a quota or the share is exhausted.
#[must_use]
pub fn is_out_of_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// The space of one spool file, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Occupied {
    share: SpoolShare,
    bytes: u64,
    /// Bytes that may be occupied before the next look at the file system.
    unchecked: u64,
}

impl Occupied {
    pub(super) fn new(share: SpoolShare) -> Occupied {
        Occupied { share, bytes: 0, unchecked: 0 }
    }

    /// Occupies `bytes` more.
    ///
    /// # Errors
    /// The share does not allow it ([`StorageFull`](io::ErrorKind::StorageFull)).
    pub(super) fn grow(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        if self.unchecked < bytes && self.share != SpoolShare::UNLIMITED {
            let system = fstatvfs(file)?;
            let free = system.f_bavail.saturating_mul(system.f_frsize);
            let growth = bytes.max(CHECK_INTERVAL);
            // The smaller step is for file systems that are smaller than an interval.
            let allows =
                |growth: u64| self.share.allows(SPOOLED.load(Ordering::Relaxed) + growth, free.saturating_sub(growth));
            self.unchecked = if allows(growth) {
                growth
            } else if allows(bytes) {
                bytes
            } else {
                let message = format!("spooled bodies may take {} % of the free space, and do", self.share.0);
                return Err(io::Error::new(io::ErrorKind::StorageFull, message));
            };
        }
        self.unchecked = self.unchecked.saturating_sub(bytes);
        self.bytes += bytes;
        SPOOLED.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Gives `bytes` back before the file ends.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        SPOOLED.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        SPOOLED.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_counts_what_is_free_without_it() {
        let half = SpoolShare::HALF;
        assert!(half.allows(0, 0) && half.allows(5, 5) && half.allows(1, 100));
        assert!(!half.allows(6, 5) && !half.allows(1, 0));
        assert!(SpoolShare::UNLIMITED.allows(u64::MAX, 0));
        assert!(!SpoolShare::from_percent(0).allows(1, u64::MAX));
        assert_eq!(SpoolShare::from_percent(500), SpoolShare::UNLIMITED);
    }

    #[test]
    fn exhausted_share_is_out_of_space() {
        let file = tempfile::tempfile().unwrap();
        let mut nothing = Occupied::new(SpoolShare::from_percent(0));
        assert!(is_out_of_space(&nothing.grow(&file, 1).unwrap_err()));
        let mut some = Occupied::new(SpoolShare::HALF);
        some.grow(&file, 10).unwrap();
        some.shrink(4);
        assert_eq!(some.bytes, 6);
    }
}
