//! Tools that a test needs and not every machine has.
//!
//! A test without its tool is skipped: standard error says so even though the test passes, and a line is appended to the
//! file that `LAB_SKIPPED` names, which `cargo xtask ci tests` counts. `LAB_REQUIRE=nginx,python` turns a missing tool
//! into a failure.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// Ends a test that needs a missing tool: `requires!(Nginx, Python);`
macro_rules! requires {
    ($($tool:ident),+ $(,)?) => {
        if ![$($crate::support::Tool::$tool),+].into_iter().all($crate::support::Tool::is_available) {
            return;
        }
    };
}
pub(crate) use requires;

/// A program that exits with 0 if gevent runs on its Python.
const RUNS_GEVENT: &str =
    "import sys; sys.exit(sys.version_info < (3, 10) or not getattr(sys, '_is_gil_enabled', lambda: True)())";

/// Debian's browser.
pub(crate) const CHROMIUM: &str = "/usr/bin/chromium";

/// A program, a service or a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Apache,
    /// Chromium with its WebDriver server.
    Browser,
    Caddy,
    /// A container engine that the docker command reaches.
    Docker,
    /// An engine of a test's own, which it may stop.
    Dockerd,
    Git,
    /// A Python that gevent runs on.
    Gevent,
    H2load,
    Haproxy,
    Httperf,
    /// The base images of `fixtures/images/make`.
    Images,
    MariaDb,
    Memcached,
    /// Namespaces of processes, which `unshare` makes.
    Namespaces,
    Nginx,
    /// nginx's echo module.
    NginxEcho,
    Openssl,
    /// Makes bridges on the machine, so it runs only where `LAB_REQUIRE` names it.
    Podman,
    Postgresql,
    Python,
    Redis,
    Root,
    /// Podman as the user that `LAB_ROOTLESS_USER` names; only where `LAB_REQUIRE` names it.
    RootlessPodman,
    /// Engines of a test's own in network namespaces, and a registry; only where `LAB_REQUIRE` names it.
    Swarm,
    Wrk,
}

impl Tool {
    /// The name in `LAB_REQUIRE`.
    fn name(self) -> &'static str {
        match self {
            Tool::Apache => "apache",
            Tool::Browser => "browser",
            Tool::Caddy => "caddy",
            Tool::Docker => "docker",
            Tool::Dockerd => "dockerd",
            Tool::Git => "git",
            Tool::Gevent => "gevent",
            Tool::H2load => "h2load",
            Tool::Haproxy => "haproxy",
            Tool::Httperf => "httperf",
            Tool::Images => "images",
            Tool::MariaDb => "mariadb",
            Tool::Memcached => "memcached",
            Tool::Namespaces => "namespaces",
            Tool::Nginx => "nginx",
            Tool::NginxEcho => "nginx-mod-http-echo",
            Tool::Openssl => "openssl",
            Tool::Podman => "podman",
            Tool::Postgresql => "postgresql",
            Tool::Python => "python",
            Tool::Redis => "redis",
            Tool::Root => "root",
            Tool::RootlessPodman => "rootless",
            Tool::Swarm => "swarm",
            Tool::Wrk => "wrk",
        }
    }

    /// The driver's tool by its program's name: wrk, httperf or h2load.
    pub(crate) fn from_driver(program: &str) -> Tool {
        [Tool::Wrk, Tool::Httperf, Tool::H2load].into_iter().find(|tool| tool.name() == program).unwrap()
    }

    /// A tool of a page of the book.
    pub(crate) fn from_name(name: &str) -> Tool {
        let known = [Tool::Git, Tool::Nginx, Tool::Python];
        known.into_iter().find(|tool| tool.name() == name).unwrap_or_else(|| panic!("{name} is no tool of a page"))
    }

    /// Whether the tool is here. Otherwise the test counts as skipped, or fails if `LAB_REQUIRE` names the tool.
    pub(crate) fn is_available(self) -> bool {
        self.is_available_or("")
    }

    /// The same for a test that goes on with its other parts.
    pub(crate) fn is_available_for_part(self) -> bool {
        self.is_available_or("in part: ")
    }

    fn is_available_or(self, extent: &str) -> bool {
        let missing = self.missing();
        if let Some(reason) = &missing {
            assert!(!is_required(self), "LAB_REQUIRE names {}: {reason}", self.name());
            skip(&format!("{extent}{reason}"));
        }
        missing.is_none()
    }

    /// The reason why the tool cannot be used.
    pub(crate) fn missing(self) -> Option<String> {
        match self {
            Tool::Apache => missing_file("/usr/sbin/apache2"),
            Tool::Browser => missing_file(CHROMIUM).or_else(|| missing_file("/usr/bin/chromedriver")),
            Tool::Caddy => missing_file("/usr/bin/caddy"),
            Tool::Dockerd => missing_file("/usr/sbin/dockerd").or_else(|| Tool::Root.missing()),
            Tool::Gevent => {
                static IS_POSSIBLE: LazyLock<bool> =
                    LazyLock::new(|| succeeds(&python_on_path(), &["-c", RUNS_GEVENT]));
                (!*IS_POSSIBLE).then(|| "gevent needs Python 3.10 or later, with a GIL".to_owned())
            }
            Tool::Haproxy => missing_file("/usr/sbin/haproxy"),
            Tool::MariaDb => missing_file("/usr/sbin/mariadbd"),
            Tool::Memcached => missing_file("/usr/bin/memcached"),
            Tool::Nginx => missing_file("/usr/sbin/nginx"),
            Tool::NginxEcho => missing_file("/usr/share/nginx/modules/ngx_http_echo_module.so"),
            Tool::Openssl => missing_file("/usr/bin/openssl"),
            Tool::Postgresql if on_path("initdb").is_some() => None,
            Tool::Postgresql => missing_file("/usr/lib/postgresql"),
            Tool::Python => missing_file(&python_on_path()),
            Tool::Redis => missing_file("/usr/bin/redis-server"),
            Tool::Git | Tool::Wrk | Tool::Httperf | Tool::H2load => {
                on_path(self.name()).is_none().then(|| format!("{} is not on the path", self.name()))
            }
            Tool::Docker => {
                static ANSWERS: LazyLock<bool> = LazyLock::new(|| succeeds("docker", &["info"]));
                (!*ANSWERS).then(|| "no container engine answers the docker command".to_owned())
            }
            Tool::Images => Tool::Docker.missing().or_else(|| {
                static ARE_MADE: LazyLock<bool> = LazyLock::new(|| {
                    let names = ["nginx", "haproxy", "apache", "caddy", "flask"];
                    names.iter().all(|name| succeeds("docker", &["image", "inspect", &format!("lab-test/{name}")]))
                });
                (!*ARE_MADE).then(|| "the engine has no lab-test images; fixtures/images/make makes them".to_owned())
            }),
            Tool::Namespaces => {
                let is_possible = succeeds("unshare", &["--pid", "--fork", "--kill-child", "--mount-proc", "true"]);
                (!is_possible).then(|| "unshare cannot make a namespace of processes".to_owned())
            }
            Tool::Podman | Tool::RootlessPodman if !is_required(self) => {
                Some(format!("{} runs only where LAB_REQUIRE names it", self.name()))
            }
            Tool::Podman | Tool::RootlessPodman => missing_file("/usr/bin/podman").or_else(|| Tool::Root.missing()),
            Tool::Swarm if !is_required(self) => {
                Some("engines in swarm mode run only where LAB_REQUIRE names swarm".to_owned())
            }
            Tool::Swarm => {
                let programs = ["/usr/sbin/dockerd", "/usr/bin/docker-registry", "/usr/bin/nsenter"];
                let missing = programs.into_iter().find_map(missing_file);
                let missing = missing.or_else(|| on_path("ip").is_none().then(|| "ip is not on the path".to_owned()));
                missing.or_else(|| Tool::Root.missing())
            }
            Tool::Root => (!rustix::process::geteuid().is_root()).then(|| "only root may do this".to_owned()),
        }
    }
}

/// Reports the current test as skipped.
pub(crate) fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {reason}\n", thread.name().unwrap_or("(a thread of a test)"));
    // `eprintln!` would be captured: the harness shows only what failed tests print.
    let _ = std::io::stderr().write_all(format!("SKIPPED {line}").as_bytes());
    if let Some(file) = std::env::var_os("LAB_SKIPPED") {
        // One write, as tests run side by side.
        let file = File::options().create(true).append(true).open(file);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file that LAB_SKIPPED names");
    }
}

/// The Python that `LAB_PYTHON` names, or the first `python3` on the path.
pub(crate) fn python_on_path() -> String {
    std::env::var("LAB_PYTHON").ok().or_else(|| on_path("python3")).unwrap_or_else(|| "python3".to_owned())
}

fn is_required(tool: Tool) -> bool {
    let required = std::env::var("LAB_REQUIRE").unwrap_or_default();
    required.split(',').any(|name| name.trim() == tool.name())
}

fn on_path(program: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').map(|folder| format!("{folder}/{program}")).find(|file| Path::new(file).is_file())
}

fn missing_file(path: &str) -> Option<String> {
    (!Path::new(path).exists()).then(|| format!("{path} is missing"))
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
