//! The files of the cache: processes that are killed, files that are damaged, and the bound of their size.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use rustix::process::Signal;

use super::cache::{fetch, start, start_with_zone};
use super::running::{Proxy, read_to_end};
use super::upstream::Upstream;
use crate::support::{SmallDisk, requires, skip, wait_until};

/// An upstream whose responses say what they respond to. Returns its address.
fn describing_upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let (mut stream, mut head) = (stream.unwrap(), [0; 4096]);
                let length = stream.read(&mut head).unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let Some(path) = head.split(' ').nth(1) else { return };
                let body = content(path);
                let fields = format!("Cache-Control: max-age=600\r\nContent-Length: {}", body.len());
                // the proxy may be gone
                _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}").as_bytes());
            });
        }
    });
    address
}

/// The content at a path, of a length that depends on it: 1 kB to 200 kB.
fn content(path: &str) -> String {
    let number: usize = path.trim_start_matches('/').parse().unwrap_or(0);
    let lines = 50 + number % 20 * 500;
    format!("{path:19}\n").repeat(lines)
}

/// The value of X-Cache and the body, if the response arrives whole.
fn fetch_whole(proxy: &Proxy, path: &str) -> Option<(String, String)> {
    let mut stream = std::net::TcpStream::connect(proxy.address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).ok()?;
    let received = String::from_utf8(received).ok()?;
    let (head, body) = received.split_once("\r\n\r\n")?;
    let status = head.lines().find_map(|line| line.strip_prefix("X-Cache: ")).unwrap_or_default();
    Some((status.to_owned(), body.to_owned()))
}

/// All files below a folder.
fn all_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let below = |entry: std::fs::DirEntry| match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
        true => all_files(&entry.path()),
        false => vec![entry.path()],
    };
    entries.flatten().flat_map(below).collect()
}

/// The space that the files below a folder take, in bytes.
fn occupied(folder: &Path) -> u64 {
    // one that is gone by now takes none
    let size = |file: PathBuf| std::fs::metadata(file).map_or(0, |metadata| metadata.len().next_multiple_of(4096));
    all_files(folder).into_iter().map(size).sum()
}

#[test]
fn killed_under_load_serves_nothing_damaged() {
    const PATHS: usize = 40;
    const ROUNDS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let upstream = describing_upstream();
    let (hits, damaged) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    for round in 0..ROUNDS {
        let proxy = start(&upstream, &cache, "");
        let (served, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (proxy, served, is_over, hits, damaged) = (&proxy, &served, &is_over, &hits, &damaged);
                scope.spawn(move || {
                    // each round adds paths to those of the one before
                    for number in (0..PATHS * (round + 1)).cycle().skip(client * 7) {
                        if is_over.load(Ordering::Relaxed) {
                            return;
                        }
                        let path = format!("/{number}");
                        // the connection may break off, because the proxy is killed
                        let Some((status, body)) = fetch_whole(proxy, &path) else { continue };
                        served.fetch_add(1, Ordering::Relaxed);
                        if status == "HIT" {
                            hits.fetch_add(1, Ordering::Relaxed);
                            if body != content(&path) && !is_over.load(Ordering::Relaxed) {
                                damaged.lock().unwrap().push((path, body.len()));
                            }
                        }
                    }
                });
            }
            wait_until("some responses", || served.load(Ordering::Relaxed) >= PATHS / 2 * (round + 1));
            // what breaks off from now on is the kill's doing
            is_over.store(true, Ordering::Relaxed);
            proxy.signal(Signal::KILL);
        });
        drop(proxy);
    }
    assert_eq!(*damaged.lock().unwrap(), [], "responses of the cache that are not the upstream's");
    let proxy = start(&upstream, &cache, "");
    for number in 0..PATHS * ROUNDS {
        let path = format!("/{number}");
        let (status, body) = fetch_whole(&proxy, &path).unwrap();
        assert_eq!(body, content(&path), "{path}, {status}");
        hits.fetch_add(usize::from(status == "HIT"), Ordering::Relaxed);
    }
    assert!(hits.load(Ordering::Relaxed) >= PATHS, "the files of killed processes are used");
}

#[test]
fn damaged_head_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let upstream = describing_upstream();
    let proxy = start(&upstream, &cache, "");
    fetch(&proxy, "/0");
    assert_eq!(fetch(&proxy, "/0").0, "HIT");
    let file = all_files(&cache).pop().unwrap();
    let whole = std::fs::read(&file).unwrap();
    // the magic, the checksum, a length, the terms, the key, and the fields
    for position in [0, 9, 17, 45, 90, 130] {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        std::fs::write(&file, damaged).unwrap();
        assert_eq!(fetch(&proxy, "/0"), ("MISS".to_owned(), content("/0")), "byte {position}");
        assert_eq!(fetch(&proxy, "/0").0, "HIT");
    }
    // a file that is shorter than its head says
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(fetch(&proxy, "/0"), ("MISS".to_owned(), content("/0")));
    assert_eq!(fetch(&proxy, "/0"), ("HIT".to_owned(), content("/0")));
}

#[test]
fn size_stays_within_one_percent_under_load() {
    const MAX_SIZE: u64 = 32 << 20;
    const PATHS: usize = 1_000;
    requires!(Root);
    let folder = tempfile::tempdir().unwrap();
    // a file system of its own knows its size at any moment; files that are counted one by one come and go meanwhile
    let Some(disk) = SmallDisk::mount(folder.path().join("disk"), 64 << 10) else {
        skip("this process may not mount a tmpfs");
        return;
    };
    let cache = disk.folder.join("cache");
    let used = || {
        let system = rustix::fs::statvfs(&disk.folder).unwrap();
        (system.f_blocks - system.f_bfree) * system.f_frsize
    };
    let upstream = describing_upstream();
    let zone = format!("{} levels=1:2 keys_zone=own:1m max_size=32m", cache.display());
    let proxy = start_with_zone(&upstream, &zone, "");
    let next = AtomicUsize::new(0);
    let mut largest = 0_u64;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while let number @ 0..PATHS = next.fetch_add(1, Ordering::Relaxed) {
                        fetch(&proxy, &format!("/{number}"));
                    }
                })
            })
            .collect();
        while !clients.iter().all(ScopedJoinHandle::is_finished) {
            largest = largest.max(used());
            std::thread::yield_now();
        }
    });
    let size = used();
    assert!(largest <= MAX_SIZE / 100 * 101, "{largest} bytes");
    assert!((MAX_SIZE / 100 * 99..=MAX_SIZE).contains(&size), "{size} bytes in the end");
}

#[test]
fn index_is_rebuilt_while_requests_are_served() {
    const PATHS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let upstream = Upstream::start(Vec::new());
    let address = upstream.address.to_string();
    let mut first = start(&address, &cache, "proxy_cache_valid 1h;");
    for number in 0..PATHS {
        fetch(&first, &format!("/{number}"));
    }
    first.signal(Signal::KILL);
    first.wait();
    // a file every ten seconds: the loader is far from finished
    let zone = format!("{} levels=1:2 keys_zone=own:1m loader_files=1 loader_sleep=10s", cache.display());
    let second = start_with_zone(&address, &zone, "proxy_cache_valid 1h;");
    for number in 0..PATHS {
        assert_eq!(fetch(&second, &format!("/{number}")).0, "HIT", "{number}");
    }
    drop(second);
    // only what the loader has found can be removed for its size
    let zone = format!("{} levels=1:2 keys_zone=own:1m max_size=400k", cache.display());
    let third = start_with_zone(&address, &zone, "proxy_cache_valid 1h;");
    wait_until("the loader to find all files", || occupied(&cache) <= 400 << 10);
    let mut stream = third.connect();
    stream.write_all(b"GET /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    assert!(read_to_end(&mut stream).0.ends_with(b"legit"));
}
