//! The threads of a zone: the loader, which finds the files of earlier processes, and the manager, which removes entries
//! that are no longer requested. Both end once the zone is gone.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::digest::Digest;
use super::entry;
use super::zone::{Pace, Zone, blocks};

/// How often the manager looks for entries to remove, and how soon a thread notices that its zone is gone.
const INTERVAL: Duration = Duration::from_secs(1);
/// An incomplete file that has not changed for this long belongs to a process that is gone.
const ABANDONED: Duration = Duration::from_secs(600);

/// Starts the threads of a zone, unless it has them.
///
/// # Errors
/// A thread cannot be started.
pub fn start(zone: &Arc<Zone>) -> io::Result<()> {
    if zone.has_threads.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let loaded = Arc::downgrade(zone);
    thread::Builder::new().name("cache loader".to_owned()).spawn(move || load(&loaded))?;
    let managed = Arc::downgrade(zone);
    thread::Builder::new().name("cache manager".to_owned()).spawn(move || manage(&managed))?;
    Ok(())
}

/// Work that pauses when it has taken its share.
struct Breaks {
    pace: Pace,
    files: usize,
    since: Instant,
}

impl Breaks {
    fn new(pace: Pace) -> Breaks {
        Breaks { pace, files: 0, since: Instant::now() }
    }

    /// Counts a file, and pauses if it is time.
    fn count(&mut self) {
        self.files += 1;
        if self.files >= self.pace.files.max(1) || self.since.elapsed() >= self.pace.threshold {
            thread::sleep(self.pace.sleep);
            *self = Breaks::new(self.pace);
        }
    }
}

/// Enters all files into the index. A file that cannot be read is left alone.
fn load(zone: &Weak<Zone>) {
    let Some(strong) = zone.upgrade() else { return };
    let (folder, depth, pace) = (strong.folder().to_owned(), strong.settings.levels.depth(), strong.settings.loader);
    drop(strong);
    let mut breaks = Breaks::new(pace);
    let is_finished = load_folder(zone, &folder, depth, &mut breaks).is_some();
    if let Some(zone) = zone.upgrade().filter(|_| is_finished) {
        zone.is_cold.store(false, Ordering::Relaxed);
    }
}

/// Enters the files of a folder that has `depth` levels of folders below it. None if the zone is gone.
fn load_folder(zone: &Weak<Zone>, folder: &Path, depth: usize, breaks: &mut Breaks) -> Option<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Some(()) };
    for file in entries.flatten() {
        if depth > 0 {
            if file.file_type().is_ok_and(|kind| kind.is_dir()) {
                load_folder(zone, &file.path(), depth - 1, breaks)?;
            }
            continue;
        }
        let zone = zone.upgrade()?;
        let name = file.file_name();
        let Ok(metadata) = file.metadata() else { continue };
        if let Some(digest) = Digest::from_name(&name) {
            zone.index.insert_found(digest, blocks(metadata.len()), now());
            // the zone may be smaller than it was
            zone.shrink();
        } else if entry::is_temporary(&name) && !entry::is_own(&name) {
            let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
            if zone.lock.was_alone || age.is_some_and(|age| age > ABANDONED) {
                _ = std::fs::remove_file(file.path());
            }
        }
        drop(zone);
        breaks.count();
    }
    Some(())
}

fn manage(zone: &Weak<Zone>) {
    loop {
        thread::sleep(INTERVAL);
        let Some(zone) = zone.upgrade() else { return };
        zone.sweep(now());
        zone.shrink();
        zone.free_space();
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Zone {
    /// Removes the entries without a request during the time of `inactive`.
    pub fn sweep(&self, now: i64) {
        let inactive = i64::try_from(self.settings.inactive.as_secs()).unwrap_or(i64::MAX);
        let limit = now.saturating_sub(inactive);
        let mut breaks = Breaks::new(self.settings.manager);
        while let Some(removed) = self.index.remove_oldest(limit) {
            self.delete(removed);
            breaks.count();
        }
    }

    /// Removes entries until the file system has the space that `min_free` asks for.
    fn free_space(&self) {
        let wanted = self.settings.min_free;
        if wanted == 0 {
            return;
        }
        let mut breaks = Breaks::new(self.settings.manager);
        while free_bytes(self.folder()).is_some_and(|free| free < wanted) {
            let Some(removed) = self.index.remove_oldest(i64::MAX) else { return };
            self.delete(removed);
            breaks.count();
        }
    }
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}
