//! Server hooks that gunicorn calls in its arbiter, compared with gunicorn itself.

use std::net::TcpStream;
use std::process::Command;

use rustix::process::Signal;

use super::python::Folder;
use super::server::{Server, get};
use crate::support::wait_until;

const HOOKS: &str = r#"
workers = 1
started = []

def note(*words):
    with open(EVENTS, "a") as events:
        print(*words, file=events)

def nworkers_changed(server, new, old):
    note("nworkers_changed", new, old, server.num_workers)

def on_starting(server):
    started.append("on_starting")
    note("on_starting", len(server.LISTENERS), server.cfg.workers, server.cfg.timeout, server.address, server.master_pid)
    server.log.info("a line of the hook")

def when_ready(server):
    host, port = server.LISTENERS[0].getsockname()
    note("when_ready", host, port > 0, str(server.LISTENERS[0]).startswith("http://127.0.0.1:"), len(server.WORKERS))

def pre_fork(server, worker):
    worker.colour = "blue"
    note("pre_fork", worker.age, worker.pid, worker.ppid == server.pid, worker.alive, worker.booted, worker.nr)

def post_fork(server, worker):
    with open(EVENTS + ".workers", "a") as events:
        print(worker.age, worker.colour, started, worker.pid > 0, server.worker_age, file=events)

def child_exit(server, worker):
    note("child_exit", worker.pid > 0, worker.colour, worker.pid in server.WORKERS)

def on_reload(server):
    note("on_reload", server.num_workers)

def pre_exec(server):
    note("pre_exec", server.reexec_pid)

def on_exit(server):
    note("on_exit", len(server.WORKERS))
"#;

/// lab and gunicorn, each with a folder for what its hooks note.
fn servers(folder: &Folder) -> [(&'static str, Command); 2] {
    let mut gunicorn = Command::new(folder.venv.join("bin/python"));
    gunicorn.args(["-m", "gunicorn", "--no-control-socket"]);
    let (mut gunicorn, mut lab) = (folder.in_here(gunicorn), folder.lab());
    for command in [&mut gunicorn, &mut lab] {
        command.args(["--bind", "127.0.0.1:0", "--timeout", "20"]);
    }
    [("lab", lab), ("gunicorn", gunicorn)]
}

fn events_of(folder: &Folder, name: &str, command: &mut Command) -> (String, String) {
    folder.write(&format!("{name}.conf.py"), &HOOKS.replace("EVENTS", &format!("{name:?}")));
    let mut server = Server::spawn(command.args(["-c", &format!("{name}.conf.py"), "shop:app"]));
    let until = |line: &str, count: usize| {
        wait_until(line, || folder.read(name).lines().filter(|event| event.starts_with(line)).count() >= count);
    };
    let forked = |count: usize| {
        wait_until("workers", || folder.read(&format!("{name}.workers")).lines().count() >= count);
        // gunicorn misses a signal that a worker gets before it has a handler for it.
        assert!(get(TcpStream::connect(&server.address).unwrap(), "/").unwrap().contains("200 OK"));
    };
    forked(1);
    server.signal(Signal::TTIN);
    forked(2);
    server.signal(Signal::TTOU);
    until("child_exit", 1);
    server.signal(Signal::HUP);
    forked(3);
    until("child_exit", 2);
    server.signal(Signal::TERM);
    assert_eq!(server.master.wait().unwrap().code(), Some(0), "{name}");
    server.wait_until_all_are_gone();
    (folder.read(name), folder.read(&format!("{name}.workers")))
}

#[test]
fn arbiter_hooks_match_gunicorn() {
    let Some(folder) = Folder::new() else { return };
    let [(_, mut lab), (_, mut gunicorn)] = servers(&folder);
    let own = events_of(&folder, "lab", &mut lab);
    let expected = events_of(&folder, "gunicorn", &mut gunicorn);
    assert_eq!(own, expected);
    let order: Vec<&str> = own.0.lines().filter_map(|line| line.split(' ').next()).collect();
    let all = "nworkers_changed on_starting when_ready pre_fork nworkers_changed pre_fork nworkers_changed child_exit \
               nworkers_changed on_reload pre_fork child_exit child_exit on_exit";
    assert_eq!(order, all.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn hook_exceptions_end_the_server_as_in_gunicorn() {
    let Some(folder) = Folder::new() else { return };
    let raise = "raise ValueError('from the hook')";
    let cases = [
        ("on_starting(server)", raise, None),
        ("when_ready(server)", raise, None),
        ("when_ready(server)", "raise SystemExit(7)", None),
        ("when_ready(server)", "raise SystemExit('no database')", None),
        ("pre_fork(server, worker)", raise, None),
        ("pre_fork(server, worker)", "import sys; sys.exit(9)", None),
        ("nworkers_changed(server, new, old)", raise, None),
        ("nworkers_changed(server, new, old)", "if old == 1: raise KeyError(new)", Some(Signal::TTIN)),
        ("on_reload(server)", raise, Some(Signal::HUP)),
        ("on_exit(server)", raise, Some(Signal::TERM)),
    ];
    for (hook, body, signal) in cases {
        let file = format!("def {hook}:\n    {body}\ndef child_exit(server, worker): pass\n");
        folder.write("raises.py", &file);
        let codes = servers(&folder).map(|(name, mut command)| {
            command.args(["-c", "raises.py", "--error-logfile", &format!("{name}.log"), "shop:app"]);
            let mut master = command.spawn().unwrap();
            if let Some(signal) = signal {
                let booted = if name == "lab" { "is ready" } else { "Booting worker" };
                wait_until("a worker", || folder.read(&format!("{name}.log")).contains(booted));
                super::server::send_signal(master.id(), signal);
            }
            let code = master.wait().unwrap().code();
            let log = folder.read(&format!("{name}.log"));
            if name == "lab" && body == raise {
                assert!(log.contains("ValueError: from the hook"), "{hook}: {log}");
                assert!(log.contains("shutting down: the server hook "), "{hook}: {log}");
            }
            code
        });
        assert_eq!(codes[0], codes[1], "{hook}: {body}");
        assert_ne!(codes[0], Some(0), "{hook}: {body}");
        for name in ["lab", "gunicorn"] {
            folder.write(&format!("{name}.log"), "");
        }
    }
}

#[test]
fn exiting_child_hook_ends_the_server() {
    let Some(folder) = Folder::new() else { return };
    folder.write("gunicorn.conf.py", "def child_exit(server, worker):\n    raise LookupError(worker.pid)\n");
    let mut server = folder.serve(&[], 1);
    let worker = server.workers[0];
    super::server::kill(worker);
    server.wait_for(&format!("LookupError: {worker}"));
    server.wait_for("shutting down: the server hook child_exit raised");
    assert_eq!(server.master.wait().unwrap().code(), Some(255));
    server.wait_until_all_are_gone();
}

#[test]
fn reload_takes_new_hooks() {
    let Some(folder) = Folder::new() else { return };
    let hook = |name: &str, word: &str| {
        let colour = if word == "wrong" { "SHADE=dark" } else { "COLOUR=red" };
        format!(
            "import os\nraw_env = ['{colour}']\ndef {name}(*arguments):\n\
             \x20   variables = os.environ.get('COLOUR'), os.environ.get('SHADE')\n\
             \x20   with open('events', 'a') as events: print('{word}', *variables, file=events)\n"
        )
    };
    folder.write("gunicorn.conf.py", &hook("pre_fork", "before"));
    let mut server = folder.serve(&[], 1);
    folder.write("gunicorn.conf.py", &(hook("pre_fork", "after") + &hook("on_exit", "exit")));
    server.signal(Signal::HUP);
    server.wait_for_worker();
    server.wait_for("exited with code 0");
    // Workers that cannot boot undo the reload, and with it that of the hooks.
    folder.write(
        "gunicorn.conf.py",
        &(hook("pre_fork", "wrong") + "def post_fork(server, worker):\n    raise OSError\n"),
    );
    server.signal(Signal::HUP);
    server.wait_for("undoing the reload");
    folder.write("gunicorn.conf.py", "");
    server.signal(Signal::TERM);
    assert_eq!(server.master.wait().unwrap().code(), Some(0));
    assert_eq!(folder.read("events"), "before red None\nafter red None\nwrong None dark\nexit red None\n");
}

#[test]
fn hooks_write_to_the_error_log() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "gunicorn.conf.py",
        "def when_ready(server):\n    server.log.warning('from %s', 'a hook')\n    print('printed', flush=True)\n",
    );
    let mut server = folder.lab();
    server.args(["--bind", "unix:socket", "--error-logfile", "errors", "--capture-output", "shop:app"]);
    let mut master = server.spawn().unwrap();
    wait_until("a worker", || folder.read("errors").contains("is ready"));
    let log = folder.read("errors");
    assert!(log.contains("] [WARNING] from a hook\n") && log.contains("printed\n"), "{log}");
    super::server::send_signal(master.id(), Signal::TERM);
    assert_eq!(master.wait().unwrap().code(), Some(0));
}

/// A logger that the configuration sets up may have files, which workers inherit from the fork server.
#[test]
fn sigusr1_reopens_the_files_of_the_fork_server() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "gunicorn.conf.py",
        "def on_starting(server):\n    server.log.reopen_files = lambda: server.log.info('reopened by %s', server.pid)\n",
    );
    let server = folder.serve(&[], 1);
    server.signal(Signal::USR1);
    server.wait_for(&format!("reopened by {}", server.master.id()));
}
