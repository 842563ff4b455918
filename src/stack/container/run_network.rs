//! A run's share of the container engine: its network, lab's own images, and the reaper that removes them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use testcontainers::bollard::models::NetworkCreateRequest;
use testcontainers::bollard::query_parameters::InspectNetworkOptions;

use super::container_spec::BindMount;
use super::engine::{Engine, EngineError};
use super::lab_image::{self, LabImage, LabImageError};
use super::labels::{self, Owner, RunState};
use super::python_environment::{EnvironmentError, MountedEnvironment};
use super::{reaper, sweep};
use crate::stack::guarded::{Guarded, KeeperProgram};
use crate::stack::ready::last_lines;

/// The UID for containers when lab runs as root: the user `nobody` on every distribution.
const NOBODY: u32 = 65_534;
/// How long the removal of a dead run may take. Another lab may be removing the same objects, and an image can only be
/// removed after its last container.
const SWEEP_DEADLINE: Duration = Duration::from_secs(3);

/// A run's network in an engine, with the images made for it.
#[derive(Debug)]
pub struct RunNetwork {
    pub(super) engine: Engine,
    pub(super) labels: HashMap<String, String>,
    pub(super) network: String,
    /// The host's own address in the run's network.
    pub(super) gateway: IpAddr,
    /// The user that runs the containers and owns their folders.
    pub(super) user: User,
    lab_images: BTreeMap<Option<PathBuf>, PreparedImage>,
    reaper: Guarded,
}

/// lab's own image, and the files of this machine that its containers need.
#[derive(Debug, Clone)]
pub(super) struct PreparedImage {
    pub(super) image: LabImage,
    pub(super) mounts: Vec<BindMount>,
}

/// The user of containers: by number inside, and by number on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    /// `uid` and `gid` inside.
    pub(super) inside: (u32, u32),
    /// The owner of the folders that containers write into, where that is not lab's own user.
    pub(super) owner: Option<(u32, u32)>,
}

/// Why a run cannot use an engine.
#[derive(Debug, thiserror::Error)]
pub enum RunNetworkError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot make the image of lab itself")]
    Image(#[from] LabImageError),
    #[error("cannot use a Python environment in a container")]
    Environment(#[from] EnvironmentError),
    #[error("cannot {operation}")]
    Io {
        /// In the imperative, as in "read /proc".
        operation: &'static str,
        source: io::Error,
    },
    #[error("objects of this run may be left in the engine; `lab clean` removes them\n  log: {}{last_lines}", log.display())]
    NotClean {
        /// The reaper's log and its end.
        log: PathBuf,
        last_lines: String,
    },
}

impl RunNetwork {
    /// Finds the engine, removes leftovers of dead runs, and makes the network of `run`.
    ///
    /// `lab` is the binary of the reaper, `folder` the run's.
    ///
    /// # Errors
    /// [`RunNetworkError`]. Objects made before the error are removed.
    pub async fn open(lab: &Path, run: &str, folder: &Path) -> Result<RunNetwork, RunNetworkError> {
        let engine = Engine::find().await?;
        let owner = Owner::this_process().map_err(|source| RunNetworkError::Io { operation: "read /proc", source })?;
        for (dead, left) in sweep::find_leftovers(&engine).await? {
            if left.state == RunState::Ended {
                // The next start retries what cannot be removed now.
                let _ = sweep::remove_run(&engine, &dead, SWEEP_DEADLINE).await;
            }
        }
        let reaper = Guarded::keep(
            lab,
            KeeperProgram {
                arguments: vec!["reap".to_owned(), run.to_owned()],
                engine: Some(engine.endpoint.to_string()),
                log: folder.join("containers.log"),
                pipes_stdout: false,
                deadline: reaper::DEADLINE,
            },
        )
        .map_err(|source| RunNetworkError::Io { operation: "start the reaper", source })?;
        let labels = labels::run_labels(run, &owner);
        let network = format!("lab-{run}");
        let request = NetworkCreateRequest {
            name: network.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels.clone()),
            ..NetworkCreateRequest::default()
        };
        engine.docker.create_network(request).await.map_err(EngineError::refused("create a network"))?;
        let inspected = engine.docker.inspect_network(&network, None::<InspectNetworkOptions>).await;
        let inspected = inspected.map_err(EngineError::refused("describe a network"))?;
        let ranges = inspected.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let gateway = ranges.iter().find_map(|range| range.gateway.as_ref()?.parse::<IpAddr>().ok());
        let no_gateway =
            || RunNetworkError::Io { operation: "use the network", source: io::Error::other("it has no gateway") };
        let user = User::for_engine(&engine);
        Ok(RunNetwork {
            gateway: gateway.ok_or_else(no_gateway)?,
            engine,
            labels,
            network,
            user,
            lab_images: BTreeMap::new(),
            reaper,
        })
    }

    /// lab's own image, made on first use; one for each virtual environment, with the mounts that the environment needs.
    pub(super) async fn lab_image(
        &mut self,
        lab: &Path,
        run: &str,
        venv: Option<&Path>,
    ) -> Result<PreparedImage, RunNetworkError> {
        let key = venv.map(Path::to_owned);
        if let Some(prepared) = self.lab_images.get(&key) {
            return Ok(prepared.clone());
        }
        let environment = match key.clone() {
            None => MountedEnvironment::default(),
            Some(venv) => MountedEnvironment::read(venv).await?,
        };
        let tag = match self.lab_images.len() {
            0 => run.to_owned(),
            others => format!("{run}-{others}"),
        };
        let image = lab_image::import(&self.engine, lab, &environment.libraries, tag, &self.labels).await?;
        let mounts = environment.mounts.into_iter().map(|path| BindMount { path, writable: false }).collect();
        let prepared = PreparedImage { image, mounts };
        self.lab_images.insert(key, prepared.clone());
        Ok(prepared)
    }

    /// Whether a connection from this machine to `address` in the run's network is direct: from the host's own address in
    /// that network, without a published port or a copying process.
    pub(super) fn reaches(&self, address: IpAddr) -> bool {
        // Connecting a UDP socket looks up a route and sends nothing.
        let here = UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0));
        let routed = here.and_then(|socket| socket.connect(SocketAddr::new(address, 9)).and(socket.local_addr()));
        routed.is_ok_and(|from| from.ip() == self.gateway)
    }

    /// Removes all objects of the run, and waits until they are gone.
    ///
    /// # Errors
    /// [`RunNetworkError::NotClean`].
    pub async fn close(self) -> Result<(), RunNetworkError> {
        let log = self.reaper.log().to_owned();
        match self.reaper.stop().await {
            Ok(status) if status.success() => Ok(()),
            _ => {
                let excerpt = last_lines(&log, 5);
                let last_lines = excerpt.lines().map(|line| format!("\n  | {line}")).collect();
                Err(RunNetworkError::NotClean { log, last_lines })
            }
        }
    }
}

impl User {
    /// lab's own UID; `nobody` if lab is root; container root (the engine's user) on rootless engines without keep-id.
    fn for_engine(engine: &Engine) -> User {
        let own = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        match own {
            _ if engine.rootless && engine.users().is_none() => User { inside: (0, 0), owner: None },
            (0, _) => User { inside: (NOBODY, NOBODY), owner: Some((NOBODY, NOBODY)) },
            own => User { inside: own, owner: None },
        }
    }
}
