//! A run's share of a swarm: its overlay network, its labels, and the reaper that removes everything.

use std::path::Path;

use super::docker_client::DockerClient;
use super::{SwarmError, reaper};
use crate::stack::container::labels::{self, Owner};
use crate::stack::guarded::{Guarded, KeeperProgram};
use crate::stack::ready::last_lines;

/// Lines of the reaper's log in an error.
const EXCERPT_LINES: usize = 5;

/// A run's place in a swarm.
#[derive(Debug)]
pub struct RunSwarm {
    pub docker: DockerClient,
    /// The run's name, as objects of the engine can have it.
    pub run: String,
    /// The overlay network.
    pub network: String,
    labels: Vec<(String, String)>,
    reaper: Guarded,
}

impl RunSwarm {
    /// Makes the network of `run`. `lab` is the binary of the reaper, and `folder` has its log.
    ///
    /// # Errors
    /// The context has no manager, or the reaper cannot be started. Objects made before the error are removed.
    pub async fn open(docker: DockerClient, lab: &Path, run: &str, folder: &Path) -> Result<RunSwarm, SwarmError> {
        let owner = Owner::this_process().map_err(|source| SwarmError::Io { operation: "read /proc", source })?;
        let mut labels: Vec<(String, String)> = labels::run_labels(run, &owner).into_iter().collect();
        labels.sort();
        let mut arguments = vec!["reap".to_owned(), run.to_owned(), "--swarm".to_owned()];
        arguments.extend(docker.context_arguments());
        let reaper = Guarded::keep(
            lab,
            KeeperProgram {
                arguments,
                engine: None,
                log: folder.join("swarm.log"),
                pipes_stdout: false,
                deadline: reaper::DEADLINE,
            },
        )
        .map_err(|source| SwarmError::Io { operation: "start the reaper", source })?;
        let run = run.to_lowercase();
        let network = format!("lab-{run}");
        let swarm = RunSwarm { docker, run, network, labels, reaper };
        let mut create = vec!["network", "create", "--driver", "overlay", "--attachable"];
        let labels = swarm.label_arguments();
        create.extend(labels.iter().map(String::as_str));
        create.push(&swarm.network);
        swarm.docker.run("create an overlay network", &create).await?;
        Ok(swarm)
    }

    /// The name of an object of the run.
    #[must_use]
    pub fn name(&self, object: &str) -> String {
        format!("lab-{}-{object}", self.run)
    }

    /// The labels of all objects of the run.
    #[must_use]
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// The options that give an object these labels.
    #[must_use]
    pub fn label_arguments(&self) -> Vec<String> {
        self.labels.iter().flat_map(|(name, value)| ["--label".to_owned(), format!("{name}={value}")]).collect()
    }

    /// Removes all objects of the run, and waits until they are gone.
    ///
    /// # Errors
    /// [`SwarmError::NotClean`].
    pub async fn close(self) -> Result<(), SwarmError> {
        let log = self.reaper.log().to_owned();
        match self.reaper.stop().await {
            Ok(status) if status.success() => Ok(()),
            _ => {
                let excerpt = last_lines(&log, EXCERPT_LINES);
                let last_lines = excerpt.lines().map(|line| format!("\n  | {line}")).collect();
                Err(SwarmError::NotClean { log, last_lines })
            }
        }
    }
}
