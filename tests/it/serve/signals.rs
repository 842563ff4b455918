//! The signals of the arbiter of `lab serve`.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;

use super::server::{Server, get, send_signal};
use crate::support::{StopFlag, wait_until};

/// Sends requests on four connections at a time while `meanwhile` runs. Returns the number of responses.
pub(super) fn under_load(address: &str, meanwhile: impl FnOnce()) -> u32 {
    let (is_over, responses) = (StopFlag::default(), AtomicU32::new(0));
    let send_requests = || {
        while !is_over.is_set() {
            let client = TcpStream::connect(address).expect("the server listens");
            let response = get(client, "/pong").expect("no request is lost");
            assert!(response.ends_with("Pong!"), "{response:?}");
            responses.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(send_requests);
        }
        let _end = is_over.set_at_end();
        meanwhile();
    });
    responses.into_inner()
}

/// Reloads, and waits until the workers before are gone and as many new ones are there.
pub(super) fn reload(server: &Server, workers: &BTreeSet<u32>) -> BTreeSet<u32> {
    server.signal(Signal::HUP);
    let mut new = BTreeSet::new();
    let mut gone = 0;
    while new.len() < workers.len() || gone < workers.len() {
        let line = server.wait_for("worker ");
        gone += usize::from(line.contains("exited with code 0"));
        if line.contains("is ready") {
            new.extend(line.rsplit(' ').nth(2).and_then(|pid| pid.parse::<u32>().ok()));
        }
    }
    assert!(new.is_disjoint(workers), "{new:?} {workers:?}");
    new
}

#[test]
fn sighup_replaces_workers_without_losing_requests() {
    for options in [&["--keep-alive", "1"][..], &["--reuse-port"]] {
        let server = Server::with(options, 2);
        let mut workers: BTreeSet<u32> = server.workers.iter().copied().collect();
        let responses = under_load(&server.address, || {
            for _ in 0..5 {
                workers = reload(&server, &workers);
            }
        });
        assert!(responses > 0);
    }
}

#[test]
fn sigttin_and_sigttou_change_the_worker_count() {
    let server = Server::start(1);
    server.signal(Signal::TTIN);
    let second = server.wait_for_worker();
    assert_ne!(second, server.workers[0]);
    server.signal(Signal::TTOU);
    server.wait_for(&format!("worker {second} exited with code 0"));
    server.signal(Signal::TTOU);
    server.wait_for("changing the number of workers from 1 to 1");
    assert!(server.get_pong().ends_with("Pong!"));
}

#[test]
fn sigusr1_reopens_the_logs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (access, errors, socket) = (path("access"), path("errors"), path("socket"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["serve", "--bind", &format!("unix:{socket}"), "--access-logfile", &access]);
    command.args(["--error-logfile", &errors, "--access-logformat", "%(r)s", "native:hello"]);
    let mut master = command.spawn().unwrap();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let until = |path: &str, text: &str| wait_until(text, || read(path).contains(text));
    let request_path = |path: &str| {
        get(std::os::unix::net::UnixStream::connect(&socket).unwrap(), path).unwrap();
    };
    until(&errors, "is ready");
    request_path("/pong?before");
    until(&access, "GET /pong?before HTTP/1.1\n");
    for log in [&access, &errors] {
        fs::rename(log, format!("{log}.1")).unwrap();
    }
    send_signal(master.id(), Signal::USR1);
    wait_until("new logs", || fs::exists(&access).unwrap() && fs::exists(&errors).unwrap());
    request_path("/pong?after");
    until(&access, "GET /pong?after HTTP/1.1\n");
    assert_eq!(read(&format!("{access}.1")), "GET /pong?before HTTP/1.1\n");
    assert_eq!(read(&access), "GET /pong?after HTTP/1.1\n");
    send_signal(master.id(), Signal::TERM);
    assert_eq!(master.wait().unwrap().code(), Some(0));
    assert!(read(&errors).contains("stopping 1 workers"), "{}", read(&errors));
    assert!(!fs::exists(&socket).unwrap());
}

/// A terminal sends the signal whenever its window changes.
#[test]
fn sigwinch_is_ignored_in_the_foreground() {
    let server = Server::with(&["--log-level", "debug"], 1);
    server.signal(Signal::WINCH);
    server.wait_for("SIGWINCH is ignored");
    assert!(server.get_pong().ends_with("Pong!"));
}

#[test]
fn hanging_worker_is_killed_and_replaced() {
    let server = Server::with(&["--timeout", "1"], 1);
    send_signal(server.workers[0], Signal::STOP);
    server.wait_for(&format!("WORKER TIMEOUT (pid:{})", server.workers[0]));
    // The successor does not wait for the end of the worker, which a stopped process does not notice.
    assert_ne!(server.wait_for_worker(), server.workers[0]);
    server.wait_for("was ended by signal 9");
    assert!(server.get_pong().ends_with("Pong!"));
}

#[test]
fn worker_is_replaced_after_max_requests() {
    let server = Server::with(&["--max-requests", "3"], 1);
    let mut workers: BTreeSet<u32> = server.workers.iter().copied().collect();
    for _ in 0..2 {
        for _ in 0..3 {
            assert!(server.get_pong().ends_with("Pong!"));
        }
        assert!(workers.insert(server.wait_for_worker()));
    }
}
