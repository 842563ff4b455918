//! The site of a run in the engine: its network, lab's own images, and the reaper that removes all in the end.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use testcontainers::bollard::models::NetworkCreateRequest;
use testcontainers::bollard::query_parameters::InspectNetworkOptions;

use super::engine::{Engine, EngineError};
use super::image::{self, ImageError, Own};
use super::labels::{self, Life, Owner};
use super::order::Mounted;
use super::python::{Environment, EnvironmentError};
use super::{reaper, sweep};
use crate::stack::guarded::{Guarded, Kept};
use crate::stack::ready::last_lines;

/// Who runs containers of a lab that runs as root: nobody, on every distribution.
const NOBODY: u32 = 65_534;
/// How long the removal of a dead run may take: another lab may be removing the same, and an image cannot go before its
/// last container has gone.
const SWEEP_DEADLINE: Duration = Duration::from_secs(3);

/// A run's place in an engine.
#[derive(Debug)]
pub struct Site {
    pub(super) engine: Engine,
    pub(super) labels: HashMap<String, String>,
    pub(super) network: String,
    /// The host's own address in the run's network.
    pub(super) gateway: IpAddr,
    /// Who runs the containers, and whom their folders belong to.
    pub(super) user: User,
    own_images: BTreeMap<Option<PathBuf>, Furnished>,
    reaper: Guarded,
}

/// lab's own image, and what its containers see of this machine besides.
#[derive(Debug, Clone)]
pub(super) struct Furnished {
    pub(super) own: Own,
    pub(super) mounts: Vec<Mounted>,
}

/// The user of containers: by number inside, and by number on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    /// `uid` and `gid` inside.
    pub(super) inside: (u32, u32),
    /// Whom to give the folders that containers write into, where that is not lab's own user.
    pub(super) owner: Option<(u32, u32)>,
}

/// Why a run has no place in an engine.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// There is no engine, or it refuses.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// lab's own image cannot be made.
    #[error("cannot make the image of lab itself")]
    Image(#[from] ImageError),
    /// What an environment needs in a container is not known.
    #[error("cannot take a Python environment into a container")]
    Environment(#[from] EnvironmentError),
    /// The system refused something.
    #[error("cannot {what}")]
    Io {
        /// What.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// What the run made may not all be removed.
    #[error("something of this run may be left in the engine; `lab clean` removes it\n  log: {}{last_lines}", log.display())]
    NotClean {
        /// The reaper's log.
        log: PathBuf,
        /// What it says.
        last_lines: String,
    },
}

impl Site {
    /// Finds the engine, removes what dead runs have left in it, and makes the network of `run`.
    ///
    /// `lab` is the binary that plays the reaper, `folder` the run's.
    ///
    /// # Errors
    /// [`SiteError`]; what was made by then is removed.
    pub async fn open(lab: &Path, run: &str, folder: &Path) -> Result<Site, SiteError> {
        let engine = Engine::find().await?;
        let owner = Owner::this_process().map_err(|source| SiteError::Io { what: "read /proc", source })?;
        for (dead, left) in sweep::left(&engine).await? {
            if left.life == Life::Ended {
                // What cannot be removed now is looked at again at the next start.
                let _ = sweep::remove_run(&engine, &dead, SWEEP_DEADLINE).await;
            }
        }
        let reaper = Guarded::keep(
            lab,
            Kept {
                arguments: vec!["reap".to_owned(), run.to_owned()],
                engine: engine.endpoint.to_string(),
                log: folder.join("containers.log"),
                tells: false,
                deadline: reaper::DEADLINE,
            },
        )
        .map_err(|source| SiteError::Io { what: "start the reaper", source })?;
        let labels = labels::of_run(run, &owner);
        let network = format!("lab-{run}");
        let request = NetworkCreateRequest {
            name: network.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels.clone()),
            ..NetworkCreateRequest::default()
        };
        engine.docker.create_network(request).await.map_err(EngineError::refused("create a network"))?;
        let seen = engine.docker.inspect_network(&network, None::<InspectNetworkOptions>).await;
        let seen = seen.map_err(EngineError::refused("describe a network"))?;
        let ranges = seen.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let gateway = ranges.iter().find_map(|range| range.gateway.as_ref()?.parse::<IpAddr>().ok());
        let untold = || SiteError::Io { what: "use the network", source: io::Error::other("it has no gateway") };
        let user = User::for_engine(&engine);
        Ok(Site {
            gateway: gateway.ok_or_else(untold)?,
            engine,
            labels,
            network,
            user,
            own_images: BTreeMap::new(),
            reaper,
        })
    }

    /// The image of lab itself, made when it is first asked for; with a virtual environment one for that, whose containers
    /// see the environment.
    pub(super) async fn own_image(
        &mut self,
        lab: &Path,
        run: &str,
        venv: Option<&Path>,
    ) -> Result<Furnished, SiteError> {
        let key = venv.map(Path::to_owned);
        if let Some(furnished) = self.own_images.get(&key) {
            return Ok(furnished.clone());
        }
        let environment = match key.clone() {
            None => Environment::default(),
            // It starts a program for each module that is not Python.
            Some(venv) => match tokio::task::spawn_blocking(move || Environment::of(&venv)).await {
                Ok(environment) => environment?,
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            },
        };
        let tag = match self.own_images.len() {
            0 => run.to_owned(),
            others => format!("{run}-{others}"),
        };
        let own = image::own(&self.engine, lab, &environment.libraries, tag, &self.labels).await?;
        let mounts = environment.mounts.into_iter().map(|path| Mounted { path, writable: false }).collect();
        let furnished = Furnished { own, mounts };
        self.own_images.insert(key, furnished.clone());
        Ok(furnished)
    }

    /// Whether a connection from here to `address` of the run's network goes there directly: from the host's own
    /// address in that network, through no port that is published and no process that copies.
    pub(super) fn reaches(&self, address: IpAddr) -> bool {
        // A UDP socket that is connected has asked for a route and sent nothing.
        let here = UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0));
        let routed = here.and_then(|socket| socket.connect(SocketAddr::new(address, 9)).and(socket.local_addr()));
        routed.is_ok_and(|from| from.ip() == self.gateway)
    }

    /// Removes everything of the run and waits for it.
    ///
    /// # Errors
    /// [`SiteError::NotClean`].
    pub async fn close(self) -> Result<(), SiteError> {
        let log = self.reaper.log().to_owned();
        match self.reaper.stop().await {
            Ok(status) if status.success() => Ok(()),
            _ => {
                let said = last_lines(&log, 5);
                let last_lines = said.lines().map(|line| format!("\n  | {line}")).collect();
                Err(SiteError::NotClean { log, last_lines })
            }
        }
    }
}

impl User {
    /// lab's own user; nobody, if that is root; and in a rootless engine that cannot keep lab's, root, which is whoever
    /// runs the engine.
    fn for_engine(engine: &Engine) -> User {
        let own = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        match own {
            _ if engine.rootless && engine.users().is_none() => User { inside: (0, 0), owner: None },
            (0, _) => User { inside: (NOBODY, NOBODY), owner: Some((NOBODY, NOBODY)) },
            own => User { inside: own, owner: None },
        }
    }
}
