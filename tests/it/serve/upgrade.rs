//! The upgrade of a running server (gunicorn: "Upgrading to a new binary on the fly").

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, test_kill_process};
use tempfile::TempDir;

use super::hosts::{Host, hosts};
use super::python::Folder;
use super::retirement::storm;
use super::server::{Server, get, send_signal};
use super::traffic::TRAFFICS;
use crate::support::wait_until;

/// A server in the background, with its files in a folder.
struct Daemon {
    folder: TempDir,
}

impl Daemon {
    fn start(host: &Host, arguments: &[&str]) -> Daemon {
        let daemon = Daemon { folder: tempfile::tempdir().unwrap() };
        let mut command = Server::command();
        let (pid, errors) = (daemon.path("pid"), daemon.path("errors"));
        command.args(["-D", "--pid", pid.to_str().unwrap(), "--error-logfile", errors.to_str().unwrap()]);
        command.args(["--graceful-timeout", "20"]).args(arguments).args(&host.arguments).arg(host.app);
        assert_eq!(command.status().unwrap().code(), Some(0));
        daemon.wait_for("is ready", 1);
        daemon
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("errors")).unwrap_or_default()
    }

    /// Waits until the log has a number of lines with a text.
    fn wait_for(&self, text: &str, count: usize) {
        wait_until(text, || self.log().matches(text).count() >= count);
    }

    fn address(&self) -> String {
        let log = self.log();
        log.split("Listening at: http://").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned()
    }

    /// The process id in a pid file.
    fn pid(&self, name: &str) -> u32 {
        wait_until(name, || fs::read_to_string(self.path(name)).ok()?.trim().parse().ok())
    }

    fn signal(&self, pid: u32, signal: Signal) {
        send_signal(pid, signal);
    }

    fn wait_until_gone(&self, pid: u32) {
        wait_until("the end of an arbiter", || !is_alive(pid));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // What a failed test has left.
        for name in ["pid", "pid.2"] {
            let pid = fs::read_to_string(self.path(name)).ok().and_then(|text| text.trim().parse().ok());
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A daemon's parent may never wait for it.
    let is_zombie = stat.rsplit(") ").next().is_some_and(|fields| fields.starts_with('Z'));
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok() && !is_zombie
}

fn environment(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()).replace('\0', "\n")
}

/// The walk of gunicorn's documentation, there and back, and then for good.
#[test]
fn upgrade_loses_no_request() {
    let hosts = hosts();
    let cases = hosts.iter().flat_map(|host| TRAFFICS.map(|traffic| (host, traffic, "--backlog=2048")));
    let native = &hosts[0];
    for (host, traffic, option) in cases.chain(TRAFFICS.map(|traffic| (native, traffic, "--reuse-port"))) {
        if traffic.is_post && host.folder.is_some() {
            continue;
        }
        let daemon = Daemon::start(host, &["--workers", "2", option]);
        let first = daemon.pid("pid");
        storm(&daemon.address(), traffic, |_| {
            daemon.wait_for("is ready", 2);
            daemon.signal(first, Signal::USR2);
            let second = daemon.pid("pid.2");
            daemon.wait_for("is ready", 4);
            assert_eq!(daemon.pid("pid"), first);
            // The old workers end, and the old arbiter stays.
            daemon.signal(first, Signal::WINCH);
            daemon.wait_for("exited with code 0", 2);
            assert!(is_alive(first));
            // Back to the old version.
            daemon.signal(first, Signal::HUP);
            daemon.wait_for("is ready", 6);
            daemon.signal(second, Signal::TERM);
            daemon.wait_for("the new arbiter", 2);
            daemon.wait_until_gone(second);
            wait_until("no second pid file", || !daemon.path("pid.2").exists());
            // And to the new one again.
            daemon.signal(first, Signal::USR2);
            let third = daemon.pid("pid.2");
            assert_ne!(third, second);
            daemon.wait_for("is ready", 8);
            daemon.signal(first, Signal::TERM);
            daemon.wait_until_gone(first);
            wait_until("the pid file of the new arbiter", || daemon.pid("pid") == third);
            assert!(!daemon.path("pid.2").exists());
        });
        let last = daemon.pid("pid");
        daemon.signal(last, Signal::TERM);
        daemon.wait_until_gone(last);
        assert!(!daemon.path("pid").exists());
        assert!(TcpStream::connect(daemon.address()).is_err());
    }
}

#[test]
fn new_program_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("lab");
    symlink(env!("CARGO_BIN_EXE_lab"), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["serve", "--bind", "127.0.0.1:0"]);
    let server = Server::from_command(&mut command, 1);
    // Installed over the old one.
    let marker = folder.path().join("marker");
    let script = format!(
        "#!/bin/sh\necho \"$GUNICORN_PID\" > {}\nexec {} \"$@\"\n",
        marker.display(),
        env!("CARGO_BIN_EXE_lab")
    );
    install(&folder.path().join("new"), &script, &program);
    server.signal(Signal::USR2);
    let worker = server.wait_for_worker();
    assert_eq!(fs::read_to_string(&marker).unwrap().trim(), server.master.id().to_string());
    assert!(!environment(worker).contains("GUNICORN_"), "{}", environment(worker));
    server.signal(Signal::USR2);
    server.wait_for("SIGUSR2 is ignored: there is a new arbiter already");
    let new = parent(worker);
    send_signal(new, Signal::USR2);
    server.wait_for("SIGUSR2 is ignored: the old arbiter still runs");
    send_signal(new, Signal::TERM);
    server.wait_for(&format!("the new arbiter {new} exited with code 0"));
    assert!(server.get_pong().ends_with("Pong!"));
}

fn install(new: &Path, script: &str, place: &Path) {
    fs::write(new, script).unwrap();
    fs::set_permissions(new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, place).unwrap();
}

fn parent(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:\t")).unwrap().parse().unwrap()
}

#[test]
fn missing_program_keeps_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("lab");
    symlink(env!("CARGO_BIN_EXE_lab"), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["serve", "--bind", "127.0.0.1:0"]);
    let server = Server::from_command(&mut command, 1);
    fs::remove_file(&program).unwrap();
    server.signal(Signal::USR2);
    server.wait_for("as the new arbiter: No such file or directory");
    assert!(server.get_pong().ends_with("Pong!"));
}

#[test]
fn unix_socket_stays_through_an_upgrade() {
    let host = Host { app: "native:hello", arguments: Vec::new(), folder: None };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let daemon = Daemon::start(&host, &["--bind", &format!("unix:{}", socket.display())]);
    let pong = || get(UnixStream::connect(&socket).unwrap(), "/pong").unwrap().ends_with("Pong!");
    let first = daemon.pid("pid");
    for end_of_new in [true, false] {
        daemon.signal(first, Signal::USR2);
        let new = daemon.pid("pid.2");
        wait_until("a new worker", || daemon.log().matches("is ready").count() >= if end_of_new { 2 } else { 3 });
        let ended = if end_of_new { new } else { first };
        daemon.signal(ended, Signal::QUIT);
        daemon.wait_until_gone(ended);
        assert!(pong());
        wait_until("one pid file", || !daemon.path("pid.2").exists());
    }
    daemon.wait_for("takes its place", 1);
    let last = daemon.pid("pid");
    daemon.signal(last, Signal::TERM);
    daemon.wait_until_gone(last);
    assert!(!socket.exists());
}

#[test]
fn systemd_sockets_are_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new("sh");
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_lab"), "serve", "--bind", "127.0.0.1:0"]);
    command.fd_mappings(vec![FdMapping { parent_fd: listener.into(), child_fd: 3 }]).unwrap();
    let server = Server::from_command(&mut command, 1);
    server.signal(Signal::USR2);
    let line = server.wait_for("Listening at: ");
    assert!(line.contains(&server.address), "{line}");
    let new = parent(server.wait_for_worker());
    let environment = environment(new);
    assert!(environment.contains("LISTEN_FDS=1\n") && environment.contains(&format!("LISTEN_PID={new}\n")));
    server.signal(Signal::TERM);
    server.wait_for("takes its place");
    assert!(server.get_pong().ends_with("Pong!"));
    send_signal(new, Signal::TERM);
    server.wait_until_all_are_gone();
}

#[test]
fn pre_exec_runs_before_an_upgrade() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "gunicorn.conf.py",
        "import os\n\
         def pre_exec(server):\n\
         \x20   server.log.info('pre_exec of %s', server.pid)\n\
         \x20   if os.path.exists('veto'):\n\
         \x20       raise RuntimeError('not now')\n",
    );
    let server = folder.serve(&["--preload"], 1);
    folder.write("veto", "");
    server.signal(Signal::USR2);
    server.wait_for("pre_exec raised RuntimeError: not now; the server is not upgraded");
    fs::remove_file(folder.path().join("veto")).unwrap();
    // An upgrade, unlike a reload, loads a preloaded application again.
    folder
        .write("shop.py", "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'new']\n");
    server.signal(Signal::USR2);
    server.wait_for(&format!("pre_exec of {}", server.master.id()));
    let new = parent(server.wait_for_worker());
    server.signal(Signal::TERM);
    server.wait_for("takes its place");
    assert!(get(TcpStream::connect(&server.address).unwrap(), "/").unwrap().ends_with("\r\n\r\nnew"));
    send_signal(new, Signal::TERM);
    server.wait_until_all_are_gone();
}
