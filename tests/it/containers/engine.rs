//! Engines of a test's own, which a test may stop.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{kill, wait_for_engine};
use crate::support::Tool;

const DOCKERD: &str = "/usr/sbin/dockerd";
const PODMAN: &str = "/usr/bin/podman";

/// Podman's configuration, regardless of the machine's.
const CONTAINERS_CONF: &str = "\
[engine]
cgroup_manager = \"cgroupfs\"
events_logger = \"file\"
runtime = \"runc\"
[network]
network_backend = \"netavark\"
";

/// Only one Podman runs at a time: two with storage of their own give their networks the same addresses.
static ONE_PODMAN: Mutex<()> = Mutex::new(());

/// A running engine with a folder of its own, which is removed with it.
pub(super) struct Engine {
    make: Make,
    folder: TempDir,
    process: Option<Child>,
    /// Dropped after the engine has ended.
    _turn: Option<MutexGuard<'static, ()>>,
}

#[derive(Clone, Copy)]
enum Make {
    Docker,
    Podman,
    Rootless(User),
}

/// An ordinary user of the machine.
#[derive(Clone, Copy)]
pub(super) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// The one that `LAB_ROOTLESS_USER` names, who has a range of users below (`/etc/subuid`) and a `/run/user`.
    fn for_tests() -> User {
        let name = std::env::var("LAB_ROOTLESS_USER").expect("LAB_REQUIRE names rootless: LAB_ROOTLESS_USER says whom");
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find(|line| line.split(':').next() == Some(&name)).expect("a user of that name");
        let number = |at: usize| line.split(':').nth(at).and_then(|number| number.parse().ok()).unwrap();
        User { uid: number(2), gid: number(3) }
    }

    /// Gives a folder and all in it to this user.
    pub(super) fn own(self, folder: &Path) {
        let owner = format!("{}:{}", self.uid, self.gid);
        assert!(Command::new("chown").args(["-R", &owner]).arg(folder).status().unwrap().success());
    }

    /// Has a command run as this user, at home in `folder`.
    pub(super) fn runs(self, command: &mut Command, folder: &Path) {
        command.uid(self.uid).gid(self.gid).current_dir(folder);
        command.env("HOME", folder).env("XDG_RUNTIME_DIR", format!("/run/user/{}", self.uid));
    }
}

impl Engine {
    /// Docker's.
    pub(super) fn docker() -> Option<Engine> {
        Tool::Dockerd.is_available().then(|| Engine::started(Make::Docker))
    }

    /// Podman's, as root.
    pub(super) fn podman() -> Option<Engine> {
        Tool::Podman.is_available().then(|| Engine::started(Make::Podman))
    }

    /// Podman's without root, and its user.
    pub(super) fn rootless() -> Option<(Engine, User)> {
        Tool::RootlessPodman.is_available().then(|| {
            let user = User::for_tests();
            (Engine::started(Make::Rootless(user)), user)
        })
    }

    fn started(make: Make) -> Engine {
        // A test that failed has ended its engine as well.
        let turn = || ONE_PODMAN.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = matches!(make, Make::Podman | Make::Rootless(_)).then(turn);
        let mut engine = Engine { make, folder: tempfile::tempdir().unwrap(), process: None, _turn: turn };
        engine.start();
        engine
    }

    /// Starts it, the first time or after it was stopped.
    pub(super) fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.command();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap());
        wait_for_engine("a response of the engine", || self.docker_command(&["info"]).status.success());
    }

    fn command(&self) -> Command {
        let [data, exec, pid, networks] =
            ["data", "exec", "pid", "networks"].map(|name| self.path(name).display().to_string());
        match self.make {
            Make::Docker => {
                let mut command = Command::new(DOCKERD);
                command.args(["--data-root", &data, "--exec-root", &exec, "--pidfile", &pid]);
                // It shares the machine with other engines, and leaves the machine's rules to them.
                command.args(["--host", &self.host(), "--bridge", "none", "--iptables=false"]);
                command
            }
            Make::Podman | Make::Rootless(_) => {
                let conf = self.path("containers.conf");
                fs::write(&conf, CONTAINERS_CONF).unwrap();
                let mut command = Command::new(PODMAN);
                command.args(["--root", &data, "--runroot", &exec, "--network-config-dir", &networks]);
                command.args(["system", "service", "--time", "0", &self.host()]);
                command.env("CONTAINERS_CONF", conf);
                if let Make::Rootless(user) = self.make {
                    user.own(self.folder.path());
                    user.runs(&mut command, self.folder.path());
                }
                command
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// For `DOCKER_HOST`.
    pub(super) fn host(&self) -> String {
        format!("unix://{}", self.path("sock").display())
    }

    /// Runs the docker command against this engine.
    pub(super) fn docker_command(&self, arguments: &[&str]) -> Output {
        Command::new("docker").args(["--host", &self.host()]).args(arguments).output().unwrap()
    }

    /// Stops the engine without removing its objects.
    pub(super) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        kill(process.id(), Signal::TERM);
        process.wait().unwrap();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
