//! Removes the objects of components, and waits until they are gone from their nodes.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use super::super::SwarmError;
use super::super::remote_stack::RemoteComponent;
use super::super::sweep::{self, SwarmObject};
use super::super::task;
use super::SwarmLauncher;

/// How long an ended component may take to be gone from its node.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const STOP_INTERVAL: Duration = Duration::from_millis(100);

impl SwarmLauncher {
    pub(super) async fn remove(&self, components: Vec<RemoteComponent>) -> Result<(), SwarmError> {
        let mut outcome = Ok(());
        for component in &components {
            let removed = self.remove_objects(&component.service, &component.configs).await;
            outcome = outcome.and(removed);
        }
        for component in components {
            outcome = outcome.and(self.wait_until_gone(&component).await);
        }
        outcome
    }

    pub(super) async fn remove_objects(&self, service: &str, configs: &[String]) -> Result<(), SwarmError> {
        let service = SwarmObject { kind: "service", name: service.to_owned() };
        sweep::remove(&self.swarm.docker, &service).await?;
        for config in configs {
            sweep::remove(&self.swarm.docker, &SwarmObject { kind: "config", name: config.clone() }).await?;
        }
        Ok(())
    }

    async fn wait_until_gone(&self, component: &RemoteComponent) -> Result<(), SwarmError> {
        let tasks = BTreeSet::from([component.task.id.clone()]);
        let gone = async {
            while !task::remaining(&self.swarm.docker, &tasks).await.is_empty() {
                tokio::time::sleep(STOP_INTERVAL).await;
            }
        };
        tokio::time::timeout(STOP_DEADLINE, gone).await.map_err(|_| SwarmError::Io {
            operation: "remove a component from its node",
            source: io::ErrorKind::TimedOut.into(),
        })
    }
}
