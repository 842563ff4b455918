//! Where stacks and drivers run: on cores of this machine, or on nodes of a swarm.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

/// Where stacks and drivers run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// On this machine disjoint halves of the cores that lab may use, unpinned if there is only one; in a swarm any nodes.
    Auto,
    /// Disjoint and not empty.
    Pinned {
        /// The cores of the load driver.
        load: Vec<u16>,
        /// The cores of every component of the stack.
        stack: Vec<u16>,
    },
    /// In a swarm these nodes; on this machine as [`Placement::Auto`].
    Nodes(Box<NodePlacement>),
}

/// The nodes of a swarm that components and drivers ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlacement {
    pub proxy: NodeRequest,
    pub server: NodeRequest,
    pub load: NodeRequest,
    /// The number of drivers, each on a node of its own.
    pub spread: NonZeroU32,
    /// From where nodes pull the images that lab makes; without one, only the manager has them.
    pub registry: Option<String>,
}

/// What a component asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeRequest {
    pub selector: NodeSelector,
    /// Its cores there; empty leaves them to lab.
    pub cores: Vec<u16>,
}

/// The nodes that would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeSelector {
    Named(String),
    /// Any node that has all of these; without labels any node at all.
    Labelled(BTreeMap<String, String>),
}

impl Placement {
    /// What is asked for in a swarm.
    #[must_use]
    pub fn in_swarm(&self) -> NodePlacement {
        match self {
            Placement::Auto | Placement::Pinned { .. } => NodePlacement::default(),
            Placement::Nodes(nodes) => (**nodes).clone(),
        }
    }
}

/// Any nodes, and a single driver.
impl Default for NodePlacement {
    fn default() -> NodePlacement {
        let any = NodeRequest::default();
        NodePlacement { proxy: any.clone(), server: any.clone(), load: any, spread: NonZeroU32::MIN, registry: None }
    }
}

/// Any node.
impl Default for NodeSelector {
    fn default() -> NodeSelector {
        NodeSelector::Labelled(BTreeMap::new())
    }
}

impl fmt::Display for NodeSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeSelector::Named(name) => write!(f, "the node {name}"),
            NodeSelector::Labelled(labels) if labels.is_empty() => f.write_str("any node"),
            NodeSelector::Labelled(labels) => {
                f.write_str("a node with")?;
                labels.iter().try_for_each(|(label, value)| write!(f, " {label}={value}"))
            }
        }
    }
}
