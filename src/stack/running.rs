//! A stack that is running: its components, what they use, and their end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitStatus;

use super::app_observer::AppObserver;
use super::component_spec::ImageIdentity;
use super::guarded::{Guarded, HeldPort};
use super::relay::Relay;
use super::service::{self, RunningService};
use super::{EXCERPT_LINES, Role, log_excerpt, ready};
use crate::measure::cgroup::{Cgroup, CgroupError, GroupSample};
use crate::measure::footprint::{Footprint, Memory};
use crate::measure::procfs::{self, ProcfsError};
use crate::measure::resources::{ResourceUse, Sample};

/// The processes that belong to a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessScope {
    /// The descendants of its guard.
    Guarded,
    /// Those of a container's control group.
    Cgroup(Cgroup),
    /// A container's first process and its descendants: rootless engines without delegation give containers no control
    /// groups of their own.
    Tree {
        /// The first process, in this machine's numbering.
        pid: u32,
    },
    /// Processes on another machine, which an agent there reads.
    Remote,
}

/// A reading of what a component has used since it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageSample {
    /// Summed over its processes.
    Processes(Sample),
    /// Read from its control group.
    Cgroup(GroupSample),
}

impl UsageSample {
    /// The use between `earlier` and this sample.
    #[must_use]
    pub fn since(&self, earlier: &UsageSample) -> ResourceUse {
        match (self, earlier) {
            (UsageSample::Cgroup(now), UsageSample::Cgroup(then)) => now.since(then),
            (now, then) => now.processes().since(then.processes()),
        }
    }

    fn processes(&self) -> &Sample {
        match self {
            UsageSample::Processes(sample) => sample,
            UsageSample::Cgroup(group) => &group.processes,
        }
    }
}

/// Why a component's use cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error(transparent)]
    Processes(#[from] ProcfsError),
    /// Most likely its container has ended.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Its guard or keeper has ended.
    #[error("it has ended")]
    Ended,
    #[error("it is on another machine")]
    Remote,
}

/// A component that ended by itself, or that can no longer be watched.
#[derive(Debug, thiserror::Error)]
pub enum ComponentFailure {
    #[error("the {role} has ended with {status}{}", log_excerpt(log, &Some(last_lines.clone())))]
    Ended { role: Role, status: ExitStatus, log: PathBuf, last_lines: String },
    #[error("the {role} cannot be watched: {error}{}", log_excerpt(log, &Some(last_lines.clone())))]
    Unwatchable { role: Role, error: io::Error, log: PathBuf, last_lines: String },
}

/// A running part of a stack.
#[derive(Debug)]
pub struct RunningComponent {
    pub role: Role,
    /// Its kind and version, as in `lab 0.1.0` and `gunicorn/gthread 27.0.1`.
    pub version: String,
    pub address: SocketAddr,
    /// Where it listens with TLS, if it does.
    pub tls_address: Option<SocketAddr>,
    /// Its guard, its keeper, or the follower of its log on another machine.
    pub process: Guarded,
    pub scope: ProcessScope,
    /// The copies of files that it reads, each with the original's name.
    pub originals: Vec<(String, String)>,
    /// The image of its container, if that is not lab's own.
    pub image: Option<ImageIdentity>,
    /// Its memory when the stack was ready, after no request but the readiness probe's.
    pub at_rest: Option<Memory>,
    /// Hold the ports that it bound by itself.
    pub(super) _ports: Vec<HeldPort>,
}

impl RunningComponent {
    /// What it has used so far.
    ///
    /// # Errors
    /// It has ended.
    pub fn used(&self) -> Result<UsageSample, SampleError> {
        let guard = self.process.pid().ok_or(SampleError::Ended)?;
        Ok(match &self.scope {
            ProcessScope::Guarded => UsageSample::Processes(procfs::read_descendants(guard)?),
            ProcessScope::Cgroup(group) => UsageSample::Cgroup(group.read()?),
            ProcessScope::Tree { pid } => UsageSample::Processes(procfs::read_component(*pid)?),
            ProcessScope::Remote => return Err(SampleError::Remote),
        })
    }

    /// What its processes hold now.
    ///
    /// # Errors
    /// It has ended.
    pub fn footprint(&self) -> Result<Footprint, SampleError> {
        let guard = self.process.pid().ok_or(SampleError::Ended)?;
        Ok(match &self.scope {
            ProcessScope::Guarded => procfs::descendants_footprint(guard)?,
            ProcessScope::Cgroup(group) => group.footprint()?,
            ProcessScope::Tree { pid } => {
                let mut pids = procfs::descendants_of(*pid)?;
                pids.push(*pid);
                procfs::footprint(&pids)
            }
            ProcessScope::Remote => return Err(SampleError::Remote),
        })
    }

    /// The port under which this machine's kernel counts its connections; `None` for a container, whose ports are in a
    /// network namespace of its own.
    #[must_use]
    pub fn counted_port(&self) -> Option<u16> {
        (self.scope == ProcessScope::Guarded).then(|| self.address.port())
    }

    fn failure(&mut self) -> Option<ComponentFailure> {
        let ended = self.process.try_wait();
        let (role, log) = (self.role, self.process.log().to_owned());
        let last_lines = || ready::last_lines(&log, EXCERPT_LINES);
        match ended {
            Ok(None) => None,
            Ok(Some(status)) => Some(ComponentFailure::Ended { role, status, last_lines: last_lines(), log }),
            Err(error) => Some(ComponentFailure::Unwatchable { role, error, last_lines: last_lines(), log }),
        }
    }
}

/// A stack that is up. Dropping it stops it in the background.
#[derive(Debug)]
pub struct RunningStack {
    /// From the client inwards: the proxy (if any), then the server.
    pub components: Vec<RunningComponent>,
    /// The client's address as the stack sees it, where it differs from the one on this machine.
    pub client: Option<IpAddr>,
    /// Texts that differ from start to start, each with the placeholder that replaces it in observations. A text comes
    /// before its own prefixes.
    pub names: Vec<(String, String)>,
    /// Records the requests at the server, for checks.
    pub relay: Option<Relay>,
    /// Records the requests as the application sees them, for checks.
    pub observer: Option<AppObserver>,
    /// The services of its application, which clients do not reach.
    pub services: Vec<RunningService>,
}

impl RunningStack {
    /// A stack that is ready now. Records what its components hold at rest; a reading that fails is left out.
    pub(super) fn ready(
        mut components: Vec<RunningComponent>,
        client: Option<IpAddr>,
        names: Vec<(String, String)>,
    ) -> RunningStack {
        for component in &mut components {
            component.at_rest = component.footprint().ok().map(|footprint| footprint.memory());
        }
        RunningStack { components, client, names, relay: None, observer: None, services: Vec::new() }
    }

    /// The address for clients: that of the outermost component, or of the relay in front of it.
    #[must_use]
    pub fn entry(&self) -> SocketAddr {
        match (&self.relay, self.components.as_slice()) {
            (Some(relay), [_server]) => relay.address(),
            _ => self.components[0].address,
        }
    }

    /// The address that TLS clients connect to; `None` if the outermost component has none.
    #[must_use]
    pub fn tls_entry(&self) -> Option<SocketAddr> {
        self.components[0].tls_address
    }

    /// The first component that has ended by itself; `None` while all are running.
    pub fn failure(&mut self) -> Option<ComponentFailure> {
        self.components.iter_mut().find_map(RunningComponent::failure)
    }

    /// Stops every component, from the client inwards, then the services, and waits until all are gone.
    ///
    /// # Errors
    /// The first failure; the remaining components are stopped all the same.
    pub async fn stop(self) -> io::Result<()> {
        let mut outcome = Ok(());
        for component in self.components {
            let stopped = component.process.stop().await;
            outcome = outcome.and(stopped.map(|_| ()));
        }
        outcome.and(service::stop_all(self.services).await)
    }
}
