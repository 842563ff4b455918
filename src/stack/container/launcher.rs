//! The container backend: runs a stack's components as containers, of lab's own image or of the scenario's images.
//!
//! Clients connect to a container's address in the run's network wherever this machine has a route to it. So nothing
//! stands between them (no port translation, no copying process), and the client's address is the host's own in that
//! network. Without a route (rootless engines) clients use the published port, and the engine connects on their behalf:
//! Docker from the network's gateway, Podman from inside the container.

mod component;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::container_spec::{BindMount, StartedContainer};
use super::engine::Engine;
use super::lab_image::LAB;
use super::run_network::{RunNetwork, RunNetworkError};
use super::scenario_images::{ScenarioImageError, ScenarioImages};
use super::{mounts, pull};
use crate::catalog::KindRef;
use crate::catalog::kind::Interface;
use crate::scenario::model::{self, Service, ServiceProgram};
use crate::stack::app_observer::AppObserver;
use crate::stack::component_spec::{
    AppSurroundings, NginxSpec, ResolvedKind, SpecContext, resolve_proxy, resolve_server,
};
use crate::stack::container_addresses::{PROXY_PORT, SERVER, SERVER_PORT, ports, upstream};
use crate::stack::process::ProcessLauncher;
use crate::stack::recording::Recording;
use crate::stack::relay::{Relay, RelayedServer};
use crate::stack::running::{RunningComponent, RunningStack};
use crate::stack::service::{self, RunningService, ServiceContainers, ServicePlace};
use crate::stack::{Role, StartError, create_folder, io_error};

/// The folder of the socket to which the application describes its requests.
const OBSERVER: &str = "observer";

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

/// What a container needs beside its [`ComponentSpec`](crate::stack::component_spec::ComponentSpec).
#[derive(Default)]
struct ContainerInputs {
    mounts: Vec<BindMount>,
    /// Host names and their addresses.
    hosts: BTreeMap<String, IpAddr>,
    /// The server whose requests a relay in the container's network records.
    relayed: Option<RelayedServer>,
}

/// A component that is ready.
struct Launched {
    component: RunningComponent,
    location: StartedContainer,
    relay: Option<Relay>,
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
        for image in stack.service_images() {
            pull::pull(&self.network.engine, &image.name, print).await?;
        }
        Ok(())
    }

    /// The run's place in the engine.
    #[must_use]
    pub fn network(&self) -> &RunNetwork {
        &self.network
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

    /// Starts a stack with its files in the run's folder under `visit`, and waits until it is ready. Its requests are recorded
    /// as far as `recording` says.
    ///
    /// # Errors
    /// A service, an image, a configuration, a container or the readiness probe fails, or lab may not enter the network of the
    /// proxy's container. Components that were started by then are stopped.
    pub async fn start(
        &mut self,
        stack: &model::Stack,
        visit: &str,
        recording: Recording,
    ) -> Result<RunningStack, StartError> {
        let visit = Visit { name: visit.to_owned(), folder: self.process.folder.join(visit) };
        create_folder(&visit.folder)?;
        let recording = self.possible(recording, stack)?;
        let (services, variables) = self.start_services(stack, &visit).await?;
        match self.start_components(stack, &visit, recording, &variables).await {
            Ok(running) => Ok(RunningStack { services, ..running }),
            Err(error) => {
                // Why the stack did not start matters more than how its services stopped.
                let _ = service::stop_all(services).await;
                Err(error)
            }
        }
    }

    /// What can be recorded. The pages of lab's own applications show their requests, so they need no relay.
    fn possible(&self, recording: Recording, stack: &model::Stack) -> Result<Recording, StartError> {
        let python = stack.apps.python().filter(|_| stack.app != Interface::Native);
        let is_own = python.is_none_or(|app| app.path.is_none());
        match recording.upstream && stack.proxy.is_some() && !rustix::process::geteuid().is_root() {
            true if is_own && !recording.cache => Ok(Recording { upstream: false, ..recording }),
            true => Err(StartError::NotRecorded),
            false => Ok(recording),
        }
    }

    /// Starts the services of the application where containers reach them: those with images in the run's network, the
    /// others as processes of this machine.
    async fn start_services(
        &self,
        stack: &model::Stack,
        visit: &Visit,
    ) -> Result<(Vec<RunningService>, Vec<(String, String)>), StartError> {
        let RunNetwork { engine, gateway, .. } = &self.network;
        let services = stack.services();
        let is_process = |service: &&Service| matches!(service.program, ServiceProgram::Command(_));
        if let Some(unreachable) = services.iter().find(is_process).filter(|_| engine.rootless) {
            return Err(StartError::NoService {
                name: unreachable.name.clone(),
                reason: "containers of a rootless engine do not reach this machine: give it an `image`, or run the \
                         stack with `backend = \"process\"`"
                    .to_owned(),
            });
        }
        let place = self.process.service_place(*gateway, &visit.folder, &visit.name);
        let containers: Option<&dyn ServiceContainers> = Some(&self.network);
        service::start_all(services, ServicePlace { containers, is_app_in_network: true, ..place }).await
    }

    async fn start_components(
        &mut self,
        stack: &model::Stack,
        visit: &Visit,
        recording: Recording,
        variables: &[(String, String)],
    ) -> Result<RunningStack, StartError> {
        let observer = match recording.app && stack.app != Interface::Native {
            true => {
                let bound = AppObserver::bind_in(&visit.folder.join(OBSERVER));
                Some(bound.map_err(io_error("open a socket for the application's requests"))?)
            }
            false => None,
        };
        let surroundings = AppSurroundings { observer: observer.as_ref().map(AppObserver::name), variables };
        let Launched { component: server, location, .. } = self.start_server(stack, surroundings, visit).await?;
        let server_name = (upstream(), format!("{{{SERVER}}}"));
        let mut names = vec![server_name, address_name(&server, &location)];
        let mut outermost = location.address;
        let server_address = server.address;
        let mut components = vec![server];
        let relay = match &stack.proxy {
            Some(proxy) => {
                let launched = self.start_proxy(stack, proxy, &location, recording, visit).await?;
                names.push(address_name(&launched.component, &launched.location));
                components.insert(0, launched.component);
                outermost = launched.location.address;
                launched.relay
            }
            None if recording.upstream => {
                let (protocol, response_delay) = (stack.server.kind.speaks(), recording.response_delay());
                let started = Relay::start(RelayedServer { address: server_address, protocol, response_delay }).await;
                Some(started.map_err(io_error("listen for the requests to the server"))?)
            }
            None => None,
        };
        let client = match components[0].address.ip() == outermost {
            // The relay connects in the client's place.
            true if stack.proxy.is_none() && relay.is_some() => Some(self.network.gateway),
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
        Ok(RunningStack { relay, observer, ..RunningStack::ready(components, client, names) })
    }

    async fn start_server(
        &mut self,
        stack: &model::Stack,
        surroundings: AppSurroundings<'_>,
        visit: &Visit,
    ) -> Result<Launched, StartError> {
        let kind = self.resolve_kind(stack, &stack.server.kind, stack.server_image())?;
        let work = self.create_work_folder(&visit.folder, Role::Server)?;
        let mut reserve = ports(SERVER_PORT);
        let mut context = self.context(stack, visit, &work, &mut reserve);
        context.surroundings = surroundings;
        let spec = resolve_server(&stack.server, stack.app, kind, &mut context)?;
        let mut mounts = read_only(&spec.inputs);
        if surroundings.observer.is_some() {
            mounts.push(BindMount { path: visit.folder.join(OBSERVER), writable: false });
        }
        // Some kinds write their pid file there, for one.
        if spec.names(&work) {
            mounts.push(BindMount { path: work, writable: true });
        }
        self.launch(spec, ContainerInputs { mounts, ..ContainerInputs::default() }, visit).await
    }

    async fn start_proxy(
        &mut self,
        stack: &model::Stack,
        proxy: &model::Proxy,
        server: &StartedContainer,
        recording: Recording,
        visit: &Visit,
    ) -> Result<Launched, StartError> {
        let kind = self.resolve_kind(stack, &proxy.kind, stack.proxy_image())?;
        let work = self.create_work_folder(&visit.folder, Role::Proxy)?;
        let mut reserve = ports(PROXY_PORT);
        let mut context = self.context(stack, visit, &work, &mut reserve);
        context.access_logs = self.process.has_access_logs(recording);
        let spec = resolve_proxy(proxy, &upstream(), kind, &mut context)?;
        let mut mounts = read_only(&spec.inputs);
        mounts.push(BindMount { path: work, writable: true });
        if let Some(NginxSpec { texts, .. }) = &spec.nginx {
            mounts.extend(mounts::named_by(texts)?);
        }
        let tls_address = spec.tls_address;
        let relayed = recording.upstream.then(|| RelayedServer {
            address: SocketAddr::new(server.address, SERVER_PORT),
            protocol: stack.server.kind.speaks(),
            response_delay: recording.response_delay(),
        });
        // The relay listens in the proxy's own network, under the server's port.
        let address = if relayed.is_some() { Ipv4Addr::LOCALHOST.into() } else { server.address };
        let hosts = BTreeMap::from([(SERVER.to_owned(), address)]);
        let launched = self.launch(spec, ContainerInputs { mounts, hosts, relayed }, visit).await?;
        let Launched { component, location, .. } = &launched;
        // Only one port of a container is published. Where clients need that one, the TLS port cannot be reached.
        let tls = tls_address.filter(|_| component.address.ip() == location.address);
        let tls_address = tls.map(|tls| SocketAddr::new(location.address, tls.port()));
        Ok(Launched { component: RunningComponent { tls_address, ..launched.component }, ..launched })
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
            identity: None,
            surroundings: AppSurroundings::default(),
            access_logs: true,
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
        create_folder(&work)?;
        if let Some((uid, gid)) = self.network.user.owner {
            let given = std::os::unix::fs::chown(&work, Some(uid), Some(gid));
            given.map_err(io_error(format!("give away {}", work.display())))?;
        }
        Ok(work)
    }
}

fn read_only(paths: &[PathBuf]) -> Vec<BindMount> {
    paths.iter().map(|path| BindMount { path: path.clone(), writable: false }).collect()
}

/// A component's address in its network, and the placeholder for it.
fn address_name(component: &RunningComponent, location: &StartedContainer) -> (String, String) {
    (location.address.to_string(), format!("{{{}}}", component.role))
}
