//! The process backend: a stack's components as subprocesses of lab.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{Values, inherits};
use super::guarded::{FIRST_INHERITED_FD, Guarded, Held, Output, Program, Reserved};
use super::nginx;
use super::{Role, SHOWN_LINES, StartError, ready, shown};
use crate::catalog::kind::{Attached, Interface, Kind, Language, Protocol, Run};
use crate::catalog::template::Value;
use crate::catalog::{self, Chosen};
use crate::measure::cgroup::{Cgroup, CgroupError, GroupSample};
use crate::measure::footprint::{Level, Memory};
use crate::measure::procfs::{self, ProcfsError};
use crate::measure::resources::{ResourceUse, Sample};
use crate::provision::{Installation, Installed};
use crate::scenario::model;

/// How long a component may take to stop before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// What every stack of one run is started with.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The lab binary: it is the guard of every component, and the components of kind `lab` themselves.
    pub lab: PathBuf,
    /// The apps the stacks serve.
    pub app: model::App,
    /// Where logs and relocated configurations are written; one folder per visit.
    pub folder: PathBuf,
    /// Cores of the components; empty leaves them unpinned.
    pub cores: Vec<u16>,
    /// What of the kinds is on this machine.
    pub installed: Installed,
}

/// The image of a component, as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What the scenario calls it: a name, or the folder it was built in.
    pub name: String,
    /// Its id, which is `sha256:` and the digest of its configuration.
    pub id: String,
    /// What it can be pulled by again, if it was pulled: `name@sha256:…`.
    pub digest: Option<String>,
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
    /// Its kind and version, as in `lab 0.1.0` and `gunicorn/gthread 27.0.1`.
    pub version: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens with TLS, if it does.
    pub tls_address: Option<SocketAddr>,
    /// Its guard or keeper, and its log.
    pub process: Guarded,
    /// Which processes it is.
    pub account: Account,
    /// The image it was made from, if it is a container of somebody else's.
    pub image: Option<Origin>,
    /// What it held in memory when its stack was ready, before anybody but the readiness probe had asked for anything.
    pub at_rest: Option<Memory>,
    /// The port it has bound itself, held for as long as it may want it.
    pub(super) _held: Option<Held>,
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
    /// A stack that is ready now: takes note of what its components hold before there is any load. A reading that fails is
    /// no reason not to run the stack.
    pub(super) fn ready(
        mut components: Vec<Component>,
        client: Option<IpAddr>,
        names: Vec<(String, String)>,
    ) -> Running {
        for component in &mut components {
            component.at_rest = component.level().ok().map(|level| level.memory());
        }
        Running { components, client, names }
    }

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

/// Where a component listens.
enum Socket {
    /// On sockets it inherits.
    Inherited(Vec<Reserved>),
    /// On a port it binds itself.
    Bound(Held),
}

/// A component about to be started.
struct Prepared<'a> {
    role: Role,
    chosen: &'a Chosen,
    run: &'a Run,
    version: &'a str,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    address: SocketAddr,
    socket: Socket,
}

impl Launcher {
    /// Why a stack cannot be started on this machine, if that is known beforehand.
    #[must_use]
    pub fn unavailable(&self, stack: &model::Stack) -> Option<String> {
        if let Some(reason) = &stack.impossible {
            return Some(reason.clone());
        }
        // Whether an image has them is found out when it is there.
        let server = match stack.server_image() {
            Some(_) => Ok(()),
            None => self.installed.get(stack.server.kind.kind(), Some(stack.app)).map(drop),
        };
        let proxy = stack.proxy.as_ref().filter(|_| stack.proxy_image().is_none());
        let proxy = proxy.map(|proxy| (proxy, self.installed.get(proxy.kind.kind(), None)));
        let behind = || proxy.and_then(|(proxy, found)| Some(format!("proxy {}: {}", proxy.kind, found.err()?)));
        server.err().map(str::to_owned).or_else(behind)
    }

    /// Starts a stack in `folder`/`visit` and waits until it answers.
    ///
    /// # Errors
    /// When a kind is not there, or a configuration, a process or the readiness probe fails; what was started by then is
    /// stopped.
    pub async fn start(&self, stack: &model::Stack, visit: &str) -> Result<Running, StartError> {
        let folder = self.folder.join(visit);
        std::fs::create_dir_all(&folder).map_err(io(format!("create {}", folder.display())))?;
        let mut components = vec![self.server(stack, &folder).await?];
        if let Some(proxy) = &stack.proxy {
            let upstream = components[0].address;
            components.insert(0, self.proxy(proxy, upstream, &folder).await?);
        }
        // Whoever asks and whoever is asked are at one address.
        let names = vec![(Ipv4Addr::LOCALHOST.to_string(), "{client}".to_owned())];
        Ok(Running::ready(components, None, names))
    }

    async fn server(&self, stack: &model::Stack, folder: &Path) -> Result<Component, StartError> {
        let server = &stack.server;
        let (found, run) = self.found(&server.kind, Some(stack.app))?;
        let (socket, address) = socket(run, Role::Server)?;
        let mut values = Values::of(&self.lab, found, address, folder);
        values.set(Value::Workers, server.workers.map_or(NonZeroU16::MIN, |workers| workers.on(self.core_count())));
        values.set(Value::Threads, server.threads.map_or(1, NonZeroU16::get));
        if let Some(config) = &server.config {
            values.set(Value::Config, config.display());
        }
        if let Some(launcher) = &run.launcher {
            values.set(Value::Launcher, write(folder, launcher)?.display());
        }
        let mut environment = Vec::new();
        match (stack.app, self.app.wsgi(), self.app.native()) {
            (Interface::Wsgi, Some(app), _) => {
                let path = app_folder(app, folder)?;
                // Every server imports the application, and few have an option for where it is.
                environment.push(("PYTHONPATH".to_owned(), path.display().to_string()));
                environment.extend(app.environment.iter().cloned());
                values.set_app(app, &path);
            }
            (Interface::Native, _, Some(app)) => values.set(Value::Native, app),
            (interface, _, _) => {
                let reason = format!("there is no {} app", interface.name());
                return Err(StartError::Unavailable { role: Role::Server, reason });
            }
        }
        environment.extend(values.environment(server.kind.kind(), run)?);
        let command = values.server(server, stack.app, run, rustix::process::geteuid().is_root())?;
        let (role, chosen, version) = (Role::Server, &server.kind, found.version.as_str());
        let prepared = Prepared { role, chosen, run, version, command, environment, address, socket };
        self.component(prepared, folder).await
    }

    async fn proxy(&self, proxy: &model::Proxy, upstream: SocketAddr, folder: &Path) -> Result<Component, StartError> {
        let (found, run) = self.found(&proxy.kind, None)?;
        let kind = proxy.kind.kind();
        let (file, source) = configuration(proxy)?;
        let (socket, address, tls, text, mut more) = if run.language == Language::Nginx {
            let mut sockets = Vec::new();
            let mut reserve = || {
                let socket = Reserved::loopback()?;
                let address = socket.address();
                sockets.push(socket);
                Ok(address)
            };
            let upstream = upstream.to_string();
            let relocated = nginx::relocated(&source, &file, &upstream, folder, folder, &mut reserve)?;
            nginx::default_root(&file, folder)?;
            if let (true, Some(program)) = (relocated.loads_modules, &found.program) {
                nginx::modules(program, folder).await?;
            }
            let more = if relocated.globals.is_empty() { vec![] } else { vec!["-g".to_owned(), relocated.globals] };
            (Socket::Inherited(sockets), relocated.entry, relocated.tls_entry, Some(relocated.text), more)
        } else {
            let (socket, address) = socket(run, Role::Proxy)?;
            (socket, address, None, None, Vec::new())
        };
        let mut values = Values::of(&self.lab, found, address, folder);
        values.set(Value::Upstream, upstream);
        values.set(Value::Workers, 1);
        let name = file.file_name().unwrap_or_default();
        let config = folder.join(name);
        let text = text.unwrap_or_else(|| match run.language {
            Language::Marks => values.marked(&source),
            Language::Own | Language::Nginx => source,
        });
        std::fs::write(&config, text).map_err(io(format!("write {}", config.display())))?;
        values.set(Value::Config, config.display());
        if let Some(launcher) = &run.launcher {
            values.set(Value::Launcher, write(folder, launcher)?.display());
        }
        let mut environment = values.environment(kind, run)?;
        if let (Language::Nginx, Socket::Inherited(sockets)) = (run.language, &socket) {
            // nginx's own way to inherit listening sockets: their descriptors, each followed by a semicolon.
            let inherited: String = (FIRST_INHERITED_FD..).zip(sockets).map(|(fd, _)| format!("{fd};")).collect();
            environment.push(("NGINX".to_owned(), inherited));
        }
        let mut command = values.proxy(&proxy.kind, run, rustix::process::geteuid().is_root())?;
        command.append(&mut more);
        let (role, chosen, version) = (Role::Proxy, &proxy.kind, found.version.as_str());
        let prepared = Prepared { role, chosen, run, version, command, environment, address, socket };
        let component = self.component(prepared, folder).await?;
        Ok(Component { tls_address: tls, ..component })
    }

    /// The kind as it is on this machine, and how it is run.
    pub(super) fn found<'a>(
        &'a self,
        chosen: &'a Chosen,
        app: Option<Interface>,
    ) -> Result<(&'a Installation, &'a Run), StartError> {
        let kind: &Kind = chosen.kind();
        let unavailable = |reason: &str| StartError::Unavailable { role: kind.role, reason: reason.to_owned() };
        let run = kind.run.as_ref().map_err(|reason| unavailable(reason))?;
        Ok((self.installed.get(kind, app).map_err(unavailable)?, run))
    }

    /// How many cores the components may use.
    pub(super) fn core_count(&self) -> usize {
        match self.cores.len() {
            0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            count => count,
        }
    }

    async fn component(&self, prepared: Prepared<'_>, folder: &Path) -> Result<Component, StartError> {
        let Prepared { role, chosen, run, version, command, environment, address, socket } = prepared;
        let (sockets, held) = match socket {
            Socket::Inherited(sockets) => (sockets, None),
            Socket::Bound(held) => (Vec::new(), Some(held)),
        };
        let program = Program {
            command,
            environment,
            cores: self.cores.clone(),
            grace: STOP_GRACE,
            sockets,
            input: None,
            output: Output::File(folder.join(format!("{role}.log"))),
        };
        let mut process = Guarded::start(&self.lab, program).map_err(io(format!("start the {role}")))?;
        let speaks = if role == Role::Server { chosen.speaks() } else { Protocol::Http };
        let binds_itself = held.is_some();
        let question = ready::Question { role, address, speaks, path: &run.ready_path, binds_itself };
        if let Err(error) = ready::wait(&question, &mut process, run.ready_deadline).await {
            // The error that matters is why it was not ready.
            let _ = process.stop().await;
            return Err(error);
        }
        let (version, account) = (format!("{chosen} {version}"), Account::Guarded);
        Ok(Component {
            role,
            version,
            address,
            tls_address: None,
            process,
            account,
            image: None,
            at_rest: None,
            _held: held,
        })
    }
}

/// The socket a kind is to listen on, and its address.
fn socket(run: &Run, role: Role) -> Result<(Socket, SocketAddr), StartError> {
    let what = || format!("reserve a port for the {role}");
    if inherits(run) {
        let reserved = Reserved::loopback().map_err(io(what()))?;
        let address = reserved.address();
        return Ok((Socket::Inherited(vec![reserved]), address));
    }
    let held = Held::loopback().map_err(io(what()))?;
    let address = held.address();
    Ok((Socket::Bound(held), address))
}

/// A proxy's configuration: the file's name and what it holds.
pub(super) fn configuration(proxy: &model::Proxy) -> Result<(PathBuf, String), StartError> {
    match (&proxy.config, proxy.kind.default_config()) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file).map_err(io(format!("read {}", file.display())))?;
            Ok((file.clone(), text))
        }
        (None, Some(default)) => Ok((PathBuf::from(&default.name), default.text.clone())),
        (None, None) => {
            let reason = format!("`{}` has no configuration", proxy.kind);
            Err(StartError::Unavailable { role: Role::Proxy, reason })
        }
    }
}

/// The folder a WSGI application's module is in; lab's own are written there first.
pub(super) fn app_folder(app: &model::WsgiApp, folder: &Path) -> Result<PathBuf, StartError> {
    if let Some(path) = &app.path {
        return Ok(path.clone());
    }
    let inner = folder.join("app");
    std::fs::create_dir_all(&inner).map_err(io(format!("create {}", inner.display())))?;
    let text = catalog::app(&app.module).unwrap_or_default().to_owned();
    write(&inner, &Attached { name: format!("{}.py", app.module), text })?;
    Ok(inner)
}

pub(super) fn write(folder: &Path, file: &Attached) -> Result<PathBuf, StartError> {
    let path = folder.join(&file.name);
    std::fs::write(&path, &file.text).map_err(io(format!("write {}", path.display())))?;
    Ok(path)
}

/// An error's context.
pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Io { what, source }
}
