//! The cache with many clients, with clients and processes that go away, and with a disk that is full.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::process::Signal;

use super::crowd::allow_descriptors;
use super::running::{Proxy, STUCK, read_to_end};
use super::upstream::Upstream;
use crate::support::{SmallDisk, requires, skip, wait_until};

/// An upstream that sends the beginning of a response at once, and the rest when the test says so.
struct PausingUpstream {
    address: String,
    requests: Arc<AtomicUsize>,
    resume: Sender<()>,
}

impl PausingUpstream {
    /// Each connection gets `before`, and then `after`.
    fn start(before: &'static str, after: &'static str) -> PausingUpstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(AtomicUsize::new(0));
        let (resume, resumed): (Sender<()>, Receiver<()>) = channel();
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(STUCK)).unwrap();
                let mut head = [0; 4096];
                if stream.read(&mut head).is_err() {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                // the proxy may be gone
                _ = stream.write_all(before.as_bytes());
                if resumed.recv().is_err() {
                    return;
                }
                _ = stream.write_all(after.as_bytes());
            }
        });
        PausingUpstream { address, requests, resume }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// A proxy whose cache lies in `folder`.
pub(super) fn start(upstream: &str, folder: &Path, location: &str) -> Proxy {
    start_with_zone(upstream, &format!("{} levels=1:2 keys_zone=own:1m", folder.display()), location)
}

/// A proxy with these parameters of `proxy_cache_path`.
pub(super) fn start_with_zone(upstream: &str, zone: &str, location: &str) -> Proxy {
    Proxy::start(&format!(
        "worker_processes 2; error_log error.log info; events {{ worker_connections 4096; }} http {{ \
         proxy_cache_path {zone}; \
         server {{ listen {{listen}} backlog=4096; location = /status {{ stub_status; }} \
         location / {{ proxy_pass http://{upstream}; proxy_cache own; add_header X-Cache $upstream_cache_status; {location} }} }} }}",
    ))
}

pub(super) fn send(proxy: &Proxy, path: &str) -> TcpStream {
    let mut stream = proxy.connect();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    stream
}

/// The value of X-Cache and the body of a response.
pub(super) fn receive(mut stream: TcpStream) -> (String, String) {
    let text = String::from_utf8(read_to_end(&mut stream).0).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    let status = head.lines().find_map(|line| line.strip_prefix("X-Cache: "));
    (status.unwrap_or_default().to_owned(), body.to_owned())
}

pub(super) fn fetch(proxy: &Proxy, path: &str) -> (String, String) {
    receive(send(proxy, path))
}

/// How many requests the proxy is serving.
fn served_requests(proxy: &Proxy) -> usize {
    let (_, text) = fetch(proxy, "/status");
    let number = text.split("Writing: ").nth(1).and_then(|rest| rest.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no status: {text}"))
}

pub(super) fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |entry: std::fs::DirEntry| match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
        true => files(&entry.path()),
        false => 1,
    };
    entries.flatten().map(count).sum()
}

#[test]
fn identical_misses_reach_the_upstream_once() {
    const CLIENTS: usize = 1_000;
    // both ends of the connections
    if !allow_descriptors(CLIENTS + 1_000) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let upstream = PausingUpstream::start(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 8\r\n\r\nhalf",
        "half",
    );
    let proxy = start(&upstream.address, &folder.path().join("cache"), "proxy_cache_lock on;");
    let clients: Vec<TcpStream> = (0..CLIENTS).map(|_| send(&proxy, "/a")).collect();
    wait_until("all requests to be served", || served_requests(&proxy) > CLIENTS);
    upstream.resume.send(()).unwrap();
    let mut statuses: Vec<String> = Vec::new();
    for client in clients {
        let (status, body) = receive(client);
        assert_eq!(body, "halfhalf");
        statuses.push(status);
    }
    assert_eq!(statuses.iter().filter(|status| *status == "MISS").count(), 1);
    assert_eq!(statuses.iter().filter(|status| *status == "HIT").count(), CLIENTS - 1);
    assert_eq!(upstream.requests(), 1);
}

#[test]
fn client_that_leaves_cancels_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = PausingUpstream::start(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 8\r\n\r\nhalf",
        "half",
    );
    let cache = folder.path().join("cache");
    let proxy = start(&upstream.address, &cache, "proxy_cache_lock on;");
    let mut leaving = send(&proxy, "/a");
    let mut piece = [0; 10];
    leaving.read_exact(&mut piece).unwrap();
    drop(leaving);
    let waiting = send(&proxy, "/a");
    wait_until("the second client to wait", || served_requests(&proxy) >= 2);
    upstream.resume.send(()).unwrap();
    assert_eq!(receive(waiting), ("HIT".to_owned(), "halfhalf".to_owned()));
    assert_eq!(upstream.requests(), 1);
}

#[test]
fn killed_proxy_leaves_whole_responses_only() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let whole = Upstream::start(Vec::new());
    let valid = "proxy_cache_valid 1h; proxy_cache_key $uri;";
    let mut proxy = start(&whole.address.to_string(), &cache, valid);
    assert_eq!(fetch(&proxy, "/whole"), ("MISS".to_owned(), "legit".to_owned()));
    let large: &'static str = Box::leak(
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}", "a".repeat(500_000)).into_boxed_str(),
    );
    let half = PausingUpstream::start(large, "");
    let mut second = start(&half.address, &cache, valid);
    let _client = send(&second, "/half");
    wait_until("a file of the half response", || files(&cache) == 2);
    proxy.signal(Signal::KILL);
    proxy.wait();
    second.signal(Signal::KILL);
    second.wait();
    let third = start(&whole.address.to_string(), &cache, valid);
    wait_until("the half response to be removed", || files(&cache) == 1);
    assert_eq!(fetch(&third, "/whole"), ("HIT".to_owned(), "legit".to_owned()));
    assert_eq!(fetch(&third, "/half"), ("MISS".to_owned(), "legit".to_owned()));
    assert_eq!(fetch(&third, "/half"), ("HIT".to_owned(), "legit".to_owned()));
}

#[test]
fn stored_responses_outlast_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Vec::new());
    let proxy = start(&upstream.address.to_string(), &folder.path().join("cache"), "proxy_cache_valid 1h;");
    assert_eq!(fetch(&proxy, "/a").0, "MISS");
    proxy.signal(Signal::HUP);
    wait_until("the reload", || proxy.read("error.log").contains("start worker threads"));
    assert_eq!(fetch(&proxy, "/a").0, "HIT");
}

#[test]
fn full_disk_turns_the_cache_off() {
    requires!(Root);
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path().join("disk"), 64) else {
        skip("this process may not mount a tmpfs");
        return;
    };
    let large = [b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n".as_slice(), &[b'a'; 300_000]].concat();
    let large = super::case::UpstreamResponse { bytes: large, ..super::case::UpstreamResponse::default() };
    let upstream = Upstream::start(vec![large]);
    let cache = disk.folder.join("cache");
    let proxy = start(&upstream.address.to_string(), &cache, "proxy_cache_valid 1h;");
    let (status, body) = fetch(&proxy, "/a");
    assert_eq!((status.as_str(), body.len()), ("MISS", 300_000), "the client gets the whole response");
    assert_eq!(files(&cache), 0);
    assert_eq!(fetch(&proxy, "/b").0, "MISS");
    assert_eq!(fetch(&proxy, "/b").0, "MISS");
    let log = proxy.read("error.log");
    assert_eq!(log.matches("nothing is stored for some seconds").count(), 1, "{log}");
}
