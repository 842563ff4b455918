//! The resource use of a component within a window.

use serde::{Deserialize, Serialize};

use super::growth::GrowthRates;
use crate::measure::footprint::{Footprint, Memory, Peaks};
use crate::measure::resources::ResourceUse;
use crate::stack::Role;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentUse {
    pub role: Role,
    #[serde(flatten)]
    pub used: ResourceUse,
    /// The memory once the stack was ready, before any load. `None` if it could not be read.
    #[serde(default)]
    pub at_rest: Option<Memory>,
    #[serde(flatten)]
    pub peaks: Peaks,
    /// Handshakes that the listening socket dropped within the window, for a full accept queue or another reason. `None`
    /// where the kernel does not report them.
    pub accept_queue_drops: Option<u64>,
    /// Connections accepted from the driver's start to the window's end, warm-up included: for the outermost component,
    /// those of the driver. Connections that were ending at either instant may be counted wrongly. `None` where the kernel
    /// does not report them.
    #[serde(default)]
    pub accepted_connections: Option<u64>,
    /// What the component held more of with each request; `None` if the window had too few samples or requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<GrowthRates>,
    /// What the component held, from the start of the window to its end. Empty in an abridged record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<Footprint>,
}
