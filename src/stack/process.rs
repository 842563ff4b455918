//! The process backend: runs a stack's components as subprocesses of lab.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::app_observer::AppObserver;
use super::command::inherits;
use super::component_spec::{AppSurroundings, ComponentSpec, ResolvedKind, SpecContext, resolve_proxy, resolve_server};
use super::guarded::{
    DEFAULT_BACKLOG, FIRST_INHERITED_FD, Guarded, HeldPort, ListeningSocket, NGINX_BACKLOG, Output, Program,
};
use super::recording::Recording;
use super::relay::{Relay, RelayedServer};
use super::running::{ProcessScope, RunningComponent, RunningStack};
use super::service::{ServiceContainers, ServicePlace};
use super::{Role, StartError, create_folder, io_error, nginx, ready, service, shell_command};
use crate::catalog::KindRef;
use crate::catalog::kind::{Interface, Language};
use crate::provision::Installed;
use crate::scenario::model::{self, CheckRequest};

/// How long a component may take to stop before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// The components of `/app`.
const MIN_ROOT_COMPONENTS: usize = 2;

/// Starts the stacks of one run as processes. The container backend shares its settings.
#[derive(Debug, Clone)]
pub struct ProcessLauncher {
    /// The lab binary: the guard of every component, and the components of kind `lab` themselves.
    pub lab: PathBuf,
    /// The scenario's root.
    pub root: PathBuf,
    /// Where logs and relocated configurations are written; one folder per visit.
    pub folder: PathBuf,
    /// Cores of the components; empty leaves them unpinned.
    pub cores: Vec<u16>,
    pub installed: Installed,
    /// Whether proxies write their access logs also under load.
    pub logs_under_load: bool,
}

/// The sockets of a component.
enum Sockets {
    /// It inherits listening sockets.
    Inherited { sockets: Vec<ListeningSocket>, backlog: i32 },
    /// It binds ports that are held for it.
    Held(Vec<HeldPort>),
}

impl Sockets {
    fn new(kind: &ResolvedKind) -> Sockets {
        if !inherits(&kind.run) {
            return Sockets::Held(Vec::new());
        }
        let backlog = if kind.run.language == Language::Nginx { NGINX_BACKLOG } else { DEFAULT_BACKLOG };
        Sockets::Inherited { sockets: Vec::new(), backlog }
    }

    fn reserve(&mut self) -> io::Result<SocketAddr> {
        match self {
            Sockets::Inherited { sockets, backlog } => {
                let socket = ListeningSocket::with_backlog(*backlog)?;
                let address = socket.address();
                sockets.push(socket);
                Ok(address)
            }
            Sockets::Held(ports) => {
                let port = HeldPort::loopback()?;
                let address = port.address();
                ports.push(port);
                Ok(address)
            }
        }
    }

    /// The value of nginx's variable `NGINX`, by which it inherits sockets: each descriptor and a semicolon.
    fn nginx_variable(&self) -> String {
        match self {
            Sockets::Inherited { sockets, .. } => {
                (FIRST_INHERITED_FD..).zip(sockets).map(|(fd, _)| format!("{fd};")).collect()
            }
            Sockets::Held(_) => String::new(),
        }
    }
}

impl ProcessLauncher {
    /// Why a stack cannot run on this machine, if that is known before it is started.
    #[must_use]
    pub fn unavailable(&self, stack: &model::Stack) -> Option<String> {
        if let Some(reason) = &stack.impossible {
            return Some(reason.clone());
        }
        // Whether an image has the kind is only known once the image is there.
        let server = match stack.server_image() {
            Some(_) => Ok(()),
            None => self.installed.get(&stack.name, Role::Server).map(drop),
        };
        let proxy = stack.proxy.as_ref().filter(|_| stack.proxy_image().is_none());
        let proxy = proxy.map(|proxy| (proxy, self.installed.get(&stack.name, Role::Proxy)));
        let proxy_reason = || proxy.and_then(|(proxy, found)| Some(format!("proxy {}: {}", proxy.kind, found.err()?)));
        server.err().map(str::to_owned).or_else(proxy_reason)
    }

    /// Starts a stack with its files in `folder`/`visit`, and waits until it is ready. Its requests are recorded as far as
    /// `recording` says. Services with images run in `containers`.
    ///
    /// # Errors
    /// A kind is missing, or a configuration, a process or the readiness probe fails. Components that were started by
    /// then are stopped.
    pub async fn start(
        &self,
        stack: &model::Stack,
        visit: &str,
        recording: Recording,
        containers: Option<&dyn ServiceContainers>,
    ) -> Result<RunningStack, StartError> {
        let folder = self.folder.join(visit);
        create_folder(&folder)?;
        let observer = match recording.app && stack.app != Interface::Native {
            true => Some(AppObserver::bind().map_err(io_error("open a socket for the application's requests"))?),
            false => None,
        };
        let place = ServicePlace { containers, ..self.service_place(Ipv4Addr::LOCALHOST.into(), &folder, visit) };
        let (services, variables) = service::start_all(stack.services(), place).await?;
        let surroundings =
            AppSurroundings { observer: observer.as_ref().map(AppObserver::name), variables: &variables };
        match self.start_components(stack, recording, surroundings, &folder).await {
            Ok((components, relay)) => {
                let mut names = vec![
                    (CheckRequest::CLIENT.to_string(), "{client}".to_owned()),
                    // All components share one address, which the server sees as the proxy's.
                    (Ipv4Addr::LOCALHOST.to_string(), format!("{{{}}}", components[0].role)),
                ];
                names.extend(self.folder_names(stack));
                Ok(RunningStack { relay, observer, services, ..RunningStack::ready(components, None, names) })
            }
            Err(error) => {
                // Why the stack did not start matters more than how its services stopped.
                let _ = service::stop_all(services).await;
                Err(error)
            }
        }
    }

    /// Starts the server, then the proxy, and a relay between them if one is to record requests.
    async fn start_components(
        &self,
        stack: &model::Stack,
        recording: Recording,
        surroundings: AppSurroundings<'_>,
        folder: &Path,
    ) -> Result<(Vec<RunningComponent>, Option<Relay>), StartError> {
        let mut components = vec![self.start_server(stack, surroundings, folder).await?];
        let server = components[0].address;
        let relay = match recording.upstream {
            true => {
                let (protocol, response_delay) = (stack.server.kind.speaks(), recording.response_delay());
                let started = Relay::start(RelayedServer { address: server, protocol, response_delay }).await;
                Some(started.map_err(io_error("listen for the requests to the server"))?)
            }
            false => None,
        };
        if let Some(proxy) = &stack.proxy {
            let upstream = relay.as_ref().map_or(server, Relay::address);
            let access_logs = self.has_access_logs(recording);
            components.insert(0, self.start_proxy(stack, proxy, upstream, access_logs, folder).await?);
        }
        Ok((components, relay))
    }

    async fn start_server(
        &self,
        stack: &model::Stack,
        surroundings: AppSurroundings<'_>,
        folder: &Path,
    ) -> Result<RunningComponent, StartError> {
        let kind = self.resolve_kind(stack, &stack.server.kind)?;
        let mut sockets = Sockets::new(&kind);
        let mut reserve = || sockets.reserve();
        let mut context = self.context(stack, folder, &mut reserve);
        context.surroundings = surroundings;
        let spec = resolve_server(&stack.server, stack.app, kind, &mut context)?;
        if let Some(setup) = &spec.setup {
            shell_command::run(&self.lab, setup, &self.cores).await?;
        }
        self.launch(spec, sockets, folder).await
    }

    async fn start_proxy(
        &self,
        stack: &model::Stack,
        proxy: &model::Proxy,
        upstream: SocketAddr,
        access_logs: bool,
        folder: &Path,
    ) -> Result<RunningComponent, StartError> {
        let kind = self.resolve_kind(stack, &proxy.kind)?;
        let mut sockets = Sockets::new(&kind);
        let mut reserve = || sockets.reserve();
        let mut context = self.context(stack, folder, &mut reserve);
        context.access_logs = access_logs;
        let mut spec = resolve_proxy(proxy, &upstream.to_string(), kind, &mut context)?;
        if let Some(own) = &spec.nginx {
            nginx::link_default_root(&own.source, folder)?;
            if let (true, Some(program)) = (own.loads_modules, &own.program) {
                nginx::link_modules(program, folder).await?;
            }
            spec.environment.push(("NGINX".to_owned(), sockets.nginx_variable()));
        }
        self.launch(spec, sockets, folder).await
    }

    fn context<'a>(
        &'a self,
        stack: &'a model::Stack,
        folder: &'a Path,
        reserve: &'a mut dyn FnMut() -> io::Result<SocketAddr>,
    ) -> SpecContext<'a> {
        SpecContext {
            lab: stack.earlier_lab().unwrap_or(&self.lab),
            visit: folder,
            work: folder,
            apps: &stack.apps,
            cores: self.core_count(),
            is_root: rustix::process::geteuid().is_root(),
            identity: Some((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())),
            surroundings: AppSurroundings::default(),
            access_logs: true,
            reserve,
        }
    }

    /// A kind of a stack as it is installed on this machine.
    pub(super) fn resolve_kind(&self, stack: &model::Stack, chosen: &KindRef) -> Result<ResolvedKind, StartError> {
        let kind = chosen.kind();
        let unavailable = |reason: &str| StartError::Unavailable { role: kind.role, reason: reason.to_owned() };
        let mut run = kind.run.as_ref().map_err(|reason| unavailable(reason))?.clone();
        let installation = self.installed.get(&stack.name, kind.role).map_err(unavailable)?;
        if let (Some(command), true) = (&run.container.command, installation.is_of_other_version(kind)) {
            // The application's own version, as in an image.
            run.command.clone_from(command);
        }
        Ok(ResolvedKind { installation: installation.clone(), run, image: None })
    }

    /// The folders that differ between machines and runs, each with its placeholder, an inner one before an outer one. The
    /// root of an earlier version counts as today's.
    pub(super) fn folder_names(&self, stack: &model::Stack) -> Vec<(String, String)> {
        let mut names = vec![(self.folder.display().to_string(), "{run}".to_owned())];
        names.extend(stack.moved_root());
        // A folder such as `/app` may be the beginning of a URL's path.
        if self.root.components().count() > MIN_ROOT_COMPONENTS {
            names.push((self.root.display().to_string(), "{root}".to_owned()));
        }
        names
    }

    /// Where services run that bind `host`, with their files in the folder `visit`.
    pub(super) fn service_place<'a>(&'a self, host: IpAddr, visit: &'a Path, visit_name: &'a str) -> ServicePlace<'a> {
        let (lab, cores) = (self.lab.as_path(), self.cores.as_slice());
        ServicePlace { lab, host, cores, visit, visit_name, containers: None, is_app_in_network: false }
    }

    /// Whether a proxy writes its access logs.
    pub(super) fn has_access_logs(&self, recording: Recording) -> bool {
        recording.access_logs || self.logs_under_load
    }

    /// How many cores the components may use.
    pub(super) fn core_count(&self) -> usize {
        match self.cores.len() {
            0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            count => count,
        }
    }

    async fn launch(
        &self,
        spec: ComponentSpec,
        sockets: Sockets,
        folder: &Path,
    ) -> Result<RunningComponent, StartError> {
        let (role, address) = (spec.role, spec.address);
        let (sockets, ports) = match sockets {
            Sockets::Inherited { sockets, .. } => (sockets, Vec::new()),
            Sockets::Held(ports) => (Vec::new(), ports),
        };
        let program = Program {
            command: spec.command,
            environment: spec.environment,
            folder: spec.folder,
            cores: self.cores.clone(),
            grace: STOP_GRACE,
            sockets,
            input: None,
            output: Output::File(folder.join(format!("{role}.log"))),
        };
        let mut process = Guarded::start(&self.lab, program).map_err(io_error(format!("start the {role}")))?;
        let (protocol, path, binds_itself) = (spec.protocol, spec.ready_path.as_str(), !ports.is_empty());
        let originals = spec.originals.as_slice();
        let probe = ready::Probe { role, address, protocol, path, binds_itself, originals };
        if let Err(error) = ready::wait(&probe, &mut process, spec.ready_deadline).await {
            // Why it was not ready matters more than how it stopped.
            let _ = process.stop().await;
            return Err(error);
        }
        Ok(RunningComponent {
            role,
            version: spec.version,
            address,
            tls_address: spec.tls_address,
            process,
            scope: ProcessScope::Guarded,
            originals: spec.originals,
            image: None,
            at_rest: None,
            _ports: ports,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_variable_lists_descriptors() {
        let mut sockets = Sockets::Inherited { sockets: Vec::new(), backlog: NGINX_BACKLOG };
        sockets.reserve().unwrap();
        sockets.reserve().unwrap();
        assert_eq!(sockets.nginx_variable(), "3;4;");
    }
}
