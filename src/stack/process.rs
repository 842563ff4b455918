//! The process backend: a stack's components as subprocesses of lab.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::guarded::{FIRST_INHERITED_FD, Guarded, Output, Program, Reserved};
use super::{Role, SHOWN_LINES, StartError, ready, relocate, shown};
use crate::measure::cgroup::{Cgroup, CgroupError, GroupSample};
use crate::measure::footprint::Level;
use crate::measure::procfs::{self, ProcfsError};
use crate::measure::resources::{ResourceUse, Sample};
use crate::scenario::model;

/// How long a component may take until it answers.
pub const READY_DEADLINE: Duration = Duration::from_secs(10);

/// How long a component may take to stop before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// What every stack of one run is started with.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The lab binary: it is the guard of every component, and the components of kind `lab` themselves.
    pub lab: PathBuf,
    /// The app every stack serves.
    pub app: model::App,
    /// Where logs and relocated configurations are written; one folder per visit.
    pub folder: PathBuf,
    /// Cores of the components; empty leaves them unpinned.
    pub cores: Vec<u16>,
    /// How long a component may take until it answers.
    pub ready_deadline: Duration,
}

/// Which processes a component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// Those below its guard.
    Guarded,
    /// Those of a container's control group.
    Group(Cgroup),
    /// A container's first process and all below it, where the engine gives containers no control groups of their own
    /// (rootless engines without delegation).
    Tree {
        /// That process, as this machine counts.
        pid: u32,
    },
}

/// What a component has used so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Used {
    /// By the accounts of its processes.
    Processes(Sample),
    /// By that of its control group.
    Group(GroupSample),
}

impl Used {
    /// What was used between `earlier` and this reading.
    #[must_use]
    pub fn since(&self, earlier: &Used) -> ResourceUse {
        match (self, earlier) {
            (Used::Group(now), Used::Group(then)) => now.since(then),
            (now, then) => now.processes().since(then.processes()),
        }
    }

    fn processes(&self) -> &Sample {
        match self {
            Used::Processes(sample) => sample,
            Used::Group(group) => &group.processes,
        }
    }
}

/// Why it is not known what a component uses.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Its processes cannot be read.
    #[error(transparent)]
    Processes(#[from] ProcfsError),
    /// Its control group cannot be read: its container has ended, most likely.
    #[error(transparent)]
    Group(#[from] CgroupError),
    /// Its guard or keeper has ended.
    #[error("it has ended")]
    Ended,
}

/// One running part of a stack.
#[derive(Debug)]
pub struct Component {
    /// Its part in the stack.
    pub role: Role,
    /// Its kind and version, as in `lab 0.1.0`.
    pub version: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens with TLS, if it does.
    pub tls_address: Option<SocketAddr>,
    /// Its guard or keeper, and its log.
    pub process: Guarded,
    /// Which processes it is.
    pub account: Account,
}

impl Component {
    /// What it has used so far.
    ///
    /// # Errors
    /// It has ended.
    pub fn used(&self) -> Result<Used, AccountError> {
        let keeper = self.process.pid().ok_or(AccountError::Ended)?;
        Ok(match &self.account {
            Account::Guarded => Used::Processes(procfs::read_descendants(keeper)?),
            Account::Group(group) => Used::Group(group.read()?),
            Account::Tree { pid } => Used::Processes(procfs::read_component(*pid)?),
        })
    }

    /// What its processes hold now.
    ///
    /// # Errors
    /// It has ended.
    pub fn level(&self) -> Result<Level, AccountError> {
        let keeper = self.process.pid().ok_or(AccountError::Ended)?;
        Ok(match &self.account {
            Account::Guarded => procfs::level_of_descendants(keeper)?,
            Account::Group(group) => group.level()?,
            Account::Tree { pid } => {
                let mut pids = procfs::descendants_of(*pid)?;
                pids.push(*pid);
                procfs::level_of(&pids)
            }
        })
    }

    /// The port it listens on, as this machine's kernel counts connections by it; a container's ports are in a
    /// namespace of their own.
    #[must_use]
    pub fn counted_port(&self) -> Option<u16> {
        (self.account == Account::Guarded).then(|| self.address.port())
    }
}

/// A stack that is up and answers. Dropping it stops it in the background.
#[derive(Debug)]
pub struct Running {
    /// Its parts, from the client inwards: the proxy (if any), then the server.
    pub components: Vec<Component>,
    /// The address that the stack sees clients at, where it is not the one they have on this machine.
    pub client: Option<IpAddr>,
    /// What is accidental in this start, and the names that stand for it; a text before all that it begins with.
    pub names: Vec<(String, String)>,
}

impl Running {
    /// Where a client connects: the outermost component.
    #[must_use]
    pub fn entry(&self) -> SocketAddr {
        self.components[0].address
    }

    /// Where a client connects that speaks TLS; `None` if the outermost component does not.
    #[must_use]
    pub fn tls_entry(&self) -> Option<SocketAddr> {
        self.components[0].tls_address
    }

    /// Says which component has ended by itself, how, and what it said last; `None` while all are alive.
    pub fn ended(&mut self) -> Option<String> {
        self.components.iter_mut().find_map(|Component { role, process, .. }| {
            let how = match process.try_wait() {
                Ok(None) => return None,
                Ok(Some(status)) => format!("the {role} has ended with {status}"),
                Err(error) => format!("the {role} cannot be watched: {error}"),
            };
            Some(how + &shown(process.log(), &ready::last_lines(process.log(), SHOWN_LINES)))
        })
    }

    /// Stops every component, from the client inwards, and waits until all are gone.
    ///
    /// # Errors
    /// The first that could not be stopped in order; the others are stopped all the same.
    pub async fn stop(self) -> std::io::Result<()> {
        let mut outcome = Ok(());
        for component in self.components {
            let stopped = component.process.stop().await;
            outcome = outcome.and(stopped.map(|_| ()));
        }
        outcome
    }
}

impl Launcher {
    /// Starts a stack in `folder`/`visit` and waits until it answers.
    ///
    /// # Errors
    /// When a configuration, a process or the readiness probe fails; what was started by then is stopped.
    pub async fn start(&self, stack: &model::Stack, visit: &str) -> Result<Running, StartError> {
        let folder = self.folder.join(visit);
        std::fs::create_dir_all(&folder).map_err(io(format!("create {}", folder.display())))?;
        let mut components = vec![self.server(&stack.server, &folder).await?];
        if let Some(proxy) = &stack.proxy {
            let upstream = components[0].address;
            components.insert(0, self.proxy(proxy, upstream, &folder).await?);
        }
        // Whoever asks and whoever is asked are at one address.
        let names = vec![(Ipv4Addr::LOCALHOST.to_string(), "{client}".to_owned())];
        Ok(Running { components, client: None, names })
    }

    async fn server(&self, server: &model::Server, folder: &std::path::Path) -> Result<Component, StartError> {
        let socket = Reserved::loopback().map_err(io("reserve a port for the server"))?;
        let address = socket.address();
        let command = match server.kind {
            model::ServerKind::Lab => vec![
                self.lab.display().to_string(),
                "serve".to_owned(),
                "--bind".to_owned(),
                format!("fd://{FIRST_INHERITED_FD}"),
                "--workers".to_owned(),
                server.workers.to_string(),
                format!("native:{}", self.app.native),
            ],
        };
        let log = folder.join("server.log");
        let program = self.program(command, vec![], vec![socket], log);
        self.component(Role::Server, program, address).await
    }

    async fn proxy(
        &self,
        proxy: &model::Proxy,
        upstream: SocketAddr,
        folder: &std::path::Path,
    ) -> Result<Component, StartError> {
        let source = std::fs::read_to_string(&proxy.config).map_err(io(format!("read {}", proxy.config.display())))?;
        let mut sockets = Vec::new();
        let relocated = relocate::nginx(&source, &proxy.config, &upstream.to_string(), folder, &mut || {
            let socket = Reserved::loopback()?;
            let address = socket.address();
            sockets.push(socket);
            Ok(address)
        })?;
        let config = folder.join("nginx.conf");
        std::fs::write(&config, &relocated.text).map_err(io(format!("write {}", config.display())))?;
        // nginx's own way to inherit listening sockets: their descriptors, each followed by a semicolon.
        let inherited: String = (FIRST_INHERITED_FD..).zip(&sockets).map(|(fd, _)| format!("{fd};")).collect();
        let command = match proxy.kind {
            model::ProxyKind::Lab => vec![
                self.lab.display().to_string(),
                "proxy".to_owned(),
                "-p".to_owned(),
                folder.display().to_string(),
                "-c".to_owned(),
                config.display().to_string(),
            ],
        };
        let environment = vec![("NGINX".to_owned(), inherited)];
        let program = self.program(command, environment, sockets, folder.join("proxy.log"));
        let component = self.component(Role::Proxy, program, relocated.entry).await?;
        Ok(Component { tls_address: relocated.tls_entry, ..component })
    }

    fn program(
        &self,
        command: Vec<String>,
        environment: Vec<(String, String)>,
        sockets: Vec<Reserved>,
        log: PathBuf,
    ) -> Program {
        Program {
            command,
            environment,
            cores: self.cores.clone(),
            grace: STOP_GRACE,
            sockets,
            input: None,
            output: Output::File(log),
        }
    }

    async fn component(&self, role: Role, program: Program, address: SocketAddr) -> Result<Component, StartError> {
        let mut process = Guarded::start(&self.lab, program).map_err(io(format!("start the {role}")))?;
        if let Err(error) = ready::wait(role, &mut process, address, self.ready_deadline).await {
            // The error that matters is why it was not ready.
            let _ = process.stop().await;
            return Err(error);
        }
        let version = format!("lab {}", env!("CARGO_PKG_VERSION"));
        Ok(Component { role, version, address, tls_address: None, process, account: Account::Guarded })
    }
}

/// An error's context.
pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Io { what, source }
}
