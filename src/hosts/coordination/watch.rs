//! The containers of a stack on one node, whose use is read within the window.

use serde::{Deserialize, Serialize};

use super::super::protocol::{WatchedContainer, WatchedUse};

/// Containers and the agent on their node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchTask {
    /// The position of the agent.
    pub agent: usize,
    pub containers: Vec<WatchedContainer>,
}

/// Watched containers, with their use once it is reported.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) task: WatchTask,
    pub(super) used: Option<WatchedUse>,
}

impl Watch {
    pub(super) fn new(task: WatchTask) -> Watch {
        Watch { task, used: None }
    }

    /// Takes the agent's report. `None` if there was one already, or if it has another number of containers.
    pub(super) fn take(&mut self, used: &WatchedUse) -> Option<()> {
        let is_awaited = self.used.is_none() && used.containers.len() == self.task.containers.len();
        is_awaited.then(|| self.used = Some(used.clone()))
    }
}
