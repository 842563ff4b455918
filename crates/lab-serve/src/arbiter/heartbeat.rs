//! Whether a worker is alive, as its scoreboard shows.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use lab_worker::scoreboard::{SERVING, SIZE, Scoreboard};
use rustix::fs::{MemfdFlags, Mode, OFlags, ftruncate, memfd_create, open};
use rustix::io::pread;
use tokio::time::Instant;

/// Watches the heartbeat of one worker.
#[derive(Debug)]
pub struct HeartbeatMonitor {
    file: OwnedFd,
    last_beat: LastBeat,
    is_retiring: bool,
}

/// The state of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerHealth {
    /// The worker has not begun to serve.
    Booting,
    Alive,
    /// The worker has been silent for too long. Holds the request line it was in, if it was in a request.
    Hung(Option<String>),
}

/// The last change of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastBeat {
    beat: u64,
    since: Instant,
}

impl HeartbeatMonitor {
    /// Creates the scoreboard of a worker that is about to start: in memory, or as an unnamed file in `folder`
    /// (gunicorn's `worker_tmp_dir`).
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn new(folder: Option<&Path>, now: Instant) -> io::Result<HeartbeatMonitor> {
        let file = match folder {
            None => memfd_create("lab-scoreboard", MemfdFlags::CLOEXEC)?,
            Some(folder) => open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o600))?,
        };
        ftruncate(&file, SIZE as u64)?;
        Ok(HeartbeatMonitor { file, last_beat: LastBeat { beat: 0, since: now }, is_retiring: false })
    }

    /// The file of the scoreboard, to be inherited by the worker.
    #[must_use]
    pub fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Checks the worker. A timeout of zero never expires.
    pub fn check(&mut self, now: Instant, timeout: Duration) -> WorkerHealth {
        let mut page = [0; SIZE];
        let scoreboard = match pread(self.file.as_fd(), &mut page, 0) {
            Ok(read) => Scoreboard::decode(&page[..read]).unwrap_or_default(),
            Err(_) => Scoreboard::default(),
        };
        self.is_retiring = scoreboard.is_retiring;
        self.last_beat.update(&scoreboard, now, timeout)
    }

    /// Whether the worker retires by itself, as of the last check.
    #[must_use]
    pub fn is_retiring(&self) -> bool {
        self.is_retiring
    }
}

impl LastBeat {
    fn update(&mut self, scoreboard: &Scoreboard, now: Instant, timeout: Duration) -> WorkerHealth {
        if scoreboard.heartbeat != self.beat {
            *self = LastBeat { beat: scoreboard.heartbeat, since: now };
        }
        if !timeout.is_zero() && now.duration_since(self.since) > timeout {
            return WorkerHealth::Hung(scoreboard.request.clone());
        }
        if self.beat < SERVING { WorkerHealth::Booting } else { WorkerHealth::Alive }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_the_last_beat() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let scoreboard =
            |heartbeat| Scoreboard { heartbeat, request: Some("GET / HTTP/1.1".into()), ..Scoreboard::default() };
        let timeout = Duration::from_secs(5);
        let mut last_beat = LastBeat { beat: 0, since: start };
        assert_eq!(last_beat.update(&scoreboard(0), at(5), timeout), WorkerHealth::Booting);
        assert_eq!(last_beat.update(&scoreboard(1), at(6), timeout), WorkerHealth::Booting);
        assert_eq!(last_beat.update(&scoreboard(2), at(7), timeout), WorkerHealth::Alive);
        assert_eq!(last_beat.update(&scoreboard(2), at(12), timeout), WorkerHealth::Alive);
        assert_eq!(last_beat.update(&scoreboard(2), at(13), Duration::ZERO), WorkerHealth::Alive);
        assert_eq!(
            last_beat.update(&scoreboard(2), at(13), timeout),
            WorkerHealth::Hung(Some("GET / HTTP/1.1".into()))
        );
        assert_eq!(last_beat.update(&scoreboard(3), at(14), timeout), WorkerHealth::Alive);
    }

    #[test]
    fn scoreboard_is_in_memory_or_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        for folder_setting in [None, Some(folder.path())] {
            let mut heartbeat = HeartbeatMonitor::new(folder_setting, Instant::now()).unwrap();
            assert_eq!(heartbeat.check(Instant::now(), Duration::ZERO), WorkerHealth::Booting);
            rustix::io::pwrite(heartbeat.file(), &SERVING.to_le_bytes(), 0).unwrap();
            assert_eq!(heartbeat.check(Instant::now(), Duration::ZERO), WorkerHealth::Alive);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(HeartbeatMonitor::new(Some(Path::new("/nowhere")), Instant::now()).is_err());
    }
}
