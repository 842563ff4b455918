//! Launches one component: its image, its configs, its service, and the connections of checks to it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::component::{ComponentFiles, ServiceSpec, create_service};
use super::super::forwarder::Forwarder;
use super::super::image_layer::ImageLayer;
use super::super::remote_stack::{NodePlace, RemoteComponent};
use super::super::task::{self, Task, wait_until_running};
use super::super::{DockerError, SwarmError, TaskError};
use super::SwarmLauncher;
use crate::stack::component_spec::ComponentSpec;
use crate::stack::container::python_environment::{EnvironmentError, MountedEnvironment};
use crate::stack::guarded::{Guarded, Output, Program};
use crate::stack::running::{ProcessScope, RunningComponent};
use crate::stack::{Role, StartError, io_error, ready};

/// How long the follower of a service's log may take to stop.
const LOG_GRACE: Duration = Duration::from_millis(200);
/// How long reading the log of an ended service may take.
const LOG_LIMIT: Duration = Duration::from_secs(10);
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
        let files = component_files(&spec, visit)?;
        let environment = match &spec.venv {
            Some(venv) => self.environment_layers(venv).await.map_err(SwarmError::from)?,
            None => Vec::new(),
        };
        let has_tmp = environment.iter().chain([&files.layer]).any(ImageLayer::has_tmp);
        let image = self.images.with(&environment, files.layer).await.map_err(SwarmError::from)?;
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
            has_tmp,
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

    /// The layers of an environment, read once for all starts.
    async fn environment_layers(&mut self, venv: &Path) -> Result<Vec<ImageLayer>, EnvironmentError> {
        if let Some(layers) = self.environments.get(venv) {
            return Ok(layers.to_vec());
        }
        let environment = MountedEnvironment::read(venv.to_owned()).await?;
        let layers = ImageLayer::of_environment(venv, environment);
        self.environments.insert(venv.to_owned(), layers.clone());
        Ok(layers.to_vec())
    }

    /// Waits until the service's task responds.
    async fn observe(
        &self,
        spec: ComponentSpec,
        service: &str,
        visit: &Path,
    ) -> Result<(RunningComponent, Task, (SocketAddr, Option<SocketAddr>), Vec<Forwarder>), StartError> {
        let (role, title) = (spec.role, format!("the {}", spec.role));
        let log = visit.join(format!("{role}.log"));
        let task = match wait_until_running(&self.swarm.docker, service, &title, 1).await {
            Ok(mut tasks) => tasks.remove(0),
            Err(error) => return Err(self.with_cause(error, service, &log, &spec.originals).await),
        };
        let mut process = self.follow_log(service, &log)?;
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
            let _ = process.stop().await;
            return Err(match task::check(&self.swarm.docker, service, &title).await {
                Ok(()) => error,
                Err(ended) => self.with_cause(ended, service, &log, &spec.originals).await,
            });
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

    /// Adds to the end of a service what its log says about it. The log is read again: a follower may have missed its end.
    async fn with_cause(
        &self,
        ended: TaskError,
        service: &str,
        log: &Path,
        originals: &[(String, String)],
    ) -> StartError {
        if !matches!(ended, TaskError::Ended { .. }) {
            return SwarmError::from(ended).into();
        }
        let logs = ["service", "logs", "--raw", service];
        // A log that cannot be read is an empty one, and the end matters more.
        let _ = self.swarm.docker.write_output(&logs, log, LOG_LIMIT).await;
        let (cause, last_lines) = ready::cause_of_end(log, originals);
        StartError::ServiceEnded { ended: Box::new(ended), cause, log: log.to_owned(), last_lines }
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

/// Sorts the files of a component, beside those of its environment.
fn component_files(spec: &ComponentSpec, visit: &Path) -> Result<ComponentFiles, StartError> {
    let mut files =
        ComponentFiles::of_inputs(&spec.inputs, visit).map_err(io_error("read the files of a component"))?;
    if let Some(nginx) = &spec.nginx {
        files.add_named(&nginx.texts)?;
    }
    Ok(files)
}
