//! Zones that find the files of earlier processes.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::folder_lock::FolderLock;
use super::*;

#[test]
fn next_process_finds_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let first = zone(folder.path());
    store(&first, &key("one"), &[], &[], "content", NOW);
    store(&first, &key("two"), &[("A", "1")], &[("Vary", "A")], "varied", NOW);
    drop(first);
    // before anything was loaded
    let second = zone(folder.path());
    assert_eq!((find(&second, &key("one"), &[], NOW).as_deref(), second.size()), (Some("content"), BLOCK));
    assert_eq!(find(&second, &key("two"), &[("A", "1")], NOW).as_deref(), Some("varied"));
    drop(second);
    // and afterwards
    let third = zone(folder.path());
    load(&third);
    assert_eq!(third.size(), 3 * BLOCK);
    assert_eq!(find(&third, &key("one"), &[], NOW).as_deref(), Some("content"));
}

/// Waits until the loader of a zone has entered all files.
fn load(zone: &Arc<Zone>) {
    start(zone).unwrap();
    wait_until("the loader to end", || !zone.is_cold.load(Ordering::Relaxed));
}

/// Waits for a condition that another thread brings about.
fn wait_until(what: &str, is_met: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_met() {
        assert!(begun.elapsed() < Duration::from_secs(300), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn smaller_zone_removes_what_it_finds() {
    let folder = tempfile::tempdir().unwrap();
    let first = zone(folder.path());
    for number in 0..20 {
        store(&first, &key(&number.to_string()), &[], &[], "content", NOW);
    }
    drop(first);
    for smaller in [
        ZoneSettings { max_size: Some(10 * BLOCK), ..settings(folder.path()) },
        ZoneSettings { keys: 5 * 128, ..settings(folder.path()) },
    ] {
        let (max_size, max_entries) = (smaller.max_size.unwrap_or(u64::MAX), smaller.keys / 128);
        let zone = Arc::new(Zone::open(smaller).unwrap());
        load(&zone);
        let left = files(zone.folder()) as u64;
        assert!(left > 0 && left <= max_entries && left * BLOCK <= max_size, "{left}");
        assert_eq!(zone.size(), left * BLOCK);
    }
}

#[test]
fn incomplete_files_of_ended_processes_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let first = zone(folder.path());
    store(&first, &key("one"), &[], &[], "content", NOW);
    let place = Levels::new(&[1, 2]).unwrap().file(first.folder(), key("one").digest);
    let incomplete = PathBuf::from(format!("{}.0123456789abcdef-0.tmp", place.display()));
    std::fs::write(&incomplete, "half").unwrap();
    // another process may be writing it
    let second = zone(folder.path());
    load(&second);
    assert!(incomplete.exists());
    drop((first, second));
    wait_until_alone(&folder.path().join("cache"));
    let third = zone(folder.path());
    load(&third);
    assert!(!incomplete.exists() && place.exists());
}

/// Waits until no zone uses a folder: the threads of one end a moment after it.
fn wait_until_alone(folder: &Path) {
    wait_until("the folder to be free", || FolderLock::take(folder).unwrap().was_alone);
}

/// The memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// `LAB_CACHE_ENTRIES` is the number of entries, ten million by default, which need a gigabyte of disk and some minutes.
#[test]
#[ignore = "makes ten million files"]
fn zone_of_many_entries_starts_at_once() {
    /// ext4 allows 65,000.
    const LINKS: usize = 60_000;
    let count = std::env::var("LAB_CACHE_ENTRIES").map_or(10_000_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let levels = Levels::new(&[1, 2]).unwrap();
    let root = folder.path().join("cache");
    let mut original = PathBuf::new();
    for number in 0_usize..count {
        let path = levels.file(&root, Digest::of_key(&number.to_le_bytes()));
        if number % LINKS == 0 {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "an entry").unwrap();
            original = path;
        } else if std::fs::hard_link(&original, &path).is_err() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::hard_link(&original, &path).unwrap();
        }
    }
    let unpaced = Pace { files: usize::MAX, threshold: Duration::from_secs(3600), sleep: Duration::ZERO };
    let settings = ZoneSettings { keys: 128 * count as u64, loader: unpaced, ..settings(folder.path()) };
    let (before, begun) = (resident(), Instant::now());
    let zone = Arc::new(Zone::open(settings).unwrap());
    start(&zone).unwrap();
    store(&zone, &key("own"), &[], &[], "content", NOW);
    assert_eq!(find(&zone, &key("own"), &[], NOW).as_deref(), Some("content"));
    let started = begun.elapsed();
    load(&zone);
    let (loaded, each) = (begun.elapsed(), (resident() - before) / count as u64);
    println!("{count} entries: the first response after {started:?}, all loaded after {loaded:?}, {each} bytes each");
    assert!(started < Duration::from_secs(1), "{started:?}");
    assert!(each <= 120, "{each} bytes for each entry");
    assert_eq!(zone.index.len(), count, "the new one replaced the oldest");
}
