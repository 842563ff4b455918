//! The container backend: runs a stack's components as containers, of lab's own image or of the scenario's images.
//!
//! Clients connect to a container's address in the run's network wherever this machine has a route to it. So nothing
//! stands between them (no port translation, no copying process), and the client's address is the host's own in that
//! network. Without a route (rootless engines) clients use the published port, and the engine connects on their behalf:
//! Docker from the network's gateway, Podman from inside the container.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::container_spec::{BindMount, ContainerSpec, StartedContainer};
use super::domain;
use super::engine::Engine;
use super::lab_image::{ImageReference, LAB};
use super::labels;
use super::limits;
use super::mounts;
use super::run_network::{PreparedImage, RunNetwork, RunNetworkError};
use super::scenario_images::{ScenarioImageError, ScenarioImages};
use crate::catalog::KindRef;
use crate::measure::cgroup::Cgroup;
use crate::scenario::model;
use crate::stack::component_spec::{
    ComponentSpec, NginxSpec, ResolvedKind, SpecContext, resolve_proxy, resolve_server,
};
use crate::stack::guarded::{FIRST_INHERITED_FD, Guarded, KeeperProgram};
use crate::stack::process::ProcessLauncher;
use crate::stack::recording::Recording;
use crate::stack::running::{ProcessScope, RunningComponent, RunningStack};
use crate::stack::{EXCERPT_LINES, Role, StartError, image_programs, io_error, ready, write_file};

/// How long the engine may take to start a container, including the pull of its image.
const START_DEADLINE: Duration = Duration::from_secs(600);
/// How long a keeper may take to stop and remove its container, beyond the container's own grace.
const KEEPER_DEADLINE: Duration = Duration::from_secs(15);
/// Seconds between SIGTERM and SIGKILL, as for subprocesses.
const STOP_GRACE_S: i32 = 3;
/// The port of the app server in its container.
const SERVER_PORT: u16 = 8000;
/// The first port of the proxy in its container. Its other listeners follow.
const PROXY_PORT: u16 = 8080;
/// The memory limit of a component, in bytes: far more than any needs, and too little to take the machine down.
const MEMORY_BYTES: i64 = 2 << 30;
/// The limit of a component's processes and threads.
const PIDS: i64 = 1024;
/// The host name under which the proxy finds the server.
const SERVER: &str = "server";

/// Starts the stacks of one run in containers, all in one [`RunNetwork`].
#[derive(Debug)]
pub struct ContainerLauncher {
    /// The settings that both backends share.
    process: ProcessLauncher,
    run: String,
    network: RunNetwork,
    images: ScenarioImages,
}

/// One start of a stack.
struct Visit {
    name: String,
    folder: PathBuf,
}

/// What a container needs beside its [`ComponentSpec`].
#[derive(Default)]
struct ContainerInputs {
    mounts: Vec<BindMount>,
    /// Host names and their addresses.
    hosts: BTreeMap<String, IpAddr>,
}

impl ContainerLauncher {
    /// Opens the run's network.
    ///
    /// # Errors
    /// There is no engine, or it refuses.
    pub async fn open(process: ProcessLauncher, run: &str) -> Result<ContainerLauncher, RunNetworkError> {
        let network = RunNetwork::open(&process.lab, run, &process.folder).await?;
        Ok(ContainerLauncher { process, run: run.to_owned(), network, images: ScenarioImages::default() })
    }

    /// Pulls or builds the images of `stack`, and finds its kinds in them. `root` is the scenario's. Passes each line of
    /// progress to `print`.
    ///
    /// # Errors
    /// An image cannot be pulled or built, or does not have the kind.
    pub async fn obtain_images(
        &mut self,
        stack: &model::Stack,
        root: &Path,
        print: &mut dyn FnMut(&str),
    ) -> Result<(), ScenarioImageError> {
        if let (Some(proxy), Some(image)) = (&stack.proxy, stack.proxy_image()) {
            self.images.obtain(&self.network, image, proxy.kind.kind(), root, print).await?;
        }
        if let Some(image) = stack.server_image() {
            self.images.obtain(&self.network, image, stack.server.kind.kind(), root, print).await?;
        }
        Ok(())
    }

    /// A warning about what checks of proxied stacks cannot see in this engine.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        let Engine { rootless, is_podman, .. } = self.network.engine;
        (rootless && is_podman).then_some(
            "warning: rootless Podman shows every client at the proxy's own address, so no check can tell here whether a \
             proxy says who the client is",
        )
    }

    /// Removes everything of the run from the engine.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn close(self) -> Result<(), RunNetworkError> {
        self.network.close().await
    }

    /// Starts a stack with its files in the run's folder under `visit`, and waits until it is ready. lab is not in the network
    /// between containers, so of `recording` only the access logs apply.
    ///
    /// # Errors
    /// An image, a configuration, a container or the readiness probe fails. Components that were started by then are
    /// stopped.
    pub async fn start(
        &mut self,
        stack: &model::Stack,
        visit: &str,
        recording: Recording,
    ) -> Result<RunningStack, StartError> {
        let visit = Visit { name: visit.to_owned(), folder: self.process.folder.join(visit) };
        let (server, location) = self.start_server(stack, &visit).await?;
        let server_name = (format!("{SERVER}:{SERVER_PORT}"), format!("{{{SERVER}}}"));
        let mut names = vec![server_name, address_name(&server, &location)];
        let mut components = vec![server];
        let mut outermost = location.address;
        if let Some(proxy) = &stack.proxy {
            let access_logs = self.process.has_access_logs(recording);
            let (proxy, location) = self.start_proxy(stack, proxy, &location, access_logs, &visit).await?;
            names.push(address_name(&proxy, &location));
            components.insert(0, proxy);
            outermost = location.address;
        }
        let client = match components[0].address.ip() == outermost {
            true => None,
            false if self.network.engine.is_podman => Some(outermost),
            false => Some(self.network.gateway),
        };
        let client_address = client.unwrap_or(self.network.gateway).to_string();
        names.retain(|(address, _)| *address != client_address);
        names.push((client_address, "{client}".to_owned()));
        // One address may be a prefix of another.
        names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        names.extend(self.process.folder_names(stack));
        Ok(RunningStack::ready(components, client, names))
    }

    async fn start_server(
        &mut self,
        stack: &model::Stack,
        visit: &Visit,
    ) -> Result<(RunningComponent, StartedContainer), StartError> {
        let kind = self.resolve_kind(stack, &stack.server.kind, stack.server_image())?;
        let work = self.create_work_folder(&visit.folder, Role::Server)?;
        let mut reserve = ports(SERVER_PORT);
        let mut context = self.context(stack, visit, &work, &mut reserve);
        let spec = resolve_server(&stack.server, stack.app, kind, &mut context)?;
        let mut mounts = read_only(&spec.inputs);
        // Some kinds write their pid file there, for one.
        let named = work.display().to_string();
        let environment = spec.environment.iter().map(|(_, value)| value);
        if spec.command.iter().chain(environment).any(|text| text.contains(&named)) {
            mounts.push(BindMount { path: work, writable: true });
        }
        self.launch(spec, ContainerInputs { mounts, ..ContainerInputs::default() }, visit).await
    }

    async fn start_proxy(
        &mut self,
        stack: &model::Stack,
        proxy: &model::Proxy,
        server: &StartedContainer,
        access_logs: bool,
        visit: &Visit,
    ) -> Result<(RunningComponent, StartedContainer), StartError> {
        let kind = self.resolve_kind(stack, &proxy.kind, stack.proxy_image())?;
        let work = self.create_work_folder(&visit.folder, Role::Proxy)?;
        let mut reserve = ports(PROXY_PORT);
        let upstream = format!("{SERVER}:{SERVER_PORT}");
        let mut context = self.context(stack, visit, &work, &mut reserve);
        context.access_logs = access_logs;
        let spec = resolve_proxy(proxy, &upstream, kind, &mut context)?;
        let mut mounts = read_only(&spec.inputs);
        mounts.push(BindMount { path: work, writable: true });
        if let Some(NginxSpec { texts, .. }) = &spec.nginx {
            mounts.extend(mounts::named_by(texts)?);
        }
        let tls_address = spec.tls_address;
        let hosts = BTreeMap::from([(SERVER.to_owned(), server.address)]);
        let (component, location) = self.launch(spec, ContainerInputs { mounts, hosts }, visit).await?;
        // Only one port of a container is published. Where clients need that one, the TLS port cannot be reached.
        let tls = tls_address.filter(|_| component.address.ip() == location.address);
        let tls_address = tls.map(|tls| SocketAddr::new(location.address, tls.port()));
        Ok((RunningComponent { tls_address, ..component }, location))
    }

    fn context<'a>(
        &'a self,
        stack: &'a model::Stack,
        visit: &'a Visit,
        work: &'a Path,
        reserve: &'a mut dyn FnMut() -> io::Result<SocketAddr>,
    ) -> SpecContext<'a> {
        SpecContext {
            lab: Path::new(LAB),
            visit: &visit.folder,
            work,
            apps: &stack.apps,
            cores: self.process.core_count(),
            // Root only in the engine's eyes, if at all.
            is_root: false,
            observer: None,
            access_logs: true,
            services_environment: &[],
            reserve,
        }
    }

    /// A kind of a stack as it is installed in `image`, or in lab's own.
    fn resolve_kind(
        &self,
        stack: &model::Stack,
        chosen: &KindRef,
        image: Option<&model::Image>,
    ) -> Result<ResolvedKind, StartError> {
        let Some(image) = image else { return self.process.resolve_kind(stack, chosen) };
        let kind = chosen.kind();
        let unavailable = |reason: &str| StartError::Unavailable { role: kind.role, reason: reason.to_owned() };
        let mut run = kind.run.as_ref().map_err(|reason| unavailable(reason))?.clone();
        let (image, installation) =
            self.images.get(image, kind).ok_or_else(|| unavailable("its image was not obtained"))?;
        if let Some(command) = &run.container.command {
            run.command.clone_from(command);
        }
        Ok(ResolvedKind { installation: installation.clone(), run, image: Some(image.clone()) })
    }

    /// Creates the folder that a component may write into.
    fn create_work_folder(&self, visit: &Path, role: Role) -> Result<PathBuf, StartError> {
        let work = visit.join(role.to_string());
        std::fs::create_dir_all(&work).map_err(io_error(format!("create {}", work.display())))?;
        if let Some((uid, gid)) = self.network.user.owner {
            let given = std::os::unix::fs::chown(&work, Some(uid), Some(gid));
            given.map_err(io_error(format!("give away {}", work.display())))?;
        }
        Ok(work)
    }

    async fn launch(
        &mut self,
        mut spec: ComponentSpec,
        mut inputs: ContainerInputs,
        visit: &Visit,
    ) -> Result<(RunningComponent, StartedContainer), StartError> {
        let role = spec.role;
        image_programs::strip_bin(&mut spec.command);
        bind_by_address(&mut spec);
        let image = self.prepare_image(&mut spec, &mut inputs).await?;
        let mut process = self.start_keeper(&self.container_spec(&spec, inputs, &image, &visit.name), role, visit)?;
        let location = match tokio::time::timeout(START_DEADLINE, read_location(&mut process)).await {
            Ok(Some(location)) => location,
            Ok(None) => return Err(keeper_ended(role, process).await),
            Err(_) => {
                let (log, deadline) = (process.log().to_owned(), START_DEADLINE);
                let observed = "the engine has not started it".to_owned();
                return Err(StartError::NotReady { role, deadline, observed, last_lines: String::new(), log });
            }
        };
        let address = match self.network.reaches(location.address) {
            true => SocketAddr::new(location.address, spec.address.port()),
            false => location.published,
        };
        // No other program can listen inside the container.
        let (protocol, path, binds_itself) = (spec.protocol, spec.ready_path.as_str(), false);
        let originals = spec.originals.as_slice();
        let probe = ready::Probe { role, address, protocol, path, binds_itself, originals };
        if let Err(error) = ready::wait(&probe, &mut process, spec.ready_deadline).await {
            // Why it was not ready matters more than how it stopped.
            let _ = process.stop().await;
            return Err(error);
        }
        let first_process = ProcessScope::Tree { pid: location.pid };
        let component = RunningComponent {
            role,
            version: format!("{} (container, {})", spec.version, self.network.engine.version),
            address,
            tls_address: None,
            process,
            scope: Cgroup::from_container_id(&location.id).map_or(first_process, ProcessScope::Cgroup),
            originals: spec.originals,
            image: spec.image,
            at_rest: None,
            _ports: Vec::new(),
        };
        Ok((component, location))
    }

    /// The image to start from. lab's own is made first, and brings mounts and a library path.
    async fn prepare_image(
        &mut self,
        spec: &mut ComponentSpec,
        inputs: &mut ContainerInputs,
    ) -> Result<ImageReference, StartError> {
        if let Some(image) = &spec.image {
            return Ok(ImageReference::from_id(&image.id));
        }
        let prepared = self.network.lab_image(&self.process.lab, &self.run, spec.venv.as_deref()).await?;
        let PreparedImage { image, mounts } = prepared;
        inputs.mounts.extend(mounts);
        if !image.library_path.is_empty() {
            spec.environment.push(("LD_LIBRARY_PATH".to_owned(), image.library_path));
        }
        Ok(image.reference)
    }

    fn start_keeper(&self, container: &ContainerSpec, role: Role, visit: &Visit) -> Result<Guarded, StartError> {
        let folder = &visit.folder;
        let file = folder.join(format!("{role}.container.json"));
        let text = serde_json::to_string_pretty(container).unwrap_or_default();
        write_file(&file, &text)?;
        let keeper = KeeperProgram {
            arguments: vec!["keep".to_owned(), file.display().to_string()],
            engine: self.network.engine.endpoint.to_string(),
            log: folder.join(format!("{role}.log")),
            pipes_stdout: true,
            deadline: Duration::from_secs(u64::from(STOP_GRACE_S.unsigned_abs())) + KEEPER_DEADLINE,
        };
        Guarded::keep(&self.process.lab, keeper).map_err(io_error(format!("start the {role}'s keeper")))
    }

    fn container_spec(
        &self,
        spec: &ComponentSpec,
        inputs: ContainerInputs,
        image: &ImageReference,
        visit: &str,
    ) -> ContainerSpec {
        let RunNetwork { engine, network, user, .. } = &self.network;
        let domain = domain::stack_domain(visit, network);
        let mut labels: BTreeMap<String, String> = self.network.labels.clone().into_iter().collect();
        labels.insert(labels::COMPONENT.to_owned(), format!("{}-{}", domain::label(visit), spec.role));
        let (uid, gid) = user.inside;
        ContainerSpec {
            name: domain::component_name(spec.role, &domain),
            domain,
            image: image.name.clone(),
            tag: image.tag.clone(),
            labels,
            network: network.clone(),
            hosts: inputs.hosts,
            command: spec.command.clone(),
            environment: spec.environment.iter().cloned().collect(),
            user: format!("{uid}:{gid}"),
            working_folder: None,
            mounts: inputs.mounts,
            scratch: std::iter::once(PathBuf::from("/tmp")).chain(spec.scratch.iter().cloned()).collect(),
            // By default a tmpfs belongs to root and has the mode of the folder in the image. Podman spells the
            // container's user `U`, and fills the tmpfs from the image unless given `notmpcopyup`.
            scratch_options: match engine.is_podman {
                true => "mode=1777,U,notmpcopyup".to_owned(),
                false => format!("mode=1777,uid={uid},gid={gid}"),
            },
            port: spec.address.port(),
            cores: self.process.cores.clone(),
            memory_bytes: MEMORY_BYTES,
            pids: PIDS,
            open_files: limits::open_files(engine),
            processes: limits::processes(engine),
            users: engine.users().map(str::to_owned),
            grace_s: STOP_GRACE_S,
        }
    }
}

/// Hands out consecutive ports of all addresses, from `first` on.
fn ports(first: u16) -> impl FnMut() -> io::Result<SocketAddr> {
    let mut ports = first..;
    move || {
        let port = ports.next().ok_or_else(|| io::Error::other("no port is left"))?;
        Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
    }
}

/// A subprocess inherits its listening socket; in a container it binds the address instead.
fn bind_by_address(spec: &mut ComponentSpec) {
    let inherited = format!("fd://{FIRST_INHERITED_FD}");
    for argument in spec.command.iter_mut().filter(|argument| **argument == inherited) {
        *argument = spec.address.to_string();
    }
}

fn read_only(paths: &[PathBuf]) -> Vec<BindMount> {
    paths.iter().map(|path| BindMount { path: path.clone(), writable: false }).collect()
}

/// A component's address in its network, and the placeholder for it.
fn address_name(component: &RunningComponent, location: &StartedContainer) -> (String, String) {
    (location.address.to_string(), format!("{{{}}}", component.role))
}

/// The container's location, from the first line of its keeper; `None` if the keeper ended before.
async fn read_location(keeper: &mut Guarded) -> Option<StartedContainer> {
    let mut lines = BufReader::new(keeper.take_stdout()?).lines();
    let line = lines.next_line().await.ok()??;
    serde_json::from_str(&line).ok()
}

/// Why a keeper ended before it reported its container's location.
async fn keeper_ended(role: Role, process: Guarded) -> StartError {
    let log = process.log().to_owned();
    match process.stop().await {
        Ok(status) => StartError::Ended {
            role,
            status,
            cause: None,
            last_lines: Some(ready::last_lines(&log, EXCERPT_LINES)),
            log,
        },
        Err(source) => StartError::Io { operation: format!("start the {role}"), source },
    }
}
