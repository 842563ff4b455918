//! Logging through Python: `logconfig` in its three forms, `logger_class`, and loggers that the application changes.

use std::net::TcpStream;
use std::process::Command;

use rustix::process::Signal;

use super::python::Folder;
use super::server::{Server, get};
use crate::support::{Tool, wait_until};

/// Fails for `/fail`, and counts what the server tells it.
const APP: &str = r#"
import logging
log = logging.getLogger("gunicorn.error")

def app(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("as asked")
    log.info("in %s", environ["PATH_INFO"])
    environ["shop.user"] = "ann"
    start_response("201 Made", [("X-Own", "yes"), ("Content-Length", "2")])
    return [b"ok"]
"#;

/// An application with its configuration.
fn folder(configuration: &str) -> Option<Folder> {
    let folder = Folder::new()?;
    folder.write("logs.py", APP);
    folder.write("gunicorn.conf.py", configuration);
    Some(folder)
}

/// A server whose workers may log elsewhere than on standard error.
fn serve(folder: &Folder, arguments: &[&str], app: &str) -> Server {
    let mut command = folder.lab();
    Server::spawn(command.args(["--bind", "127.0.0.1:0"]).args(arguments).arg(app))
}

fn gunicorn(folder: &Folder, app: &str) -> Server {
    let mut command = Command::new(folder.venv.join("bin/python"));
    command.args(["-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:0", app]);
    Server::spawn(&mut folder.in_here(command))
}

fn request(server: &Server, path: &str) -> String {
    get(TcpStream::connect(&server.address).unwrap(), path).unwrap()
}

/// Waits for as many lines in a file.
fn lines(folder: &Folder, file: &str, count: usize) -> Vec<String> {
    wait_until(&format!("{count} lines in {file}"), || {
        let lines: Vec<String> = folder.read(file).lines().map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
}

#[test]
fn logconfig_dict_formats_errors_and_requests() {
    let configuration = r#"
import json, logging

class JsonFormatter(logging.Formatter):
    def format(self, record):
        about = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            about["raised"] = repr(record.exc_info[1])
        return json.dumps(about)

access_log_format = "%(m)s %(U)s %(s)s %(B)s %({x-own}o)s %({user-agent}i)s %({shop.user}e)s"
logconfig_dict = {
    "version": 1,
    "formatters": {"json": {"()": JsonFormatter}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "log.json", "formatter": "json"}},
    "root": {"handlers": ["file"], "level": "INFO"},
    "loggers": {name: {"handlers": ["file"], "propagate": False} for name in ("gunicorn.error", "gunicorn.access")},
}
"#;
    let Some(folder) = folder(configuration) else { return };
    let gevent = Tool::Gevent.is_available_for_part().then_some(&["-k", "gevent"][..]);
    for arguments in [&["--threads", "1"][..], &["--threads", "3"], &["--preload"]].into_iter().chain(gevent) {
        let _ = std::fs::remove_file(folder.path().join("log.json"));
        let server = serve(&folder, arguments, "logs:app");
        assert!(request(&server, "/a%20b").starts_with("HTTP/1.1 201 Made\r\n"));
        assert!(request(&server, "/fail").starts_with("HTTP/1.1 500 "));
        let expected = [
            r#"{"level": "INFO", "logger": "gunicorn.error", "message": "in /a b"}"#,
            r#"{"level": "INFO", "logger": "gunicorn.access", "message": "GET /a b 201 2 yes test ann"}"#,
            r#""message": "GET /fail: the application raised", "raised": "RuntimeError('as asked')"}"#,
            r#"{"level": "INFO", "logger": "gunicorn.access", "message": "GET /fail 500 "#,
            " is ready\"}",
        ];
        let lines = lines(&folder, "log.json", expected.len());
        for part in expected {
            assert!(lines.iter().any(|line| line.contains(part)), "{arguments:?}, {part}: {lines:#?}");
        }
    }
}

/// The same class and requests: on gunicorn, on lab, and on lab where gunicorn is not installed.
#[test]
fn logger_class_writes_what_it_writes_in_gunicorn() {
    let configuration = r#"
import logging
from gunicorn import glogging

class NoHealthChecks(logging.Filter):
    def filter(self, record):
        return "/health" not in record.getMessage()

class ShopLogger(glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self.access_log.addFilter(NoHealthChecks())

    def now(self):
        return "[now]"

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["{shop}x"] = f"{req.method} {req.path} {request_time.days} {resp.status}"
        return atoms

    def access(self, resp, req, environ, request_time):
        if req.path != "/quiet":
            super().access(resp, req, environ, request_time)

logger_class = ShopLogger
accesslog = "access"
access_log_format = '%(t)s %(h)s "%(r)s" %(s)s %(b)s %(a)s %({host}i)s %({shop}x)s %({nothing}i)s %({X-Own}o)s'
"#;
    let Some(folder) = folder(configuration) else { return };
    let logged = |server: Server| {
        for path in ["/health", "/quiet", "/a?b=%22", "/last"] {
            assert!(request(&server, path).ends_with("ok"));
        }
        let written = lines(&folder, "access", 2);
        std::fs::remove_file(folder.path().join("access")).unwrap();
        written
    };
    let theirs = logged(gunicorn(&folder, "logs:app"));
    assert_eq!(theirs[1], "[now] 127.0.0.1 \"GET /last HTTP/1.1\" 201 2 test a GET /last 0 201 Made - yes");
    assert_eq!(logged(serve(&folder, &[], "logs:app")), theirs);
    let bare = Folder::new().unwrap().without_packages();
    let mut plain = Command::new(env!("CARGO_BIN_EXE_lab"));
    plain.arg("serve").arg("--venv").arg(&bare.venv).args(["--bind", "127.0.0.1:0", "logs:app"]);
    assert_eq!(logged(Server::spawn(&mut folder.in_here(plain))), theirs);
}

#[test]
fn files_of_logconfig_are_reopened() {
    let ini = "[loggers]\nkeys=root,access\n[handlers]\nkeys=file\n[formatters]\nkeys=plain\n\
               [logger_root]\nlevel=INFO\nhandlers=file\n\
               [logger_access]\nqualname=gunicorn.access\nlevel=INFO\nhandlers=file\npropagate=0\n\
               [handler_file]\nclass=FileHandler\nargs=('log','a')\nformatter=plain\n\
               [formatter_plain]\nformat=%(name)s says %(message)s\n";
    let json = r#"{"handlers": {"console": {"class": "logging.FileHandler", "filename": "log", "formatter": "generic"}},
                   "formatters": {"generic": {"format": "%(name)s says %(message)s"}},
                   "loggers": {"gunicorn.access": {"handlers": ["console"], "propagate": false}}}"#;
    for (configuration, name, text) in
        [("logconfig = 'log.ini'", "log.ini", ini), ("logconfig_json = 'log.json'", "log.json", json)]
    {
        let configuration = format!("{configuration}\naccess_log_format = '%(U)s'\n");
        let Some(folder) = folder(&configuration) else { return };
        folder.write(name, text);
        let server = serve(&folder, &["--workers", "2"], "logs:app");
        assert!(request(&server, "/one").ends_with("ok"));
        wait_until("a line", || folder.read("log").contains("gunicorn.access says /one\n"));
        // Both workers have the file open, and both reopen it.
        let (first, second) = (server.wait_for_worker(), server.wait_for_worker());
        std::fs::rename(folder.path().join("log"), folder.path().join("moved")).unwrap();
        server.signal(Signal::USR1);
        let has_open = |pid: u32| {
            let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
            descriptors.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|file| file.ends_with("log")))
        };
        wait_until("new files", || has_open(first) && has_open(second));
        assert!(request(&server, "/two").ends_with("ok"));
        wait_until("a line", || folder.read("log").contains("gunicorn.access says /two\n"));
        assert!(!folder.read("moved").contains("/two"), "{}", folder.read("moved"));
    }
}

#[test]
fn mistakes_in_logging_settings_end_the_start() {
    for (configuration, part) in [
        ("logconfig_dict = {'handlers': {'x': {'class': 'nothing.At'}}}", "Unable to configure"),
        ("logconfig = 'nowhere.ini'", "nowhere.ini"),
        ("logger_class = 'shop.Nothing'", "logger_class 'shop.Nothing' cannot be loaded"),
    ] {
        let Some(folder) = folder(configuration) else { return };
        let output = folder.run(&["--bind", "127.0.0.1:0", "logs:app"]);
        let printed = crate::support::text(&output);
        // gunicorn's code.
        assert_eq!(output.status.code(), Some(1), "{printed}");
        let message = "shutting down: the configuration raised RuntimeError: ";
        assert!(printed.contains(message) && printed.contains(part), "{printed}");
        assert!(!printed.contains("Traceback"), "{printed}");
    }
    let native = super::server::Server::command().args(["--log-config", "x.ini", "native:hello"]).output().unwrap();
    let printed = crate::support::text(&native);
    assert!(printed.contains("--log-config = x.ini is not supported\nhint: a native application"), "{printed}");
}

/// As many applications do to leave health checks out of the log.
#[test]
fn changed_access_logger_is_honoured() {
    let application = "import logging\nfrom logs import app\n\
                       access = logging.getLogger('gunicorn.access')\n\
                       access.addFilter(lambda record: '/health' not in record.getMessage())\n\
                       access.info('from the application')\n";
    let hook = "import logging\naccesslog = 'access'\naccess_log_format = '%(U)s %(s)s'\n\
                def post_fork(server, worker):\n    server.log.access_log.addFilter(\n        \
                lambda record: '/health' not in record.getMessage())\n    \
                server.log.access_log.info('from the application')\n";
    let module = "import logging\naccesslog = 'access'\naccess_log_format = '%(U)s %(s)s'\n\
                  access = logging.getLogger('gunicorn.access')\n\
                  access.addFilter(lambda record: '/health' not in record.getMessage())\n";
    let starting = "import logging\naccesslog = 'access'\naccess_log_format = '%(U)s %(s)s'\n\
                    def on_starting(server):\n    server.log.access_log.addFilter(\n        \
                    lambda record: '/health' not in record.getMessage())\n";
    let plain = "accesslog = 'access'\naccess_log_format = '%(U)s %(s)s'\n";
    for (configuration, app, own_lines) in [
        (plain, "filtered:app", 1),
        (hook, "logs:app", 1),
        (module, "logs:app", 0),
        (starting, "logs:app", 0),
        (plain, "logs:app", 0),
    ] {
        let Some(folder) = folder(configuration) else { return };
        folder.write("filtered.py", application);
        let server = serve(&folder, &[], app);
        for path in ["/health", "/one", "/health", "/two"] {
            assert!(request(&server, path).ends_with("ok"));
        }
        let is_filtered = (configuration, app) != (plain, "logs:app");
        let expected = if is_filtered { 2 + own_lines } else { 4 };
        wait_until("the last line", || folder.read("access").ends_with("/two 201\n"));
        let lines = lines(&folder, "access", expected);
        assert_eq!(lines.len(), expected, "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("/health")).count(), if is_filtered { 0 } else { 2 });
        assert_eq!(lines.iter().filter(|line| *line == "from the application").count(), own_lines);
    }
}

/// The worker writes the line, and the arbiter still counts the request.
#[test]
fn statsd_counts_what_the_worker_logs() {
    let Some(folder) = folder("logconfig_dict = {}\nlogger_class = 'gunicorn.instrument.statsd.Statsd'\n") else {
        return;
    };
    folder.write(
        "filtered.py",
        "import logging\nfrom logs import app\nlogging.getLogger('gunicorn.access').addFilter(print)\n",
    );
    let statsd = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let host = statsd.local_addr().unwrap().to_string();
    let server = serve(&folder, &["--statsd-host", &host, "--access-logfile", "access"], "filtered:app");
    assert!(request(&server, "/one").ends_with("ok"));
    loop {
        let mut datagram = [0; 256];
        let length = statsd.recv(&mut datagram).unwrap();
        if datagram[..length].starts_with(b"gunicorn.request.status.201:1|c") {
            break;
        }
    }
}
