//! Whether a worker lives: the notes it keeps, as its master makes and reads them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use lab_worker::notes::{Notes, SERVING, SIZE};
use rustix::fs::{MemfdFlags, Mode, OFlags, ftruncate, memfd_create, open};
use rustix::io::pread;
use tokio::time::Instant;

/// The notes of one worker.
#[derive(Debug)]
pub struct Heartbeat {
    file: OwnedFd,
    pulse: Pulse,
}

/// How a worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It has not begun to serve.
    Booting,
    /// It serves.
    Alive,
    /// It has been silent for too long, and was last seen in this request.
    Hung(Option<String>),
}

/// The last sign of life. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pulse {
    beat: u64,
    since: Instant,
}

impl Heartbeat {
    /// Notes of a worker that is about to start: in memory, or in a file without a name in `folder` (gunicorn's
    /// `worker_tmp_dir`).
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(folder: Option<&Path>, now: Instant) -> io::Result<Heartbeat> {
        let file = match folder {
            None => memfd_create("lab-notes", MemfdFlags::CLOEXEC)?,
            Some(folder) => open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o600))?,
        };
        ftruncate(&file, SIZE as u64)?;
        Ok(Heartbeat { file, pulse: Pulse { beat: 0, since: now } })
    }

    /// The file, for the worker.
    #[must_use]
    pub fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// How the worker is at this moment. A timeout of zero is for ever.
    pub fn check(&mut self, now: Instant, timeout: Duration) -> Condition {
        let mut page = [0; SIZE];
        let notes = match pread(self.file.as_fd(), &mut page, 0) {
            Ok(read) => Notes::decode(&page[..read]).unwrap_or_default(),
            Err(_) => Notes::default(),
        };
        self.pulse.judge(&notes, now, timeout)
    }
}

impl Pulse {
    fn judge(&mut self, notes: &Notes, now: Instant, timeout: Duration) -> Condition {
        if notes.heartbeat != self.beat {
            *self = Pulse { beat: notes.heartbeat, since: now };
        }
        if !timeout.is_zero() && now.duration_since(self.since) > timeout {
            return Condition::Hung(notes.request.clone());
        }
        if self.beat < SERVING { Condition::Booting } else { Condition::Alive }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_counted_from_the_last_change() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let notes = |heartbeat| Notes { heartbeat, requests: 0, request: Some("GET / HTTP/1.1".into()) };
        let timeout = Duration::from_secs(5);
        let mut pulse = Pulse { beat: 0, since: start };
        assert_eq!(pulse.judge(&notes(0), at(5), timeout), Condition::Booting);
        assert_eq!(pulse.judge(&notes(1), at(6), timeout), Condition::Booting);
        assert_eq!(pulse.judge(&notes(2), at(7), timeout), Condition::Alive);
        assert_eq!(pulse.judge(&notes(2), at(12), timeout), Condition::Alive);
        assert_eq!(pulse.judge(&notes(2), at(13), Duration::ZERO), Condition::Alive);
        assert_eq!(pulse.judge(&notes(2), at(13), timeout), Condition::Hung(Some("GET / HTTP/1.1".into())));
        assert_eq!(pulse.judge(&notes(3), at(14), timeout), Condition::Alive);
    }

    #[test]
    fn notes_lie_in_memory_or_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        for place in [None, Some(folder.path())] {
            let mut heartbeat = Heartbeat::new(place, Instant::now()).unwrap();
            assert_eq!(heartbeat.check(Instant::now(), Duration::ZERO), Condition::Booting);
            rustix::io::pwrite(heartbeat.file(), &SERVING.to_le_bytes(), 0).unwrap();
            assert_eq!(heartbeat.check(Instant::now(), Duration::ZERO), Condition::Alive);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Heartbeat::new(Some(Path::new("/nowhere")), Instant::now()).is_err());
    }
}
