//! The listeners, users and names of the processes of `lab serve`.

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::Signal;

use super::hosts::{Host, hosts};
use super::server::{Server, get, send_signal};
use crate::support::{requires, skip, wait_until};

fn of_process(pid: u32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

#[test]
fn several_binds_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let unix = format!("unix:{}", socket.display());
    let mut server = Server::with(&["--bind", "[::1]:0", "--bind", &unix, "--umask", "0177"], 2);
    assert!(server.get_pong().ends_with("Pong!"));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(get(UnixStream::connect(&socket).unwrap(), "/pong").unwrap().ends_with("Pong!"));
    server.signal(Signal::TERM);
    assert_eq!(server.master.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn systemd_sockets_replace_bind() {
    for host in hosts() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let notified = tempfile::tempdir().unwrap();
        let notify = notified.path().join("notify");
        let systemd = std::os::unix::net::UnixDatagram::bind(&notify).unwrap();
        let mut command = Command::new("sh");
        let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_lab"), "serve", "--bind", "127.0.0.1:0"]);
        command.env("NOTIFY_SOCKET", &notify);
        command.fd_mappings(vec![FdMapping { parent_fd: listener.into(), child_fd: 3 }]).unwrap();
        let server = host.complete(&mut command);
        assert_eq!(server.address, address);
        assert!(server.get_pong().ends_with("Pong!"));
        let mut datagram = [0; 64];
        let length = systemd.recv(&mut datagram).unwrap();
        assert!(datagram[..length].starts_with(b"READY=1\n"));
        // The variables are for the arbiter, and not for processes that the application starts.
        assert!(!of_process(server.workers[0], "environ").contains("LISTEN_"));
    }
}

#[test]
fn proc_name_sets_the_process_titles() {
    let server = Server::with(&["--name", "shop", "--env", "COLOUR=blue"], 1);
    assert!(of_process(server.master.id(), "cmdline").starts_with("lab: master [shop] "));
    assert!(of_process(server.workers[0], "cmdline").starts_with("lab: worker [shop] "));
    assert!(of_process(server.workers[0], "environ").contains("COLOUR=blue "));
}

/// Whether the user `nobody` may run the Python of an environment.
fn may_run(python: &Path) -> bool {
    let mut command = Command::new(python);
    let may =
        command.args(["-c", "import lab_wsgi"]).uid(65534).gid(65534).status().is_ok_and(|status| status.success());
    if !may {
        skip(&format!("in part: the user `nobody` may not run {}", python.display()));
    }
    may
}

#[test]
fn workers_run_as_the_configured_user() {
    requires!(Root);
    for host in hosts() {
        if host.folder.as_ref().is_some_and(|folder| !may_run(&folder.venv.join("bin/python"))) {
            continue;
        }
        let server = host.serve(&["--user", "nobody", "--group", "nogroup"]);
        let status = of_process(server.workers[0], "status");
        for line in ["Uid:\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534", "Groups:\t65534 \n"] {
            assert!(status.contains(line), "{line:?}: {status}");
        }
        assert!(of_process(server.master.id(), "status").contains("Uid:\t0\t0\t0"));
        assert!(server.get_pong().ends_with("Pong!"));
        // A changed identity clears the parent-death signal, so the worker would outlive its arbiter.
        server.signal(Signal::KILL);
        server.wait_until_all_are_gone();
    }
}

#[test]
fn worker_boot_failure_stops_the_server() {
    requires!(Root);
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let chdir = folder.path().to_str().unwrap();
    let output = Server::command().args(["--user", "nobody", "--chdir", chdir, "native:hello"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("lab: cannot change to ") && stderr.contains("failed to boot"), "{stderr}");
    assert_eq!(stderr.matches("started worker").count(), 1, "{stderr}");
}

#[test]
fn daemon_writes_a_pid_file() {
    for host in hosts() {
        is_a_daemon(&host);
    }
}

fn is_a_daemon(host: &Host) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (pidfile, errors, socket) = (path("pid"), path("errors"), path("socket"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["serve", "-D", "--pid", &pidfile, "--error-logfile", &errors, "--bind", &format!("unix:{socket}")]);
    command.args(["--name", "shop"]).args(&host.arguments).arg(host.app);
    assert_eq!(command.status().unwrap().code(), Some(0));
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    wait_until("a worker", || read(&errors).contains("is ready"));
    let pid: u32 = read(&pidfile).trim().parse().unwrap();
    assert!(of_process(pid, "cmdline").starts_with("lab: master [shop] "));
    // It has no terminal, and cannot get one, because it does not lead its session.
    let stat = of_process(pid, "stat");
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    assert_ne!(fields[3], pid.to_string(), "{stat}");
    assert_eq!(fields[4], "0", "{stat}");
    assert!(get(UnixStream::connect(&socket).unwrap(), "/pong").unwrap().ends_with("Pong!"));

    let second = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["serve", "--bind", "127.0.0.1:0", "--pid", &pidfile, "native:hello"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(second.stderr).unwrap();
    assert!(stderr.contains(&format!("already running on PID {pid}")), "{stderr}");

    send_signal(pid, Signal::TERM);
    wait_until("the end", || !fs::exists(&pidfile).unwrap());
    assert!(UnixStream::connect(&socket).is_err());
}

#[test]
fn request_metrics_go_to_statsd() {
    let statsd = UdpSocket::bind("127.0.0.1:0").unwrap();
    let host = statsd.local_addr().unwrap().to_string();
    let server = Server::with(&["--statsd-host", &host, "--statsd-prefix", "shop"], 1);
    get(TcpStream::connect(&server.address).unwrap(), "/status/404").unwrap();
    let mut seen = Vec::new();
    while !seen.iter().any(|metric: &String| metric.starts_with("shop.gunicorn.request.status.404:1|c")) {
        let mut datagram = [0; 256];
        let length = statsd.recv(&mut datagram).unwrap();
        seen.push(String::from_utf8_lossy(&datagram[..length]).into_owned());
    }
    assert!(seen.contains(&"shop.gunicorn.workers:1|g".to_owned()), "{seen:?}");
    assert!(seen.iter().any(|metric| metric.starts_with("shop.gunicorn.request.duration:")), "{seen:?}");
}
