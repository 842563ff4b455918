//! Changes to a running proxy: reload, reopen, `-s`, `daemon on`.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lab::exit::Exit;
use rustix::process::Signal;

use super::running::{Proxy, STUCK, read_some};
use super::upstream::Upstream;
use crate::support::{StopFlag, assert_exit, wait_until};

/// The configuration: the location passes requests to the upstream at `{address}`.
fn configuration(address: &str, extra: &str) -> String {
    format!(
        "worker_processes 2; pid pid; error_log error.log notice; {extra}\n\
         events {{ }} http {{ access_log access.log; upstream app {{ server {address}; keepalive 8; }} \
         server {{ listen {{listen}}; location / {{ proxy_pass http://app; proxy_http_version 1.1; \
         proxy_set_header Connection ''; }} }} }}"
    )
}

fn rewrite(proxy: &Proxy, configuration: &str) {
    let text = configuration.replace("{listen}", &proxy.address.to_string());
    std::fs::write(proxy.path().join("nginx.conf"), text).unwrap();
}

/// One request on a kept-alive connection; whether the connection is to go on.
fn send_request(stream: &mut TcpStream) -> std::io::Result<bool> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut got = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&got).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            assert!(head.starts_with("HTTP/1.1 200 "), "{text}");
            if body == "legit" {
                return Ok(head.contains("Connection: keep-alive"));
            }
        }
        match read_some(stream, &mut piece)? {
            0 => return Err(std::io::Error::other(format!("closed after {text:?}"))),
            read => got.extend_from_slice(&piece[..read]),
        }
    }
}

fn reloads(proxy: &Proxy) -> usize {
    proxy.read("error.log").matches("start worker threads").count()
}

#[test]
fn reload_loses_no_request() {
    let upstream = Upstream::start(Vec::new());
    let configuration = configuration(&upstream.address.to_string(), "");
    let proxy = Proxy::start(&configuration);
    wait_until("the start", || reloads(&proxy) == 1);
    let (is_over, served) = (StopFlag::default(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _end = is_over.set_at_end();
        for _ in 0..6 {
            scope.spawn(|| {
                let mut stream = proxy.connect();
                while !is_over.is_set() {
                    match send_request(&mut stream) {
                        Ok(true) => {}
                        Ok(false) => stream = proxy.connect(),
                        Err(error) => {
                            is_over.set();
                            panic!("a request was lost: {error}");
                        }
                    }
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 2..8 {
            let before = served.load(Ordering::Relaxed);
            proxy.signal(Signal::HUP);
            wait_until("the new workers", || reloads(&proxy) == number);
            wait_until("requests", || {
                let is_enough = served.load(Ordering::Relaxed) > before + 100;
                is_enough || is_over.is_set()
            });
        }
    });
    assert!(served.into_inner() > 600);
}

/// Sends pipelined requests, and reads the responses, until `is_over`.
fn flood(proxy: &Proxy, is_over: &StopFlag) {
    let mut reading = proxy.connect();
    let mut writing = reading.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let requests = b"GET /local HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200);
            while !is_over.is_set() && writing.write_all(&requests).is_ok() {}
            _ = writing.shutdown(std::net::Shutdown::Write);
        });
        let mut piece = vec![0; 64 * 1024];
        // A worker that quits closes the connection.
        while matches!(read_some(&mut reading, &mut piece), Ok(1..)) {}
    });
}

/// A worker that never sleeps once took the time of its last wake-up for the time of day, and its timeouts were short.
#[test]
fn busy_worker_waits_for_its_last_requests() {
    let upstream = Upstream::start(Vec::new());
    let configuration = configuration(&upstream.address.to_string(), "")
        .replace("worker_processes 2", "worker_processes 1")
        .replace("access_log access.log", "access_log off; keepalive_requests 100000000")
        .replace("location / ", "location /local { return 204; } location / ");
    let proxy = Proxy::start(&configuration);
    let is_over = StopFlag::default();
    let waited = std::thread::scope(|scope| {
        let _end = is_over.set_at_end();
        let mut idle = proxy.connect();
        assert!(send_request(&mut idle).unwrap());
        let began = Instant::now();
        for _ in 0..8 {
            scope.spawn(|| flood(&proxy, &is_over));
        }
        wait_until("a worker that is busy for long", || began.elapsed() > Duration::from_millis(1500));
        let signalled = Instant::now();
        proxy.signal(Signal::HUP);
        let read = read_some(&mut idle, &mut [0; 16]);
        let waited = signalled.elapsed();
        assert_eq!(read.unwrap(), 0);
        waited
    });
    // It waits for a second; its clock may be late by a few milliseconds.
    assert!(waited > Duration::from_millis(950), "{waited:?}");
}

#[test]
fn bad_file_leaves_the_configuration_unchanged() {
    let (first, second) = (Upstream::start(Vec::new()), Upstream::start(Vec::new()));
    let proxy = Proxy::start(&configuration(&first.address.to_string(), ""));
    assert!(send_request(&mut proxy.connect()).unwrap());
    rewrite(&proxy, "events { } http { nonsense; }");
    proxy.signal(Signal::HUP);
    wait_until("the refusal", || {
        let log = proxy.read("error.log");
        let line = log.lines().find(|line| line.contains("[emerg]"))?.to_owned();
        assert!(line.contains("nginx.conf:1: unknown directive \"nonsense\""), "{line}");
        Some(())
    });
    assert!(send_request(&mut proxy.connect()).unwrap());
    assert_eq!(second.received().len(), 0);
    // an address that cannot be listened on is as bad
    rewrite(&proxy, "events { } http { server { listen 192.0.2.1:80; } }");
    proxy.signal(Signal::HUP);
    wait_until("the refusal", || proxy.read("error.log").contains("bind() to 192.0.2.1:80 failed"));
    assert!(send_request(&mut proxy.connect()).unwrap());

    let mut idle = proxy.connect();
    assert!(send_request(&mut idle).unwrap());
    rewrite(&proxy, &configuration(&second.address.to_string(), ""));
    proxy.signal(Signal::HUP);
    // an old connection gets one more response from the old workers, with Connection: close
    wait_until("the new workers", || reloads(&proxy) == 2);
    wait_until("a new connection on the new workers", || {
        send_request(&mut proxy.connect()).unwrap();
        !second.received().is_empty()
    });
    assert_eq!(proxy.read("pid").trim().parse::<u32>().ok(), Some(proxy.id()));
}

#[test]
fn logs_are_reopened_under_their_names() {
    let upstream = Upstream::start(Vec::new());
    let proxy = Proxy::start(&configuration(&upstream.address.to_string(), ""));
    send_request(&mut proxy.connect()).unwrap();
    wait_until("a line", || !proxy.read("access.log").is_empty());
    for log in ["access.log", "error.log"] {
        std::fs::rename(proxy.path().join(log), proxy.path().join(format!("{log}.1"))).unwrap();
    }
    proxy.signal(Signal::USR1);
    wait_until("new files", || {
        let is_there = |log| proxy.path().join(log).exists();
        is_there("access.log") && is_there("error.log")
    });
    send_request(&mut proxy.connect()).unwrap();
    wait_until("a line", || !proxy.read("access.log").is_empty());
    assert_eq!(proxy.read("access.log.1").lines().count(), 1);
}

fn send_signal(folder: &Path, order: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["proxy", "-s", order, "-p"]).arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    command.output().unwrap()
}

#[test]
fn pid_file_directs_signals() {
    let upstream = Upstream::start(Vec::new());
    let mut proxy = Proxy::start(&configuration(&upstream.address.to_string(), ""));
    wait_until("the start", || reloads(&proxy) == 1);
    assert!(send_signal(proxy.path(), "reload").status.success());
    wait_until("the new workers", || reloads(&proxy) == 2);
    assert!(send_signal(proxy.path(), "reopen").status.success());
    wait_until("the logs", || proxy.read("error.log").contains("reopening logs"));
    let refused = send_signal(proxy.path(), "restart");
    assert_exit(&refused, Exit::Usage);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("invalid option \"-s restart\""));
    assert!(send_signal(proxy.path(), "quit").status.success());
    assert!(proxy.wait().success());
    let without_master = send_signal(proxy.path(), "stop");
    assert_exit(&without_master, Exit::Usage);
    assert!(String::from_utf8_lossy(&without_master.stderr).contains("/pid\" failed: No such file"));
}

#[test]
fn daemon_outlives_its_parent() {
    let upstream = Upstream::start(Vec::new());
    // an inherited socket keeps a proxy in the foreground, so this one binds its own port
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = configuration(&upstream.address.to_string(), "daemon on; master_process off;");
    std::fs::write(folder.path().join("nginx.conf"), text.replace("{listen}", &address.to_string())).unwrap();
    drop(free);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["proxy", "-p"]).arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
    let started = command.stderr(std::process::Stdio::null()).status().unwrap();
    assert!(started.success(), "the parent ends once the child stands");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    assert!(send_request(&mut stream).unwrap());
    let pid = wait_until("the pid", || {
        std::fs::read_to_string(folder.path().join("pid")).ok().filter(|pid| pid.ends_with('\n'))
    });
    let threads = std::fs::read_dir(format!("/proc/{}/task", pid.trim())).unwrap().count();
    assert_eq!(threads, 2, "one worker beside the master");
    assert!(send_signal(folder.path(), "stop").status.success());
    wait_until("its end", || !folder.path().join("pid").exists());
}
