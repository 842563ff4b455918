//! What the master of `lab serve` does when it is told something by a signal.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::process::Signal;

use super::server::{Server, get, tell};
use crate::support::wait_until;

/// Asks without pause on four connections at a time, while `meanwhile` runs; how many answers there were.
pub(super) fn under_load(address: &str, meanwhile: impl FnOnce()) -> u32 {
    let (stop, answers) = (AtomicBool::new(false), AtomicU32::new(0));
    let ask = || {
        while !stop.load(Ordering::Relaxed) {
            let client = TcpStream::connect(address).expect("the server listens");
            let answer = get(client, "/pong").expect("no request is lost");
            assert!(answer.ends_with("Pong!"), "{answer:?}");
            answers.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(ask);
        }
        let _stop = Stop(&stop);
        meanwhile();
    });
    answers.into_inner()
}

/// Lets the load end, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
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
        let answers = under_load(&server.address, || {
            for _ in 0..5 {
                workers = reload(&server, &workers);
            }
        });
        assert!(answers > 0);
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
    server.wait_for("1 workers are wanted instead of 1");
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
    let ask = |path: &str| {
        get(std::os::unix::net::UnixStream::connect(&socket).unwrap(), path).unwrap();
    };
    until(&errors, "is ready");
    ask("/pong?before");
    until(&access, "GET /pong?before HTTP/1.1\n");
    for log in [&access, &errors] {
        fs::rename(log, format!("{log}.1")).unwrap();
    }
    tell(master.id(), Signal::USR1);
    wait_until("new logs", || fs::exists(&access).unwrap() && fs::exists(&errors).unwrap());
    ask("/pong?after");
    until(&access, "GET /pong?after HTTP/1.1\n");
    assert_eq!(read(&format!("{access}.1")), "GET /pong?before HTTP/1.1\n");
    assert_eq!(read(&access), "GET /pong?after HTTP/1.1\n");
    tell(master.id(), Signal::TERM);
    assert_eq!(master.wait().unwrap().code(), Some(0));
    assert!(read(&errors).contains("stopping 1 workers"), "{}", read(&errors));
    assert!(!fs::exists(&socket).unwrap());
}

#[test]
fn sigusr2_upgrade_is_refused() {
    let server = Server::start(1);
    for (signal, name) in [(Signal::USR2, "SIGUSR2"), (Signal::WINCH, "SIGWINCH")] {
        server.signal(signal);
        server.wait_for(&format!("{name} is not supported"));
    }
    assert!(server.get_pong().ends_with("Pong!"));
}

#[test]
fn hanging_worker_is_killed_and_replaced() {
    let server = Server::with(&["--timeout", "1"], 1);
    tell(server.workers[0], Signal::STOP);
    server.wait_for(&format!("WORKER TIMEOUT (pid:{})", server.workers[0]));
    server.wait_for("was ended by signal 9");
    assert_ne!(server.wait_for_worker(), server.workers[0]);
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
