//! The keeper: a small process for each container, like the [guard] for each subprocess.
//!
//! It starts the container, reports its location, copies its log, and exits with the container's exit code. Its standard
//! input is its lifeline: when that ends, however lab ended, it stops and removes the container. A separate process also
//! allows lab to choose the engine: testcontainers finds it by the environment of its process.

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
use super::engine::retry_undecodable;
use crate::stack::guard;

/// How long the engine may take to start a container, without the pull of its image.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long the rest of a log may take after its container has ended.
const LOG_DEADLINE: Duration = Duration::from_secs(2);
/// The time between two polls of a container's health check, if its image has one.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);
/// The exit code for a failure of the engine, as for the docker command.
pub const ENGINE_FAILED: i32 = 125;
/// The maximum size of a log, which would otherwise fill the engine's disk.
const LOG_BYTES: &str = "64m";

#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error("the engine cannot {operation}")]
    Engine {
        /// In the imperative, as in "describe the container".
        operation: &'static str,
        source: Error,
    },
    #[error("the container cannot be started")]
    Start(#[source] TestcontainersError),
    #[error("cannot connect to the engine")]
    Client(#[source] ClientError),
    #[error("the engine does not report the container's {0}")]
    Unreported(&'static str),
    #[error("cannot {operation}")]
    Io {
        /// In the imperative, as in "report the container's location".
        operation: &'static str,
        source: io::Error,
    },
}

/// Runs the container to its end, or until standard input ends. Writes the container's output to `log`, and its
/// [`StartedContainer`] as one line to `out`. Returns the exit code of the keeper.
///
/// # Errors
/// The container cannot be started, or the engine does not report its location.
pub fn run(spec: &ContainerSpec, out: &mut dyn Write, log: &mut dyn Write) -> Result<i32, KeeperError> {
    let io = |operation| move |source| KeeperError::Io { operation, source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io("start"))?;
    runtime.block_on(keep(spec, out, log))
}

async fn keep(spec: &ContainerSpec, out: &mut dyn Write, log: &mut dyn Write) -> Result<i32, KeeperError> {
    let docker = testcontainers::core::client::docker_client_instance().await.map_err(KeeperError::Client)?;
    // Runs to its end even if the lifeline ends meanwhile: otherwise a started container would be left behind.
    let container = match request(spec).start().await {
        Ok(container) => container,
        Err(error) => {
            // The container may exist without having started. If it has already ended, its log shows the cause.
            let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
            let _ = retry_undecodable(|| docker.inspect_container(&spec.name, None::<InspectContainerOptions>)).await;
            copy_rest(&mut Box::pin(docker.logs(&spec.name, Some(options))), log).await;
            remove(&docker, &spec.name).await;
            return Err(KeeperError::Start(error));
        }
    };
    let outcome = attend(spec, &docker, &container, out, log).await;
    let removed = container.rm().await;
    // If the engine has failed before, that error is reported already.
    if let (Ok(_), Err(error)) = (&outcome, removed) {
        let _ = writeln!(log, "lab: cannot remove the container: {error}");
    }
    outcome
}

/// Reports the location of a started container, copies its log and waits for its end or the lifeline's.
async fn attend(
    spec: &ContainerSpec,
    docker: &Docker,
    container: &ContainerAsync<GenericImage>,
    out: &mut dyn Write,
    log: &mut dyn Write,
) -> Result<i32, KeeperError> {
    let id = container.id();
    let inspect = || async {
        let inspected = retry_undecodable(|| docker.inspect_container(id, None::<InspectContainerOptions>)).await;
        inspected.map_err(|source| KeeperError::Engine { operation: "describe the container", source })
    };
    let inspected = inspect().await?;
    let has_health = inspected.state.as_ref().and_then(|state| state.health.as_ref()).is_some();
    // A container that has already ended has no address; its log shows the cause.
    if inspected.state.as_ref().and_then(|state| state.running) == Some(true) {
        let started = started(spec, id, &inspected)?;
        let line = serde_json::to_string(&started).unwrap_or_default();
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(|source| KeeperError::Io { operation: "report the container's location", source })?;
    }
    let mut health = String::new();
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
    let mut lines = Box::pin(docker.logs(id, Some(options)));
    let mut waiting = Box::pin(docker.wait_container(id, None::<WaitContainerOptions>));
    let mut lifeline = std::pin::pin!(guard::end_of_input());
    let mut polls = tokio::time::interval(HEALTH_INTERVAL);
    let mut has_log_ended = false;
    loop {
        tokio::select! {
            line = lines.next(), if !has_log_ended => match line {
                Some(line) => copy(line, log),
                None => has_log_ended = true,
            },
            end = waiting.next() => {
                copy_rest(&mut lines, log).await;
                return ended(end, &inspect().await, log);
            }
            () = &mut lifeline => {
                // On an error the container has ended by itself, or can only be removed.
                let _ = container.stop_with_timeout(Some(spec.grace_s)).await;
                copy_rest(&mut lines, log).await;
                return Ok(0);
            }
            _ = polls.tick(), if has_health => {
                let status = inspect().await.ok().and_then(|inspected| inspected.state?.health?.status);
                let now = status.map(|status| status.to_string());
                if let Some(now) = now.filter(|now| *now != health) {
                    let _ = writeln!(log, "lab: the image's own health check says {now}");
                    health = now;
                }
            }
        }
    }
}

fn request(spec: &ContainerSpec) -> ContainerRequest<GenericImage> {
    let mut image = GenericImage::new(spec.image.clone(), spec.tag.clone()).with_exposed_port(spec.port.tcp());
    // This replaces the image's entrypoint, whose scripts would try to rewrite read-only files.
    if let Some(program) = spec.command.first() {
        image = image.with_entrypoint(program);
    }
    let mut request = image
        .with_container_name(&spec.name)
        .with_network(&spec.network)
        .with_labels(&spec.labels)
        .with_startup_timeout(START_DEADLINE);
    if let Some(user) = &spec.user {
        request = request
            .with_user(user)
            .with_readonly_rootfs(true)
            .with_cap_drop("ALL")
            .with_security_opt("no-new-privileges:true");
    }
    if let Some((_, arguments)) = spec.command.split_first() {
        request = request.with_cmd(arguments);
    }
    for (name, value) in &spec.environment {
        request = request.with_env_var(name, value);
    }
    for (name, address) in &spec.hosts {
        request = request.with_host(name, Host::Addr(*address));
    }
    for mounted in &spec.mounts {
        let path = mounted.path.display().to_string();
        let mode = match mounted.writable {
            true => testcontainers::core::AccessMode::ReadWrite,
            false => testcontainers::core::AccessMode::ReadOnly,
        };
        request = request.with_mount(Mount::bind_mount(&path, &path).with_access_mode(mode));
    }
    if let Some(folder) = &spec.working_folder {
        request = request.with_working_dir(folder.display().to_string());
    }
    if let Some((soft, hard)) = spec.open_files {
        request = request.with_ulimit("nofile", soft, Some(hard));
    }
    if let Some((soft, hard)) = spec.processes {
        request = request.with_ulimit("nproc", soft, Some(hard));
    }
    if let Some(users) = &spec.users {
        request = request.with_userns_mode(users);
    }
    let limits = spec.clone();
    request.with_host_config_modifier(move |config| limit(config, &limits))
}

/// Settings that testcontainers does not offer.
fn limit(config: &mut HostConfig, spec: &ContainerSpec) {
    let binding = PortBinding { host_ip: Some(Ipv4Addr::LOCALHOST.to_string()), host_port: Some(String::new()) };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([(spec.port.tcp().to_string(), Some(vec![binding]))]));
    let scratch = spec.scratch.iter().map(|folder| (folder.display().to_string(), spec.scratch_options.clone()));
    config.tmpfs = Some(scratch.collect());
    config.dns_search = Some(vec![spec.domain.clone()]);
    // With the engines' default of 0 a name is first looked up without the domain, at slow external servers.
    config.dns_options = Some(vec!["ndots:1".to_owned()]);
    config.memory = Some(spec.memory_bytes);
    config.memory_swap = Some(spec.memory_bytes);
    config.pids_limit = Some(spec.pids);
    if !spec.cores.is_empty() {
        let cores: Vec<String> = spec.cores.iter().map(u16::to_string).collect();
        config.cpuset_cpus = Some(cores.join(","));
    }
    // The engine's default driver may not allow reading the log.
    config.log_config = Some(HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(HashMap::from([("max-size".to_owned(), LOG_BYTES.to_owned())])),
    });
}

fn started(
    spec: &ContainerSpec,
    id: &str,
    inspected: &ContainerInspectResponse,
) -> Result<StartedContainer, KeeperError> {
    let state = inspected.state.as_ref();
    let pid = state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
    let network = inspected.network_settings.as_ref();
    let endpoint = network.and_then(|network| network.networks.as_ref()?.get(&spec.network));
    let address = endpoint.and_then(|endpoint| endpoint.ip_address.as_ref()?.parse::<IpAddr>().ok());
    let port = spec.port.tcp().to_string();
    let bindings = network.and_then(|network| network.ports.as_ref()?.get(&port)?.as_ref());
    let published = bindings.into_iter().flatten().find_map(|binding| {
        let address = binding.host_ip.as_ref()?.parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(address, binding.host_port.as_ref()?.parse().ok()?))
    });
    Ok(StartedContainer {
        id: id.to_owned(),
        pid: pid.filter(|pid| *pid != 0).ok_or(KeeperError::Unreported("process"))?,
        address: address.ok_or(KeeperError::Unreported("address"))?,
        published: published.ok_or(KeeperError::Unreported("published port"))?,
    })
}

/// The exit code of a container that has ended by itself. Logs the causes that the code does not show.
fn ended(
    end: Option<Result<testcontainers::bollard::models::ContainerWaitResponse, Error>>,
    inspected: &Result<ContainerInspectResponse, KeeperError>,
    log: &mut dyn Write,
) -> Result<i32, KeeperError> {
    let state = inspected.as_ref().ok().and_then(|inspected| inspected.state.as_ref());
    if state.and_then(|state| state.oom_killed) == Some(true) {
        let _ = writeln!(log, "lab: the container was killed because it exceeded its memory limit");
    }
    let code = match end {
        Some(Ok(end)) => Some(end.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Some(code),
        Some(Err(source)) => return Err(KeeperError::Engine { operation: "report the container's end", source }),
        None => state.and_then(|state| state.exit_code),
    };
    Ok(code.and_then(|code| i32::try_from(code).ok()).unwrap_or(ENGINE_FAILED))
}

async fn copy_rest(lines: &mut (impl Stream<Item = Result<LogOutput, Error>> + Unpin), log: &mut dyn Write) {
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

/// Removes a container in any state.
async fn remove(docker: &Docker, name: &str) {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    // On an error there is no such container, or the engine has failed, which is reported already.
    let _ = docker.remove_container(name, Some(options)).await;
}

/// Reads a container spec from its file.
///
/// # Errors
/// The file cannot be read, or is malformed.
pub fn read(file: &Path) -> io::Result<ContainerSpec> {
    serde_json::from_slice(&std::fs::read(file)?).map_err(io::Error::other)
}
