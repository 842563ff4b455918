//! Starts the services of an application before its server, with an empty folder for their state, and stops them after it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use super::guarded::{Guarded, HeldPort, Output, Program};
use super::shell_command::{self, ShellCommand};
use super::{EXCERPT_LINES, StartError, create_folder, io_error, ready};
use crate::catalog::service::ServiceKind;
use crate::provision;
use crate::scenario::model::{Readiness, Service, ServiceImage, ServiceProgram, ServiceText};

/// How long it may take to stop before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Time between two looks whether it is ready.
const INTERVAL: Duration = Duration::from_millis(20);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);
/// Runs a program as another user in its own eyes, and as root in everybody else's: its files stay where root can put them.
const NOT_ROOT: &str = "unshare --user --map-user=1000";

/// A service that is ready.
#[derive(Debug)]
pub struct RunningService {
    process: Guarded,
    /// The folder of its state.
    state: PathBuf,
    /// Variables of the application.
    environment: Vec<(String, String)>,
    /// That of a process.
    _port: Option<HeldPort>,
}

/// Where services run.
#[derive(Clone, Copy)]
pub(super) struct ServicePlace<'a> {
    /// The lab binary, which guards them.
    pub(super) lab: &'a Path,
    /// The address of this machine that they bind.
    pub(super) host: IpAddr,
    pub(super) cores: &'a [u16],
    /// The folder of their logs and of their state.
    pub(super) visit: &'a Path,
    pub(super) visit_name: &'a str,
    /// The container engine, for services with images.
    pub(super) containers: Option<&'a dyn ServiceContainers>,
    /// Whether the application is in a container of the same network.
    pub(super) is_app_in_network: bool,
}

/// A service to start in a container.
pub struct ServiceContainer<'a> {
    pub(super) lab: &'a Path,
    pub(super) name: &'a str,
    pub(super) image: &'a ServiceImage,
    pub(super) cores: &'a [u16],
    /// The folder of the visit, and its name.
    pub(super) visit: &'a Path,
    pub(super) visit_name: &'a str,
}

/// The addresses of a running container.
#[derive(Debug, Clone, Copy)]
pub struct ServiceAddresses {
    /// For this machine.
    pub(super) outside: SocketAddr,
    /// For other containers of the run.
    pub(super) inside: SocketAddr,
}

/// The keeper of a service, with the addresses of its container unless that has ended.
pub type ServiceKeeper = (Guarded, Option<ServiceAddresses>);

/// A container engine, as far as services need it.
pub trait ServiceContainers {
    /// Starts a service.
    fn start<'a>(
        &'a self,
        service: ServiceContainer<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<ServiceKeeper, StartError>> + 'a>>;
}

/// Starts services one after the other. Returns them with the variables of the application.
///
/// # Errors
/// One is not installed, fails, or is not ready in time. Those before it are stopped.
pub(super) async fn start_all(
    services: &[Service],
    place: ServicePlace<'_>,
) -> Result<(Vec<RunningService>, Vec<(String, String)>), StartError> {
    let mut running = Vec::new();
    for service in services {
        match start(service, place).await {
            Ok(started) => running.push(started),
            Err(error) => {
                // Why it did not start matters more than how the others stopped.
                let _ = stop_all(running).await;
                return Err(error);
            }
        }
    }
    let environment = running.iter().flat_map(|service| service.environment.clone()).collect();
    Ok((running, environment))
}

/// Stops services in the reverse order of their start, and removes their state.
///
/// # Errors
/// The first failure; the remaining services are stopped all the same.
pub(super) async fn stop_all(services: Vec<RunningService>) -> io::Result<()> {
    let mut outcome = Ok(());
    for RunningService { process, state, .. } in services.into_iter().rev() {
        let stopped = process.stop().await;
        let removed = std::fs::remove_dir_all(state);
        outcome = outcome.and(stopped.map(|_| ())).and(removed);
    }
    outcome
}

/// What the commands of a service have in common.
struct Surroundings<'a> {
    lab: &'a Path,
    service: &'a Service,
    cores: &'a [u16],
    visit: &'a Path,
    state: PathBuf,
    /// Its address for this machine.
    address: SocketAddr,
    environment: Vec<(String, String)>,
}

impl Surroundings<'_> {
    fn fill(&self, text: &ServiceText) -> String {
        self.fill_for(self.address, text)
    }

    fn fill_for(&self, address: SocketAddr, text: &ServiceText) -> String {
        text.fill(&address.ip().to_string(), address.port(), &self.state.display().to_string())
    }

    /// A command line as the shell's arguments.
    fn shell(&self, command: &str) -> Vec<String> {
        let changes_user = self.service.kind.is_some_and(|kind| kind.refuses_root) && is_root();
        let prefix = if changes_user { NOT_ROOT.split(' ').collect() } else { Vec::new() };
        prefix.into_iter().chain(["sh", "-c", command]).map(str::to_owned).collect()
    }

    /// Runs a command that prepares the service to its end.
    async fn run(&self, key: &str, command: &ServiceText) -> Result<(), StartError> {
        let command = self.fill(command);
        let shell = ShellCommand {
            title: format!("`{key}` of the service `{}`", self.service.name),
            log: self.visit.join(format!("service-{}.{key}.log", self.service.name)),
            program: self.shell(&command),
            command,
            environment: self.environment.clone(),
            folder: Some(self.state.clone()),
        };
        shell_command::run(self.lab, &shell, self.cores).await
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A service that runs, and is not ready yet.
struct StartedService {
    process: Guarded,
    /// Its address for this machine, and for the application.
    address: SocketAddr,
    app_address: SocketAddr,
    port: Option<HeldPort>,
}

async fn start(service: &Service, place: ServicePlace<'_>) -> Result<RunningService, StartError> {
    let ServicePlace { lab, cores, visit, .. } = place;
    let state = visit.join(format!("service-{}", service.name));
    create_folder(&state)?;
    let environment = service.kind.map_or(Ok(Vec::new()), |kind| path_variable(&service.name, kind))?;
    let nowhere = SocketAddr::new(place.host, 0);
    let mut own = Surroundings { lab, service, cores, visit, state, address: nowhere, environment };
    let started = match &service.program {
        ServiceProgram::Command(command) => start_process(command, &mut own, place.host).await?,
        ServiceProgram::Image(image) => start_container(image, &own, place).await?,
    };
    let StartedService { mut process, address, app_address, port } = started;
    own.address = address;
    let outcome = match wait(&own, &mut process).await {
        Ok(()) => match &service.then {
            Some(then) => own.run("then", then).await,
            None => Ok(()),
        },
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        // Why it was not ready matters more than how it stopped.
        let _ = process.stop().await;
        return Err(error);
    }
    let filled = service.environment.iter().map(|(name, value)| (name.clone(), own.fill_for(app_address, value)));
    let environment = filled.collect();
    Ok(RunningService { process, state: own.state, environment, _port: port })
}

async fn start_process(
    command: &ServiceText,
    own: &mut Surroundings<'_>,
    host: IpAddr,
) -> Result<StartedService, StartError> {
    let name = &own.service.name;
    let port = HeldPort::at(host).map_err(io_error(format!("reserve a port for the service `{name}`")))?;
    own.address = port.address();
    if let Some(prepare) = &own.service.prepare {
        own.run("prepare", prepare).await?;
    }
    let program = Program {
        command: own.shell(&own.fill(command)),
        environment: own.environment.clone(),
        folder: Some(own.state.clone()),
        cores: own.cores.to_vec(),
        grace: STOP_GRACE,
        sockets: Vec::new(),
        input: None,
        output: Output::File(own.visit.join(format!("service-{name}.log"))),
    };
    let process = Guarded::start(own.lab, program).map_err(io_error(format!("start the service `{name}`")))?;
    Ok(StartedService { process, address: own.address, app_address: own.address, port: Some(port) })
}

async fn start_container(
    image: &ServiceImage,
    own: &Surroundings<'_>,
    place: ServicePlace<'_>,
) -> Result<StartedService, StartError> {
    let name = own.service.name.clone();
    let Some(containers) = place.containers else {
        return Err(StartError::NoService { name, reason: "its image needs a container engine".to_owned() });
    };
    let Surroundings { lab, cores, visit, .. } = *own;
    let container = ServiceContainer { lab, name: &name, image, cores, visit, visit_name: place.visit_name };
    match containers.start(container).await? {
        (process, Some(addresses)) => {
            let app_address = if place.is_app_in_network { addresses.inside } else { addresses.outside };
            Ok(StartedService { process, address: addresses.outside, app_address, port: None })
        }
        (process, None) => {
            let log = process.log().to_owned();
            let outcome = match process.stop().await {
                Ok(status) => format!("ended with {status} before it was ready"),
                Err(error) => format!("could not be started: {error}"),
            };
            let last_lines = ready::last_lines(&log, EXCERPT_LINES);
            Err(StartError::Service { name, outcome, log, last_lines })
        }
    }
}

/// Why a kind of service cannot run on this machine.
#[must_use]
pub fn missing(kind: &ServiceKind) -> Option<String> {
    let is_there = provision::is_on_path(kind.program) || newest_version(kind).is_some();
    (!is_there).then(|| format!("`{}` is not installed: apt-get install {}", kind.program, kind.package))
}

/// The folder of the programs of a kind's newest version, where versions have folders of their own.
fn newest_version(kind: &ServiceKind) -> Option<PathBuf> {
    let folders = kind.versions.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let bins = folders.map(|version| version.path().join("bin")).filter(|bin| bin.join(kind.program).is_file());
    bins.max_by_key(|bin| {
        let name = bin.parent()?.file_name()?.to_str()?;
        name.parse::<u32>().ok()
    })
}

/// The path with the folders that a kind's programs may be in.
fn path_variable(service: &str, kind: &ServiceKind) -> Result<Vec<(String, String)>, StartError> {
    if let Some(reason) = missing(kind) {
        return Err(StartError::NoService { name: service.to_owned(), reason });
    }
    let newest = newest_version(kind).filter(|_| !provision::is_on_path(kind.program));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let admin = provision::ADMIN_FOLDERS.map(PathBuf::from);
    let joined = std::env::join_paths(newest.into_iter().chain(std::env::split_paths(&path)).chain(admin));
    Ok(joined.map_or_else(|_| Vec::new(), |path| vec![("PATH".to_owned(), path.to_string_lossy().into_owned())]))
}

/// Waits until the service is ready.
async fn wait(own: &Surroundings<'_>, process: &mut Guarded) -> Result<(), StartError> {
    let Surroundings { service, .. } = own;
    let mut observed = "it was never asked".to_owned();
    let ready = async {
        loop {
            let ended = process.try_wait().map_err(io_error(format!("wait for the service `{}`", service.name)))?;
            if let Some(status) = ended {
                return Ok(Some(format!("ended with {status} before it was ready")));
            }
            match tokio::time::timeout(LOOK, look(own)).await {
                Ok(Ok(())) => return Ok(None),
                Ok(Err(reason)) => observed = reason,
                Err(_) => observed = "it does not respond".to_owned(),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    let outcome = match tokio::time::timeout(service.deadline, ready).await {
        Ok(Ok(None)) => return Ok(()),
        Ok(Ok(Some(outcome))) => outcome,
        Ok(Err(error)) => return Err(error),
        Err(_) => format!("was not ready within {} s: {observed}", service.deadline.as_secs_f64()),
    };
    let log = process.log().to_owned();
    let last_lines = ready::last_lines(&log, EXCERPT_LINES);
    Err(StartError::Service { name: service.name.clone(), outcome, log, last_lines })
}

/// Whether it is ready now; otherwise the reason why not.
async fn look(own: &Surroundings<'_>) -> Result<(), String> {
    let message = |error: io::Error| error.to_string();
    match &own.service.readiness {
        Readiness::Port => TcpStream::connect(own.address).await.map(drop).map_err(message),
        Readiness::Unix(path) => UnixStream::connect(own.fill(path)).await.map(drop).map_err(message),
        Readiness::Command(command) => {
            let mut shell = tokio::process::Command::new("sh");
            shell.arg("-c").arg(own.fill(command)).envs(own.environment.clone()).current_dir(&own.state);
            shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
            let status = shell.status().await.map_err(message)?;
            if status.success() { Ok(()) } else { Err(format!("its `ready` command ended with {status}")) }
        }
        Readiness::Http(path) => match ready::status_of(own.address, path).await {
            Ok(status) if status < 500 => Ok(()),
            Ok(status) => Err(format!("it responds with {status}")),
            Err(error) => Err(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::service::SERVICE_KINDS;

    #[test]
    fn missing_program_is_named_with_its_package() {
        let kind = ServiceKind { program: "lab-no-such-server", package: "no-such-package", ..*SERVICE_KINDS[0] };
        let reason = "`lab-no-such-server` is not installed: apt-get install no-such-package";
        assert_eq!(missing(&kind).as_deref(), Some(reason));
    }
}
