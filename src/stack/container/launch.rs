//! The container backend: a stack's components as containers, of lab's own image or of those that the scenario names.
//!
//! Clients reach a container at its address in the run's network wherever this machine has a route to it, so that
//! nothing stands between them: no port translation, no process that copies, and the client's address is the host's
//! own in that network. Its published port is the way where there is none (rootless engines); there the engine
//! connects on the client's behalf: Docker from the network's gateway, Podman from inside the container.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::domain;
use super::engine::Engine;
use super::image::{LAB, Reference};
use super::inside;
use super::labels;
use super::limits;
use super::mounts;
use super::obtain::{Images, ObtainError};
use super::order::{Mounted, Order, Started};
use super::site::{Furnished, Site, SiteError};
use crate::catalog::Chosen;
use crate::catalog::kind::{Interface, Kind, Language, Protocol, Run};
use crate::catalog::template::Value;
use crate::measure::cgroup::Cgroup;
use crate::provision::Installation;
use crate::scenario::model;
use crate::stack::command::Values;
use crate::stack::guarded::{FIRST_INHERITED_FD, Guarded, Kept};
use crate::stack::process::{Account, Component, Launcher, Origin, Running, app_folder, configuration, io, write};
use crate::stack::{Role, SHOWN_LINES, StartError, nginx, ready};

/// How long the engine may take until a container runs; pulling its image is part of that.
const START_DEADLINE: Duration = Duration::from_secs(600);
/// How long a keeper may take to stop and remove its container, beyond the container's own grace.
const KEEPER_DEADLINE: Duration = Duration::from_secs(15);
/// Seconds a container has between SIGTERM and SIGKILL, as a subprocess has.
const STOP_GRACE_S: i32 = 3;
/// The port of the app server in its container.
const SERVER_PORT: u16 = 8000;
/// The first port of the proxy in its container; its further listeners follow.
const PROXY_PORT: u16 = 8080;
/// The most memory of a component, in bytes: far more than any needs, and less than would take the machine down.
const MEMORY_BYTES: i64 = 2 << 30;
/// The most processes and threads of a component.
const PIDS: i64 = 1024;
/// The proxy's name for the server.
const SERVER: &str = "server";

/// Starts stacks in containers, all in one [`Site`].
#[derive(Debug)]
pub struct Containers {
    /// What every stack is started with, containers or not.
    launcher: Launcher,
    run: String,
    site: Site,
    /// The images of others that the scenario names.
    images: Images,
}

/// A container to be, as far as its role decides.
struct Part {
    role: Role,
    ready_path: String,
    ready_deadline: Duration,
    version: String,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    hosts: BTreeMap<String, IpAddr>,
    mounts: Vec<Mounted>,
    scratch: Vec<PathBuf>,
    port: u16,
    /// What it is spoken to in.
    speaks: Protocol,
    /// The image; `None`: lab's own.
    origin: Option<Origin>,
    /// The virtual environment that goes with lab's own, if it needs one.
    venv: Option<PathBuf>,
}

/// A kind as it is in its image.
struct Inside {
    found: Installation,
    run: Run,
    origin: Option<Origin>,
}

impl Containers {
    /// Opens the run's site.
    ///
    /// # Errors
    /// There is no engine, or it refuses.
    pub async fn open(launcher: Launcher, run: &str) -> Result<Containers, SiteError> {
        let site = Site::open(&launcher.lab, run, &launcher.folder).await?;
        Ok(Containers { launcher, run: run.to_owned(), site, images: Images::default() })
    }

    /// Has the engine get every image that `stack` names, and finds the kinds in them; `root` is the scenario's. What
    /// that takes is told to `say`, a line at a time.
    ///
    /// # Errors
    /// An image cannot be pulled or built, or does not have the kind.
    pub async fn obtain(
        &mut self,
        stack: &model::Stack,
        root: &Path,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), ObtainError> {
        if let (Some(proxy), Some(image)) = (&stack.proxy, stack.proxy_image()) {
            self.images.obtain(&self.site, image, proxy.kind.kind(), root, say).await?;
        }
        if let Some(image) = stack.server_image() {
            self.images.obtain(&self.site, image, stack.server.kind.kind(), root, say).await?;
        }
        Ok(())
    }

    /// What checks of stacks with a proxy cannot see in this engine.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        let Engine { rootless, is_podman, .. } = self.site.engine;
        (rootless && is_podman).then_some(
            "warning: rootless Podman shows every client at the proxy's own address, so no check can tell here whether a \
             proxy says who the client is",
        )
    }

    /// Removes everything of the run from the engine.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn close(self) -> Result<(), SiteError> {
        self.site.close().await
    }

    /// Starts a stack with its files in the run's folder under `visit`, and waits until it answers.
    ///
    /// # Errors
    /// When an image, a configuration, a container or the readiness probe fails; what was started by then is stopped.
    pub async fn start(&mut self, stack: &model::Stack, visit: &str) -> Result<Running, StartError> {
        let folder = self.launcher.folder.join(visit);
        let (server, at) = self.server(stack, &folder, visit).await?;
        let mut names = vec![(format!("{SERVER}:{SERVER_PORT}"), format!("{{{SERVER}}}")), address_of(&server, &at)];
        let mut components = vec![server];
        let mut outermost = at.address;
        if let Some(proxy) = &stack.proxy {
            let (proxy, at) = self.proxy(stack, proxy, &at, &folder, visit).await?;
            names.push(address_of(&proxy, &at));
            components.insert(0, proxy);
            outermost = at.address;
        }
        let client = match components[0].address.ip() == outermost {
            true => None,
            false if self.site.engine.is_podman => Some(outermost),
            false => Some(self.site.gateway),
        };
        let seen_at = client.unwrap_or(self.site.gateway).to_string();
        names.retain(|(address, _)| *address != seen_at);
        names.push((seen_at, "{client}".to_owned()));
        // One address may be the beginning of another.
        names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Ok(Running::ready(components, client, names))
    }

    async fn server(
        &mut self,
        stack: &model::Stack,
        folder: &Path,
        visit: &str,
    ) -> Result<(Component, Started), StartError> {
        let server = &stack.server;
        let Inside { found, run, origin } = self.inside(&server.kind, stack.server_image(), Some(stack.app))?;
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, SERVER_PORT));
        let own = self.own_folder(folder, Role::Server)?;
        let mut values = self.values(server.kind.kind(), &found, origin.is_some(), address, &own);
        let mut mounts = Vec::new();
        values.set(
            Value::Workers,
            server.workers.map_or(NonZeroU16::MIN, |workers| workers.on(self.launcher.core_count())),
        );
        values.set(Value::Threads, server.threads.map_or(1, NonZeroU16::get));
        if let Some(config) = &server.config {
            values.set(Value::Config, config.display());
            mounts.push(Mounted { path: config.clone(), writable: false });
        }
        if let Some(launcher) = &run.launcher {
            // In `{folder}`, as elsewhere: some kinds look for it there.
            let path = write(&own, launcher)?;
            values.set(Value::Launcher, path.display());
            mounts.push(Mounted { path, writable: false });
        }
        let mut environment = BTreeMap::new();
        match (stack.app, self.launcher.app.wsgi(), self.launcher.app.native()) {
            (Interface::Wsgi, Some(app), _) => {
                let path = app_folder(app, folder)?;
                // Every server imports the application, and few have an option for where it is.
                environment.insert("PYTHONPATH".to_owned(), path.display().to_string());
                environment.extend(app.environment.iter().cloned());
                values.set_app(app, &path);
                mounts.push(Mounted { path, writable: false });
            }
            (Interface::Native, _, Some(app)) => values.set(Value::Native, app),
            (interface, _, _) => {
                let reason = format!("there is no {} app", interface.name());
                return Err(StartError::Unavailable { role: Role::Server, reason });
            }
        }
        environment.extend(values.environment(server.kind.kind(), &run)?);
        // Root only in the engine's eyes, if at all.
        let mut command = values.server(server, stack.app, &run, false)?;
        inside::on_path(&mut command);
        // A server that is told of it writes there, its pid file for one.
        let named = own.display().to_string();
        if command.iter().chain(environment.values()).any(|text| text.contains(&named)) {
            mounts.push(Mounted { path: own, writable: true });
        }
        // What a subprocess inherits, a container opens by itself.
        let inherited = format!("fd://{FIRST_INHERITED_FD}");
        for argument in command.iter_mut().filter(|argument| **argument == inherited) {
            *argument = address.to_string();
        }
        let part = Part {
            role: Role::Server,
            ready_path: run.ready_path.clone(),
            ready_deadline: run.ready_deadline,
            version: format!("{} {}", server.kind, found.version),
            command,
            environment,
            hosts: BTreeMap::new(),
            mounts,
            scratch: scratch(&run),
            port: SERVER_PORT,
            speaks: server.kind.speaks(),
            origin,
            venv: found.venv,
        };
        self.component(part, folder, visit).await
    }

    async fn proxy(
        &mut self,
        stack: &model::Stack,
        proxy: &model::Proxy,
        server: &Started,
        folder: &Path,
        visit: &str,
    ) -> Result<(Component, Started), StartError> {
        let Inside { found, run, origin } = self.inside(&proxy.kind, stack.proxy_image(), None)?;
        let (file, source) = configuration(proxy)?;
        // Its logs and its pid file go there, and nothing of anyone else's is there.
        let own = self.own_folder(folder, Role::Proxy)?;
        let mut port = PROXY_PORT;
        let mut reserve = || {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            port += 1;
            Ok(address)
        };
        let upstream = format!("{SERVER}:{SERVER_PORT}");
        let config = folder.join(file.file_name().unwrap_or_default());
        let moved = match run.language {
            Language::Nginx => Some(nginx::relocated(&source, &file, &upstream, &own, folder, &mut reserve)?),
            Language::Own | Language::Marks => None,
        };
        let entry = moved.as_ref().map_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PROXY_PORT)), |own| own.entry);
        let mut values = self.values(proxy.kind.kind(), &found, origin.is_some(), entry, &own);
        values.set(Value::Config, config.display());
        values.set(Value::Upstream, &upstream);
        values.set(Value::Workers, 1);
        let text = match (&moved, run.language) {
            (Some(moved), _) => moved.text.clone(),
            (None, Language::Marks) => values.marked(&source),
            (None, Language::Own | Language::Nginx) => source,
        };
        std::fs::write(&config, &text).map_err(io(format!("write {}", config.display())))?;
        let mut mounts = vec![Mounted { path: own, writable: true }, Mounted { path: config.clone(), writable: false }];
        if let Some(launcher) = &run.launcher {
            let path = write(folder, launcher)?;
            values.set(Value::Launcher, path.display());
            mounts.push(Mounted { path, writable: false });
        }
        let mut command = values.proxy(&proxy.kind, &run, false)?;
        inside::on_path(&mut command);
        if let Some(moved) = &moved {
            if !moved.globals.is_empty() {
                command.extend(["-g".to_owned(), moved.globals.clone()]);
            }
            let mut texts = vec![(text.as_str(), config.as_path())];
            for included in &moved.included {
                mounts.push(Mounted { path: folder.join(&included.name), writable: false });
                texts.push((&included.text, &included.file));
            }
            mounts.extend(mounts::named_by(&texts)?);
        }
        let part = Part {
            role: Role::Proxy,
            ready_path: run.ready_path.clone(),
            ready_deadline: run.ready_deadline,
            version: format!("{} {}", proxy.kind, found.version),
            command,
            environment: values.environment(proxy.kind.kind(), &run)?.into_iter().collect(),
            hosts: BTreeMap::from([(SERVER.to_owned(), server.address)]),
            mounts,
            scratch: scratch(&run),
            port: entry.port(),
            speaks: Protocol::Http,
            origin,
            venv: found.venv,
        };
        let (component, at) = self.component(part, folder, visit).await?;
        // Only one port of a container is published; where that is the only way in, the other is out of reach.
        let tls = moved.and_then(|moved| moved.tls_entry).filter(|_| component.address.ip() == at.address);
        let tls_address = tls.map(|tls| SocketAddr::new(at.address, tls.port()));
        Ok((Component { tls_address, ..component }, at))
    }

    async fn component(
        &mut self,
        mut part: Part,
        folder: &Path,
        visit: &str,
    ) -> Result<(Component, Started), StartError> {
        let (role, speaks, deadline, path) = (part.role, part.speaks, part.ready_deadline, part.ready_path.clone());
        let version = format!("{} (container, {})", part.version, self.site.engine.version);
        std::fs::create_dir_all(folder).map_err(io(format!("create {}", folder.display())))?;
        let image = match &part.origin {
            Some(origin) => Reference::of_id(&origin.id),
            None => {
                let own_image = self.site.own_image(&self.launcher.lab, &self.run, part.venv.as_deref());
                let Furnished { own, mounts } = own_image.await?;
                part.mounts.extend(mounts);
                if !own.library_path.is_empty() {
                    part.environment.insert("LD_LIBRARY_PATH".to_owned(), own.library_path);
                }
                own.image
            }
        };
        let origin = part.origin.clone();
        let order = self.order(part, &image, visit);
        let file: PathBuf = folder.join(format!("{role}.container.json"));
        let text = serde_json::to_string_pretty(&order).unwrap_or_default();
        std::fs::write(&file, text).map_err(io(format!("write {}", file.display())))?;
        let kept = Kept {
            arguments: vec!["keep".to_owned(), file.display().to_string()],
            engine: self.site.engine.endpoint.to_string(),
            log: folder.join(format!("{role}.log")),
            tells: true,
            deadline: Duration::from_secs(u64::from(STOP_GRACE_S.unsigned_abs())) + KEEPER_DEADLINE,
        };
        let mut process = Guarded::keep(&self.launcher.lab, kept).map_err(io(format!("start the {role}'s keeper")))?;
        let at = match tokio::time::timeout(START_DEADLINE, started(&mut process)).await {
            Ok(Some(at)) => at,
            Ok(None) => return Err(unstarted(role, process).await),
            Err(_) => {
                let (log, deadline) = (process.log().to_owned(), START_DEADLINE);
                let seen = "the engine has not started it".to_owned();
                return Err(StartError::NotReady { role, deadline, seen, last_lines: String::new(), log });
            }
        };
        let address = match self.site.reaches(at.address) {
            true => SocketAddr::new(at.address, order.port),
            false => at.published,
        };
        // Nobody else can listen in a container.
        let question = ready::Question { role, address, speaks, path: &path, binds_itself: false };
        if let Err(error) = ready::wait(&question, &mut process, deadline).await {
            // The error that matters is why it was not ready.
            let _ = process.stop().await;
            return Err(error);
        }
        let account = Cgroup::of_container(&at.id).map_or(Account::Tree { pid: at.pid }, Account::Group);
        Ok((
            Component {
                role,
                version,
                address,
                tls_address: None,
                process,
                account,
                image: origin,
                at_rest: None,
                _held: None,
            },
            at,
        ))
    }

    /// The kind as it is in `image`, or in lab's own.
    fn inside(
        &self,
        chosen: &Chosen,
        image: Option<&model::Image>,
        app: Option<Interface>,
    ) -> Result<Inside, StartError> {
        let Some(image) = image else {
            let (found, run) = self.launcher.found(chosen, app)?;
            return Ok(Inside { found: found.clone(), run: run.clone(), origin: None });
        };
        let kind = chosen.kind();
        let unavailable = |reason: &str| StartError::Unavailable { role: kind.role, reason: reason.to_owned() };
        let run = kind.run.as_ref().map_err(|reason| unavailable(reason))?;
        let obtained = self.images.get(image, kind);
        let (origin, found) = obtained.ok_or_else(|| unavailable("its image was not looked for"))?;
        let command = run.in_image.command.as_ref().unwrap_or(&run.command).clone();
        Ok(Inside { found: found.clone(), run: Run { command, ..run.clone() }, origin: Some(origin.clone()) })
    }

    /// What is known of a component, whatever its role.
    fn values(
        &self,
        kind: &Kind,
        found: &Installation,
        is_of_others: bool,
        address: SocketAddr,
        folder: &Path,
    ) -> Values {
        let mut values = Values::of(Path::new(LAB), found, address, folder);
        if is_of_others {
            let inside = inside::value(kind);
            for value in [Value::Python, Value::Bin, Value::Program] {
                if let Some(text) = inside(value) {
                    values.set(value, text);
                }
            }
        }
        values
    }

    /// A folder that the component may write into.
    fn own_folder(&self, folder: &Path, role: Role) -> Result<PathBuf, StartError> {
        let own = folder.join(role.to_string());
        std::fs::create_dir_all(&own).map_err(io(format!("create {}", own.display())))?;
        if let Some((uid, gid)) = self.site.user.owner {
            std::os::unix::fs::chown(&own, Some(uid), Some(gid)).map_err(io(format!("give away {}", own.display())))?;
        }
        Ok(own)
    }

    fn order(&self, part: Part, image: &Reference, visit: &str) -> Order {
        let component = format!("{}-{}", domain::label(visit), part.role);
        let domain = domain::of(visit, &self.site.network);
        let mut labels: BTreeMap<String, String> = self.site.labels.clone().into_iter().collect();
        labels.insert(labels::COMPONENT.to_owned(), component.clone());
        let (uid, gid) = self.site.user.inside;
        Order {
            name: domain::name(part.role, &domain),
            domain,
            image: image.name.clone(),
            tag: image.tag.clone(),
            labels,
            network: self.site.network.clone(),
            hosts: part.hosts,
            command: part.command,
            environment: part.environment,
            user: format!("{uid}:{gid}"),
            working_folder: None,
            mounts: part.mounts,
            scratch: part.scratch,
            // By itself it would be root's, and of the mode of the folder that the image has there. Podman has a word of
            // its own for the container's user, and fills the folder with what the image has, unless told not to.
            scratch_options: match self.site.engine.is_podman {
                true => "mode=1777,U,notmpcopyup".to_owned(),
                false => format!("mode=1777,uid={uid},gid={gid}"),
            },
            port: part.port,
            cores: self.launcher.cores.clone(),
            memory_bytes: MEMORY_BYTES,
            pids: PIDS,
            open_files: limits::open_files(&self.site.engine),
            processes: limits::processes(&self.site.engine),
            users: self.site.engine.users().map(str::to_owned),
            grace_s: STOP_GRACE_S,
        }
    }
}

/// The folders in memory that a kind may write into: the usual one, and its own.
fn scratch(run: &Run) -> Vec<PathBuf> {
    std::iter::once(PathBuf::from("/tmp")).chain(run.in_image.scratch.iter().cloned()).collect()
}

/// A component's address in its network, and the name that stands for it.
fn address_of(component: &Component, at: &Started) -> (String, String) {
    (at.address.to_string(), format!("{{{}}}", component.role))
}

/// Where the container is; `None` if its keeper ended without telling.
async fn started(keeper: &mut Guarded) -> Option<Started> {
    let mut lines = BufReader::new(keeper.take_stdout()?).lines();
    let line = lines.next_line().await.ok()??;
    serde_json::from_str(&line).ok()
}

/// Why a keeper ended without telling where its container is.
async fn unstarted(role: Role, process: Guarded) -> StartError {
    let log = process.log().to_owned();
    match process.stop().await {
        Ok(status) => StartError::Ended { role, status, last_lines: ready::last_lines(&log, SHOWN_LINES), log },
        Err(source) => StartError::Io { what: format!("start the {role}"), source },
    }
}
