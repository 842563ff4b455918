//! The keeper: a small process for each container, as the [guard] is for each subprocess.
//!
//! It starts the container, tells where it is, copies its log, ends when the container ends and with the container's
//! exit code. Its standard input is its lifeline: when that ends, however lab ended, it stops and removes the
//! container. That the engine is spoken to from here has a second reason: testcontainers finds the engine by the
//! environment of its process, and lab has chosen it already.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use testcontainers::bollard::Docker;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::{ContainerInspectResponse, HostConfig, HostConfigLogConfig, PortBinding};
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder, WaitContainerOptions,
};
use testcontainers::core::error::ClientError;
use testcontainers::core::{Host, IntoContainerPort as _, Mount};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _, TestcontainersError};

use super::container_spec::{ContainerSpec, StartedContainer};
use super::engine::settled;
use crate::stack::guard;

/// How long the engine may take to start a container, the pulling of its image apart.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long the rest of a log may take after its container has ended.
const LOG_DEADLINE: Duration = Duration::from_secs(2);
/// Time between two looks at a container's health, where its image has a check of it.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);
/// The exit code of a keeper whose engine failed it, as the docker command has it.
pub const ENGINE_FAILED: i32 = 125;
/// A log that grows without bound would fill the engine's disk.
const LOG_BYTES: &str = "64m";

/// Why a container could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The engine could not be reached, or refused it.
    #[error("the engine cannot {what}")]
    Engine {
        /// What it was asked for.
        what: &'static str,
        /// What it said.
        source: Error,
    },
    /// testcontainers could not start it.
    #[error("the container cannot be started")]
    Start(#[source] TestcontainersError),
    /// There is no client of the engine.
    #[error("no engine to speak to")]
    Client(#[source] ClientError),
    /// The engine does not report a part of its location.
    #[error("the engine does not tell the container's {0}")]
    Untold(&'static str),
    /// Something of the system's.
    #[error("cannot {what}")]
    Io {
        /// What.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Runs the container to its end, or until standard input ends. The container's output goes to `log`, the one line
/// that says where it is to `told`. Returns the exit code to end with.
///
/// # Errors
/// The container cannot be started, or the engine does not tell what is needed.
pub fn run(order: &ContainerSpec, told: &mut dyn Write, log: &mut dyn Write) -> Result<i32, KeeperError> {
    let io = |what| move |source| KeeperError::Io { what, source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io("start"))?;
    runtime.block_on(keep(order, told, log))
}

async fn keep(order: &ContainerSpec, told: &mut dyn Write, log: &mut dyn Write) -> Result<i32, KeeperError> {
    let docker = testcontainers::core::client::docker_client_instance().await.map_err(KeeperError::Client)?;
    // Not abandoned when the lifeline ends meanwhile: what the engine has begun would be nobody's.
    let container = match request(order).start().await {
        Ok(container) => container,
        Err(error) => {
            // It may have been created and then not started; or have ended already, and then its log says why.
            let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
            let _ = settled(|| docker.inspect_container(&order.name, None::<InspectContainerOptions>)).await;
            rest(&mut Box::pin(docker.logs(&order.name, Some(options))), log).await;
            remove(&docker, &order.name).await;
            return Err(KeeperError::Start(error));
        }
    };
    let kept = attend(order, &docker, &container, told, log).await;
    // The container's own removal is that of its name: it fails where the engine is gone, which is said already.
    let removed = container.rm().await;
    if let (Ok(_), Err(error)) = (&kept, removed) {
        // Nothing better can be done when even this cannot be said.
        let _ = writeln!(log, "lab: cannot remove the container: {error}");
    }
    kept
}

async fn attend(
    order: &ContainerSpec,
    docker: &Docker,
    container: &ContainerAsync<GenericImage>,
    told: &mut dyn Write,
    log: &mut dyn Write,
) -> Result<i32, KeeperError> {
    let id = container.id();
    let inspect = || async {
        let inspected = settled(|| docker.inspect_container(id, None::<InspectContainerOptions>)).await;
        inspected.map_err(|source| KeeperError::Engine { what: "describe the container", source })
    };
    let seen = inspect().await?;
    let has_health = seen.state.as_ref().and_then(|state| state.health.as_ref()).is_some();
    // One that has ended already has no address any more; its log says why.
    if seen.state.as_ref().and_then(|state| state.running) == Some(true) {
        let started = started(order, id, &seen)?;
        let line = serde_json::to_string(&started).unwrap_or_default();
        writeln!(told, "{line}")
            .and_then(|()| told.flush())
            .map_err(|source| KeeperError::Io { what: "tell where the container is", source })?;
    }
    let mut health = String::new();
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
    let mut lines = Box::pin(docker.logs(id, Some(options)));
    let mut waiting = Box::pin(docker.wait_container(id, None::<WaitContainerOptions>));
    let mut lifeline = std::pin::pin!(guard::end_of_input());
    let mut looks = tokio::time::interval(HEALTH_INTERVAL);
    let mut has_log_ended = false;
    loop {
        tokio::select! {
            line = lines.next(), if !has_log_ended => match line {
                Some(line) => copy(line, log),
                None => has_log_ended = true,
            },
            end = waiting.next() => {
                rest(&mut lines, log).await;
                return ended(end, &inspect().await, log);
            }
            () = &mut lifeline => {
                // An error means that it has ended by itself, or that removal is all that is left.
                let _ = container.stop_with_timeout(Some(order.grace_s)).await;
                rest(&mut lines, log).await;
                return Ok(0);
            }
            _ = looks.tick(), if has_health => {
                let now = inspect().await.ok().and_then(|seen| seen.state?.health?.status).map(|status| status.to_string());
                if let Some(now) = now.filter(|now| *now != health) {
                    let _ = writeln!(log, "lab: the image's own health check says {now}");
                    health = now;
                }
            }
        }
    }
}

/// What testcontainers is asked for.
fn request(order: &ContainerSpec) -> ContainerRequest<GenericImage> {
    let mut image = GenericImage::new(order.image.clone(), order.tag.clone()).with_exposed_port(order.port.tcp());
    // The command line is the whole of it: scripts that images begin with would rewrite what is read-only here.
    if let Some(program) = order.command.first() {
        image = image.with_entrypoint(program);
    }
    let mut request = image
        .with_container_name(&order.name)
        .with_network(&order.network)
        .with_labels(&order.labels)
        .with_user(&order.user)
        .with_readonly_rootfs(true)
        .with_cap_drop("ALL")
        .with_security_opt("no-new-privileges:true")
        .with_startup_timeout(START_DEADLINE);
    if let Some((_, arguments)) = order.command.split_first() {
        request = request.with_cmd(arguments);
    }
    for (name, value) in &order.environment {
        request = request.with_env_var(name, value);
    }
    for (name, address) in &order.hosts {
        request = request.with_host(name, Host::Addr(*address));
    }
    for mounted in &order.mounts {
        let path = mounted.path.display().to_string();
        let mode = match mounted.writable {
            true => testcontainers::core::AccessMode::ReadWrite,
            false => testcontainers::core::AccessMode::ReadOnly,
        };
        request = request.with_mount(Mount::bind_mount(&path, &path).with_access_mode(mode));
    }
    if let Some(folder) = &order.working_folder {
        request = request.with_working_dir(folder.display().to_string());
    }
    if let Some((soft, hard)) = order.open_files {
        request = request.with_ulimit("nofile", soft, Some(hard));
    }
    if let Some((soft, hard)) = order.processes {
        request = request.with_ulimit("nproc", soft, Some(hard));
    }
    if let Some(users) = &order.users {
        request = request.with_userns_mode(users);
    }
    let limits = order.clone();
    request.with_host_config_modifier(move |config| limit(config, &limits))
}

/// What testcontainers has no word of its own for.
fn limit(config: &mut HostConfig, order: &ContainerSpec) {
    let binding = PortBinding { host_ip: Some(Ipv4Addr::LOCALHOST.to_string()), host_port: Some(String::new()) };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([(order.port.tcp().to_string(), Some(vec![binding]))]));
    let scratch = order.scratch.iter().map(|folder| (folder.display().to_string(), order.scratch_options.clone()));
    config.tmpfs = Some(scratch.collect());
    config.dns_search = Some(vec![order.domain.clone()]);
    // Engines set 0, and then a name is asked for as it is first: of servers outside, which take their time.
    config.dns_options = Some(vec!["ndots:1".to_owned()]);
    config.memory = Some(order.memory_bytes);
    config.memory_swap = Some(order.memory_bytes);
    config.pids_limit = Some(order.pids);
    if !order.cores.is_empty() {
        let cores: Vec<String> = order.cores.iter().map(u16::to_string).collect();
        config.cpuset_cpus = Some(cores.join(","));
    }
    // Whatever the engine's own default is: this one can be read back.
    config.log_config = Some(HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(HashMap::from([("max-size".to_owned(), LOG_BYTES.to_owned())])),
    });
}

/// Where a container is, by what the engine says of it.
fn started(order: &ContainerSpec, id: &str, seen: &ContainerInspectResponse) -> Result<StartedContainer, KeeperError> {
    let state = seen.state.as_ref();
    let pid = state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
    let network = seen.network_settings.as_ref();
    let endpoint = network.and_then(|network| network.networks.as_ref()?.get(&order.network));
    let address = endpoint.and_then(|endpoint| endpoint.ip_address.as_ref()?.parse::<IpAddr>().ok());
    let port = order.port.tcp().to_string();
    let bindings = network.and_then(|network| network.ports.as_ref()?.get(&port)?.as_ref());
    let published = bindings.into_iter().flatten().find_map(|binding| {
        let address = binding.host_ip.as_ref()?.parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(address, binding.host_port.as_ref()?.parse().ok()?))
    });
    Ok(StartedContainer {
        id: id.to_owned(),
        pid: pid.filter(|pid| *pid != 0).ok_or(KeeperError::Untold("process"))?,
        address: address.ok_or(KeeperError::Untold("address"))?,
        published: published.ok_or(KeeperError::Untold("published port"))?,
    })
}

/// The exit code of a container that has ended by itself, and in the log what its code does not tell.
fn ended(
    end: Option<Result<testcontainers::bollard::models::ContainerWaitResponse, Error>>,
    seen: &Result<ContainerInspectResponse, KeeperError>,
    log: &mut dyn Write,
) -> Result<i32, KeeperError> {
    let state = seen.as_ref().ok().and_then(|seen| seen.state.as_ref());
    if state.and_then(|state| state.oom_killed) == Some(true) {
        let _ = writeln!(log, "lab: the container was killed for using more memory than it may");
    }
    let code = match end {
        Some(Ok(end)) => Some(end.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Some(code),
        Some(Err(source)) => return Err(KeeperError::Engine { what: "say any more how the container is", source }),
        None => state.and_then(|state| state.exit_code),
    };
    Ok(code.and_then(|code| i32::try_from(code).ok()).unwrap_or(ENGINE_FAILED))
}

/// Copies what is left of the log.
async fn rest(lines: &mut (impl Stream<Item = Result<LogOutput, Error>> + Unpin), log: &mut dyn Write) {
    let rest = async {
        while let Some(line) = lines.next().await {
            copy(line, log);
        }
    };
    let _ = tokio::time::timeout(LOG_DEADLINE, rest).await;
}

fn copy(line: Result<LogOutput, Error>, log: &mut dyn Write) {
    if let Ok(line) = line {
        let _ = log.write_all(&line.into_bytes());
    }
}

/// Removes a container, whatever state it is in.
async fn remove(docker: &Docker, name: &str) {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    // An error means that there is none, which is what is wanted; or no engine, which has been said.
    let _ = docker.remove_container(name, Some(options)).await;
}

/// Reads the order that [`ContainerSpec`] is written as.
///
/// # Errors
/// The file cannot be read, or is no order.
pub fn read(file: &Path) -> io::Result<ContainerSpec> {
    serde_json::from_slice(&std::fs::read(file)?).map_err(io::Error::other)
}
