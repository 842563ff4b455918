//! Launches one component: its image, its configs, its service, and the connections of checks to it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::component::{ComponentFiles, ServiceSpec, create_service};
use super::super::forwarder::Forwarder;
use super::super::remote_stack::{NodePlace, RemoteComponent};
use super::super::task::{self, Task, wait_until_running};
use super::super::{DockerError, SwarmError};
use super::SwarmLauncher;
use crate::stack::component_spec::ComponentSpec;
use crate::stack::container::python_environment::MountedEnvironment;
use crate::stack::guarded::{Guarded, Output, Program};
use crate::stack::running::{ProcessScope, RunningComponent};
use crate::stack::{Role, StartError, io_error, ready};

/// How long the follower of a service's log may take to stop.
const LOG_GRACE: Duration = Duration::from_millis(200);
/// How much longer a component may take to be ready than on this machine: requests pass the engine's client.
const READY_EXTRA: Duration = Duration::from_secs(20);
/// A component that is ready.
pub(super) struct Launched {
    pub(super) component: RunningComponent,
    pub(super) remote: RemoteComponent,
    pub(super) entry: SocketAddr,
    pub(super) tls_entry: Option<SocketAddr>,
    pub(super) forwarders: Vec<Forwarder>,
}

impl SwarmLauncher {
    /// Starts a component and waits until it responds. Its files are in the folders `visit` and `work`.
    pub(super) async fn launch(
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
        let writes = role == Role::Proxy || spec.names(work);
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
