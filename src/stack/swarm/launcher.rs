//! Starts the components of stacks as services of a swarm, and leads the connections of checks to them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::component::{ComponentFiles, ServiceSpec, create_service};
use super::forwarder::Forwarder;
use super::images::Images;
use super::remote_stack::{NodePlace, RemoteComponent, RemoteStack, StackPlaces};
use super::run_swarm::RunSwarm;
use super::sweep::{self, SwarmObject};
use super::task::{self, Task, wait_until_running};
use super::{DockerError, SwarmError};
use crate::catalog::kind::Interface;
use crate::scenario::model;
use crate::stack::component_spec::{AppSurroundings, ComponentSpec, SpecContext, resolve_proxy, resolve_server};
use crate::stack::container::lab_image::LAB;
use crate::stack::container::python_environment::MountedEnvironment;
use crate::stack::guarded::{Guarded, Output, Program};
use crate::stack::process::ProcessLauncher;
use crate::stack::recording::Recording;
use crate::stack::running::{ProcessScope, RunningComponent, RunningStack};
use crate::stack::{Role, StartError, io_error, ready};

/// The port of the app server in its container.
const SERVER_PORT: u16 = 8000;
/// The first port of the proxy in its container. Its other listeners follow.
const PROXY_PORT: u16 = 8080;
/// The host name under which the proxy finds the server.
const SERVER: &str = "server";

/// How long the follower of a service's log may take to stop.
const LOG_GRACE: Duration = Duration::from_millis(200);
/// How much longer a component may take to be ready than on this machine: requests pass the engine's client.
const READY_EXTRA: Duration = Duration::from_secs(20);
/// How long an ended component may take to be gone from its node.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// Starts the stacks of one run in a swarm.
#[derive(Debug)]
pub struct SwarmLauncher {
    /// The settings that all backends share.
    process: ProcessLauncher,
    swarm: RunSwarm,
    images: Images,
    /// The container that is attached to the run's network, and its address there.
    coordinator: (String, IpAddr),
    /// Numbers the objects of the run.
    objects: u32,
}

/// A component that is ready.
struct Launched {
    component: RunningComponent,
    remote: RemoteComponent,
    entry: SocketAddr,
    tls_entry: Option<SocketAddr>,
    forwarders: Vec<Forwarder>,
}

impl SwarmLauncher {
    /// `coordinator` is a container in the run's network, with its address there.
    #[must_use]
    pub fn new(
        process: ProcessLauncher,
        swarm: RunSwarm,
        images: Images,
        coordinator: (String, IpAddr),
    ) -> SwarmLauncher {
        SwarmLauncher { process, swarm, images, coordinator, objects: 0 }
    }

    /// Starts a stack with its files in the run's folder under `visit`, and waits until it is ready.
    ///
    /// # Errors
    /// The stack needs what lab cannot place, or a service or the readiness probe fails. Services that were started by then
    /// are removed.
    pub async fn start(
        &mut self,
        stack: &model::Stack,
        places: &StackPlaces,
        visit: &str,
        recording: Recording,
    ) -> Result<(RunningStack, RemoteStack), StartError> {
        let folder = self.process.folder.join(visit);
        std::fs::create_dir_all(&folder).map_err(io_error(format!("create {}", folder.display())))?;
        let recording = possible(recording, stack)?;
        let server = self.start_server(stack, &places.server, &folder).await?;
        let server_address = server.remote.task.address;
        let mut launched = vec![server];
        if let (Some(proxy), Some(place)) = (&stack.proxy, &places.proxy) {
            let started = self.start_proxy(stack, proxy, place, server_address, recording, &folder).await;
            match started {
                Ok(proxy) => launched.insert(0, proxy),
                Err(error) => {
                    // Why the proxy did not start matters more than how the server stopped.
                    let server = launched.into_iter().map(|launched| launched.remote).collect();
                    let _ = self.remove(server).await;
                    return Err(error);
                }
            }
        }
        Ok(self.running(stack, launched))
    }

    /// Checks that every component still runs.
    ///
    /// # Errors
    /// One has ended, or the manager does not say.
    pub async fn check(&self, stack: &RemoteStack) -> Result<(), SwarmError> {
        for component in &stack.components {
            task::check(&self.swarm.docker, &component.service, &format!("the {}", component.role)).await?;
        }
        Ok(())
    }

    /// Removes the services of a stack, and waits until they are gone from their nodes.
    ///
    /// # Errors
    /// The manager refuses, or a task does not end.
    pub async fn stop(&self, stack: RemoteStack) -> Result<(), SwarmError> {
        self.remove(stack.components).await
    }

    /// Removes everything of the run from the swarm.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn close(self) -> Result<(), SwarmError> {
        self.swarm.close().await
    }

    fn running(&self, stack: &model::Stack, launched: Vec<Launched>) -> (RunningStack, RemoteStack) {
        let (_, client) = &self.coordinator;
        let mut names = vec![
            (format!("{SERVER}:{SERVER_PORT}"), format!("{{{SERVER}}}")),
            (client.to_string(), "{client}".to_owned()),
        ];
        names.extend(launched.iter().map(|launched| {
            let Launched { component, remote, .. } = launched;
            (remote.task.address.to_string(), format!("{{{}}}", component.role))
        }));
        // One address may be a prefix of another.
        names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        names.extend(self.process.folder_names(stack));
        let (entry, tls_entry) = (launched[0].entry, launched[0].tls_entry);
        let (mut components, mut remote, mut forwarders) = (Vec::new(), Vec::new(), Vec::new());
        for launched in launched {
            components.push(launched.component);
            remote.push(launched.remote);
            forwarders.extend(launched.forwarders);
        }
        let running = RunningStack::ready(components, Some(*client), names);
        (running, RemoteStack { components: remote, entry, tls_entry, _forwarders: forwarders })
    }

    async fn start_server(
        &mut self,
        stack: &model::Stack,
        place: &NodePlace,
        visit: &Path,
    ) -> Result<Launched, StartError> {
        let kind = self.process.resolve_kind(stack, &stack.server.kind)?;
        let work = create_work_folder(visit, Role::Server)?;
        let mut reserve = ports(SERVER_PORT);
        let mut context = context(stack, place, (visit, &work), &mut reserve);
        let spec = resolve_server(&stack.server, stack.app, kind, &mut context)?;
        self.launch(spec, place, &[], (visit, &work)).await
    }

    async fn start_proxy(
        &mut self,
        stack: &model::Stack,
        proxy: &model::Proxy,
        place: &NodePlace,
        server: IpAddr,
        recording: Recording,
        visit: &Path,
    ) -> Result<Launched, StartError> {
        let kind = self.process.resolve_kind(stack, &proxy.kind)?;
        let work = create_work_folder(visit, Role::Proxy)?;
        let mut reserve = ports(PROXY_PORT);
        let upstream = format!("{SERVER}:{SERVER_PORT}");
        let mut context = context(stack, place, (visit, &work), &mut reserve);
        context.access_logs = self.process.has_access_logs(recording);
        let spec = resolve_proxy(proxy, &upstream, kind, &mut context)?;
        self.launch(spec, place, &[(SERVER.to_owned(), server)], (visit, &work)).await
    }

    /// Starts a component and waits until it responds. Its files are in the folders `visit` and `work`.
    async fn launch(
        &mut self,
        mut spec: ComponentSpec,
        place: &NodePlace,
        hosts: &[(String, IpAddr)],
        (visit, work): (&Path, &Path),
    ) -> Result<Launched, StartError> {
        let role = spec.role;
        spec.bind_by_address();
        let files = component_files(&spec, visit).await?;
        let image = self.images.with(files.added).await.map_err(SwarmError::from)?;
        self.objects += 1;
        let service = self.swarm.name(&format!("{}-{role}", self.objects));
        let configs = self.create_configs(files.configs).await.map_err(SwarmError::from)?;
        let named = work.display().to_string();
        let environment = spec.environment.iter().map(|(_, value)| value);
        let writes = role == Role::Proxy || spec.command.iter().chain(environment).any(|text| text.contains(&named));
        let described = ServiceSpec {
            name: &service,
            image: &image,
            node: &place.node,
            configs: &configs,
            hosts,
            is_pulled: self.images.has_registry(),
            work: writes.then_some(work),
        };
        create_service(&self.swarm, &described, &spec).await.map_err(SwarmError::from)?;
        let configs: Vec<String> = configs.into_iter().map(|(name, _)| name).collect();
        match self.observe(spec, &service, visit).await {
            Ok((component, task, (entry, tls_entry), forwarders)) => {
                let remote = RemoteComponent { role, place: place.clone(), task, service, configs };
                Ok(Launched { component, remote, entry, tls_entry, forwarders })
            }
            Err(error) => {
                // Why it did not start matters more than whether it can be removed, which the reaper tries again.
                let _ = self.remove_objects(&service, &configs).await;
                Err(error)
            }
        }
    }

    /// Waits until the service's task responds.
    async fn observe(
        &self,
        spec: ComponentSpec,
        service: &str,
        visit: &Path,
    ) -> Result<(RunningComponent, Task, (SocketAddr, Option<SocketAddr>), Vec<Forwarder>), StartError> {
        let (role, title) = (spec.role, format!("the {}", spec.role));
        let mut tasks = wait_until_running(&self.swarm.docker, service, &title, 1).await.map_err(SwarmError::from)?;
        let task = tasks.remove(0);
        let mut process = self.follow_log(service, &visit.join(format!("{role}.log")))?;
        let entry = SocketAddr::new(task.address, spec.address.port());
        let tls_entry = spec.tls_address.map(|tls| SocketAddr::new(task.address, tls.port()));
        let forwarder = self.forward(entry).await?;
        let address = forwarder.address();
        let mut forwarders = vec![forwarder];
        let mut tls_address = None;
        if let Some(tls) = tls_entry {
            let forwarder = self.forward(tls).await?;
            tls_address = Some(forwarder.address());
            forwarders.push(forwarder);
        }
        // No other program can listen inside the container.
        let (protocol, path, binds_itself) = (spec.protocol, spec.ready_path.as_str(), false);
        let originals = spec.originals.as_slice();
        let probe = ready::Probe { role, address, protocol, path, binds_itself, originals };
        if let Err(error) = ready::wait(&probe, &mut process, spec.ready_deadline + READY_EXTRA).await {
            let ended = task::check(&self.swarm.docker, service, &title).await;
            let _ = process.stop().await;
            return Err(ended.err().map_or(error, |ended| SwarmError::from(ended).into()));
        }
        let component = RunningComponent {
            role,
            version: format!("{} (swarm)", spec.version),
            address,
            tls_address,
            process,
            scope: ProcessScope::Remote,
            originals: spec.originals,
            image: None,
            at_rest: None,
            _ports: Vec::new(),
        };
        Ok((component, task, (entry, tls_entry), forwarders))
    }

    /// A docker client that writes the service's output into `log`.
    fn follow_log(&self, service: &str, log: &Path) -> Result<Guarded, StartError> {
        let mut command = vec!["docker".to_owned()];
        command.extend(self.swarm.docker.context_arguments());
        command.extend(["service", "logs", "--raw", "--follow", service].map(str::to_owned));
        let program = Program {
            command,
            environment: Vec::new(),
            folder: None,
            cores: Vec::new(),
            grace: LOG_GRACE,
            sockets: Vec::new(),
            input: None,
            output: Output::File(log.to_owned()),
        };
        Guarded::start(&self.process.lab, program).map_err(io_error("follow the log of a service"))
    }

    async fn forward(&self, target: SocketAddr) -> Result<Forwarder, StartError> {
        let (container, _) = &self.coordinator;
        let opened = Forwarder::open(self.swarm.docker.clone(), container.clone(), target).await;
        opened.map_err(io_error("listen for connections into the run's network"))
    }

    /// Makes a config of each file. Returns their names with the paths.
    async fn create_configs(&mut self, files: Vec<PathBuf>) -> Result<Vec<(String, PathBuf)>, DockerError> {
        let mut configs = Vec::new();
        for file in files {
            self.objects += 1;
            let name = self.swarm.name(&self.objects.to_string());
            let mut command = vec!["config".to_owned(), "create".to_owned()];
            command.extend(self.swarm.label_arguments());
            command.extend([name.clone(), file.display().to_string()]);
            self.swarm.docker.run("create a config", &command).await?;
            configs.push((name, file));
        }
        Ok(configs)
    }

    async fn remove(&self, components: Vec<RemoteComponent>) -> Result<(), SwarmError> {
        let mut outcome = Ok(());
        for component in &components {
            let removed = self.remove_objects(&component.service, &component.configs).await;
            outcome = outcome.and(removed);
        }
        for component in components {
            outcome = outcome.and(self.wait_until_gone(&component).await);
        }
        outcome
    }

    async fn remove_objects(&self, service: &str, configs: &[String]) -> Result<(), SwarmError> {
        let service = SwarmObject { kind: "service", name: service.to_owned() };
        sweep::remove(&self.swarm.docker, &service).await?;
        for config in configs {
            sweep::remove(&self.swarm.docker, &SwarmObject { kind: "config", name: config.clone() }).await?;
        }
        Ok(())
    }

    /// The manager forgets the task of a removed service once its container has ended.
    async fn wait_until_gone(&self, component: &RemoteComponent) -> Result<(), SwarmError> {
        let gone = async {
            while self.swarm.docker.inspect::<serde_json::Value>("task", &[&component.task.id]).await.is_ok() {
                tokio::time::sleep(STOP_INTERVAL).await;
            }
        };
        tokio::time::timeout(STOP_DEADLINE, gone).await.map_err(|_| SwarmError::Io {
            operation: "remove a component from its node",
            source: io::ErrorKind::TimedOut.into(),
        })
    }
}

/// What can be recorded across nodes: nothing behind the proxy. The pages of lab's own applications show their requests.
fn possible(recording: Recording, stack: &model::Stack) -> Result<Recording, StartError> {
    let python = stack.apps.python().filter(|_| stack.app != Interface::Native);
    let is_own = python.is_none_or(|app| app.path.is_none());
    match recording.cache || ((recording.upstream || recording.app) && !is_own) {
        true => Err(StartError::NotRecordedInSwarm),
        false => Ok(Recording { upstream: false, app: false, ..recording }),
    }
}

/// Sorts the files of a component. Reading an environment starts a program for each of its native modules, so it blocks.
async fn component_files(spec: &ComponentSpec, visit: &Path) -> Result<ComponentFiles, StartError> {
    let mut files =
        ComponentFiles::of_inputs(&spec.inputs, visit).map_err(io_error("read the files of a component"))?;
    if let Some(venv) = spec.venv.clone() {
        let environment = match tokio::task::spawn_blocking(move || MountedEnvironment::read(&venv)).await {
            Ok(environment) => environment.map_err(SwarmError::from)?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        files.add_environment(environment);
    }
    if let Some(nginx) = &spec.nginx {
        files.add_named(&nginx.texts)?;
    }
    Ok(files)
}

fn context<'a>(
    stack: &'a model::Stack,
    place: &NodePlace,
    (visit, work): (&'a Path, &'a Path),
    reserve: &'a mut dyn FnMut() -> io::Result<SocketAddr>,
) -> SpecContext<'a> {
    SpecContext {
        lab: Path::new(LAB),
        visit,
        work,
        apps: &stack.apps,
        cores: place.cores.len().max(1),
        // Root only in the engine's eyes, if at all.
        is_root: false,
        identity: None,
        surroundings: AppSurroundings::default(),
        access_logs: true,
        reserve,
    }
}

fn create_work_folder(visit: &Path, role: Role) -> Result<PathBuf, StartError> {
    let work = visit.join(role.to_string());
    std::fs::create_dir_all(&work).map_err(io_error(format!("create {}", work.display())))?;
    Ok(work)
}

/// Hands out consecutive ports of all addresses, from `first` on.
fn ports(first: u16) -> impl FnMut() -> io::Result<SocketAddr> {
    let mut ports = first..;
    move || {
        let port = ports.next().ok_or_else(|| io::Error::other("no port is left"))?;
        Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
    }
}
