//! `preload_app`: the application is loaded once, in a process that forks the workers.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use super::python::Folder;
use super::server::{Server, get, kill};
use crate::support::{requires, wait_until};

const MIB: u64 = 1024 * 1024;
/// What the application holds in memory.
const HELD: u64 = 48 * MIB;

const APP: &str = r#"
import os, time

with open("loads", "a") as loads:
    print(os.getpid(), file=loads)
HELD = b"x" * SIZE

def app(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        time.sleep(60)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"#;

fn folder() -> Option<Folder> {
    let folder = Folder::new()?;
    folder.write("shop.py", &APP.replace("SIZE", &HELD.to_string()));
    Some(folder)
}

/// The process that served a request.
fn worker(server: &Server) -> u32 {
    let response = get(TcpStream::connect(&server.address).unwrap(), "/").unwrap();
    response.split_once("\r\n\r\n").unwrap().1.parse().unwrap()
}

fn loads(folder: &Folder) -> usize {
    folder.read("loads").lines().count()
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn status(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

fn command_line(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

fn fork_server(server: &Server) -> u32 {
    let master = server.master.id();
    children(master).into_iter().find(|pid| command_line(*pid).contains("lab: fork server")).expect("a fork server")
}

/// The memory of all processes below the arbiter, where a page that several of them share counts once.
fn memory(server: &Server) -> u64 {
    let of_process = |pid: u32| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).expect("a process");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    children(server.master.id()).into_iter().map(of_process).sum()
}

#[test]
fn application_is_loaded_once() {
    let Some(folder) = folder() else { return };
    let server = folder.serve(&["--preload", "--name", "shop", "--max-requests", "3"], 2);
    let first = worker(&server);
    assert!(status(first).contains(&format!("PPid:\t{}\n", server.master.id())));
    assert!(command_line(first).trim_end().ends_with("lab: worker [shop]"), "{}", command_line(first));
    // One more, a dead one replaced, a retired one replaced, and all replaced.
    server.signal(Signal::TTIN);
    let added = server.wait_for_worker();
    kill(added);
    server.wait_for("was ended by signal 9");
    server.wait_for_worker();
    let mut served = 0;
    wait_until("a retired worker", || {
        served += 1;
        worker(&server) != first && served > 9
    });
    server.wait_for_worker();
    server.signal(Signal::HUP);
    server.wait_for_worker();
    server.wait_for("exited with code 0");
    worker(&server);
    assert_eq!(loads(&folder), 1);
}

#[test]
fn preloading_shares_memory() {
    let Some(folder) = folder() else { return };
    let mut increase = [0; 2];
    for (increase, arguments) in increase.iter_mut().zip([&["--preload"][..], &[]]) {
        let server = folder.serve(arguments, 1);
        let with_one = memory(&server);
        for _ in 0..3 {
            server.signal(Signal::TTIN);
            server.wait_for_worker();
        }
        *increase = memory(&server).saturating_sub(with_one) / 3;
    }
    let [preloaded, separate] = increase.map(|bytes| bytes / MIB);
    eprintln!("another worker takes {preloaded} MiB with preload_app, {separate} MiB without");
    assert!(increase[1] >= HELD, "{separate} MiB");
    assert!(increase[0] < HELD / 4, "{preloaded} MiB");
}

#[test]
fn forked_workers_run_as_the_configured_user() {
    requires!(Root);
    let Some(folder) = folder() else { return };
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let server = folder.serve(&["--preload", "--user", "nobody", "--group", "nogroup"], 1);
    let worker_status = status(worker(&server));
    for line in ["Uid:\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534", "Groups:\t65534 \n"] {
        assert!(worker_status.contains(line), "{line:?}: {worker_status}");
    }
    assert!(status(fork_server(&server)).contains("Uid:\t0\t0\t0"));
    // The worker dies with the arbiter, although a changed identity clears the parent-death signal.
    server.signal(Signal::KILL);
    server.wait_until_all_are_gone();
}

#[test]
fn lost_fork_server_is_replaced() {
    let Some(folder) = folder() else { return };
    let server = folder.serve(&["--preload"], 1);
    let before = worker(&server);
    kill(fork_server(&server));
    server.wait_for("the fork server has ended");
    assert_eq!(worker(&server), before);
    kill(before);
    let replacement = server.wait_for_worker();
    assert_eq!(worker(&server), replacement);
    assert_eq!(loads(&folder), 2);
    kill(fork_server(&server));
    server.signal(Signal::HUP);
    let reloaded = server.wait_for_worker();
    server.wait_for(&format!("worker {replacement} exited with code 0"));
    assert_eq!(worker(&server), reloaded);
}

/// Its modules may have been replaced.
#[test]
fn reload_replaces_an_empty_fork_server() {
    let Some(folder) = folder() else { return };
    let server = folder.serve(&[], 2);
    let before = fork_server(&server);
    server.signal(Signal::HUP);
    let workers = [server.wait_for_worker(), server.wait_for_worker()];
    wait_until("the end of the fork server", || !children(server.master.id()).contains(&before));
    let after = fork_server(&server);
    kill(workers[0]);
    server.wait_for_worker();
    assert_eq!(fork_server(&server), after);
    assert_eq!(loads(&folder), 5);
}

#[test]
fn hanging_forked_worker_is_replaced() {
    let Some(folder) = folder() else { return };
    let server = folder.serve(&["--preload", "--timeout", "1"], 1);
    let hanging = TcpStream::connect(&server.address).unwrap();
    let hanging = std::thread::spawn(move || get(hanging, "/hang"));
    let line = server.wait_for("WORKER TIMEOUT");
    assert!(line.contains("in GET /hang HTTP/1.1"), "{line}");
    let replacement = server.wait_for_worker();
    assert_eq!(worker(&server), replacement);
    let _ = hanging.join().unwrap();
}

#[test]
fn preloading_server_ends_completely() {
    let Some(folder) = folder() else { return };
    for (signal, code) in [(Signal::TERM, Some(0)), (Signal::QUIT, Some(0)), (Signal::KILL, None)] {
        let mut server = folder.serve(&["--preload", "--error-logfile", "-"], 2);
        server.signal(signal);
        assert_eq!(server.master.wait().unwrap().code(), code);
        server.wait_until_all_are_gone();
    }
}

/// Only new workers of another arbiter run other code: a reload keeps the application that is loaded, as in gunicorn.
#[test]
fn reload_keeps_the_preloaded_application() {
    let Some(folder) = folder() else { return };
    folder.write("gunicorn.conf.py", "preload_app = True\nraw_env = ['COLOUR=red']\n");
    let server = folder.serve(&[], 1);
    folder.write("shop.py", "raise RuntimeError('not loaded')\n");
    folder.write("gunicorn.conf.py", "preload_app = True\nraw_env = ['SHADE=dark']\n");
    let before = worker(&server);
    server.signal(Signal::HUP);
    let after = server.wait_for_worker();
    server.wait_for(&format!("worker {before} exited with code 0"));
    assert_eq!(worker(&server), after);
    // Without preload_app each worker loads the application, and has another fork server.
    let preloading = fork_server(&server);
    folder.write("shop.py", &APP.replace("SIZE", "1"));
    folder.write("gunicorn.conf.py", "");
    server.signal(Signal::HUP);
    let last = server.wait_for_worker();
    server.wait_for(&format!("worker {after} exited with code 0"));
    assert_eq!(worker(&server), last);
    assert_eq!(loads(&folder), 2);
    wait_until("the end of the fork server", || !children(server.master.id()).contains(&preloading));
    assert_eq!(children(server.master.id()).len(), 2);
}
