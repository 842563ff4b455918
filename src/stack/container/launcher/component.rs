//! Starts one component of a stack as a container, and waits until it is ready.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::super::container_spec::ContainerSpec;
use super::super::keeper_process::{self, START_DEADLINE, read_location};
use super::super::lab_image::ImageReference;
use super::super::run_network::{PreparedImage, RunNetwork};
use super::super::{domain, labels, limits};
use super::{ContainerInputs, ContainerLauncher, Launched, Visit};
use crate::measure::cgroup::Cgroup;
use crate::stack::component_spec::ComponentSpec;
use crate::stack::guarded::Guarded;
use crate::stack::relay::Relay;
use crate::stack::running::{ProcessScope, RunningComponent};
use crate::stack::{EXCERPT_LINES, Role, StartError, image_programs, io_error, ready};

/// Seconds between SIGTERM and SIGKILL, as for subprocesses.
const STOP_GRACE_S: i32 = 3;
/// The memory limit of a component, in bytes: far more than any needs, and too little to take the machine down.
const MEMORY_BYTES: i64 = 2 << 30;
/// The limit of a component's processes and threads.
const PIDS: i64 = 1024;

impl ContainerLauncher {
    /// Starts the component, and the relay in its network if it has one.
    pub(super) async fn launch(
        &mut self,
        mut spec: ComponentSpec,
        mut inputs: ContainerInputs,
        visit: &Visit,
    ) -> Result<Launched, StartError> {
        let role = spec.role;
        image_programs::strip_bin(&mut spec.command);
        spec.bind_by_address();
        let image = self.prepare_image(&mut spec, &mut inputs).await?;
        let relayed = inputs.relayed.take();
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
        // Before the proxy is probed, whose requests it passes on.
        let relay = match relayed {
            Some(server) => {
                let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, server.address.port()));
                let started = Relay::start_in_container(location.pid, listen, server).await;
                Some(started.map_err(io_error(format!("record requests in the network of the {role}'s container")))?)
            }
            None => None,
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
        Ok(Launched { component, location, relay })
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
        let name = role.to_string();
        let place = (visit.folder.as_path(), name.as_str());
        keeper_process::start(&self.process.lab, &self.network.engine, container, place, &format!("the {role}"))
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
            user: Some(format!("{uid}:{gid}")),
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
