//! Which node gets which component and which driver. Pure.
//!
//! A role asks for a node by its name, or for any node with some labels. Drivers get nodes of their own; proxy and server
//! get nodes apart from each other and from the drivers as far as enough nodes match. The result does not depend on the
//! order in which an engine lists its nodes.

mod cores;
mod matching;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use crate::scenario::model::{NodePlacement, NodeRequest, NodeSelector};
use cores::divide_cores;
use matching::Matching;

/// A node of a swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The engine's identifier.
    pub id: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// The number of its cores.
    pub cores: u16,
    /// Why it takes no tasks: it is drained, paused or down. `None` if it does.
    pub unavailable: Option<String>,
}

/// A role in a stack's placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlacedRole {
    Load,
    Server,
    Proxy,
}

/// A node and some of its cores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The position of the node.
    pub node: usize,
    /// Empty if the node has a single core, which is shared.
    pub cores: Vec<u16>,
}

/// Where everything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub proxy: Option<Place>,
    pub server: Place,
    /// One for each driver, on different nodes.
    pub load: Vec<Place>,
}

/// Why nothing can be placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    #[error("no node matches {role}, {selector}; {}", node_list(.nodes))]
    NoNode { role: PlacedRole, selector: NodeSelector, nodes: Vec<Node> },
    #[error(
        "{role} needs a node for each of {spread} drivers, but only {}: {selector}; {}",
        match_count(*.matching),
        node_list(.nodes)
    )]
    TooFewNodes { role: PlacedRole, spread: NonZeroU32, matching: usize, selector: NodeSelector, nodes: Vec<Node> },
    #[error("{role} names core {core}, but node {node} has the cores 0 to {last}")]
    NoSuchCore { role: PlacedRole, core: u16, node: String, last: u16 },
    #[error("{role} names no cores, and the others have named all cores of node {node}")]
    NoCoreLeft { role: PlacedRole, node: String },
    #[error("{one} and {other} both name core {core} of node {node}; drivers and stacks would measure each other")]
    SharedCore { one: PlacedRole, other: PlacedRole, core: u16, node: String },
}

impl Assignment {
    /// Each role with its node and cores, in the order of a request. `nodes` are those that it was made from.
    #[must_use]
    pub fn rows(&self, nodes: &[Node]) -> Vec<(PlacedRole, String)> {
        let place = |Place { node, cores }: &Place| {
            let cores: Vec<String> = cores.iter().map(u16::to_string).collect();
            match cores.is_empty() {
                true => format!("{}, whose only core is shared", nodes[*node].name),
                false => format!("{}, cores {}", nodes[*node].name, cores.join(", ")),
            }
        };
        let load = self.load.iter().map(|load| (PlacedRole::Load, place(load)));
        let proxy = self.proxy.iter().map(|proxy| (PlacedRole::Proxy, place(proxy)));
        load.chain(proxy).chain([(PlacedRole::Server, place(&self.server))]).collect()
    }
}

/// Places a stack and its drivers on `nodes`.
///
/// # Errors
/// [`AssignmentError`].
pub fn assign(placement: &NodePlacement, has_proxy: bool, nodes: &[Node]) -> Result<Assignment, AssignmentError> {
    let mut matching = Matching::new(nodes.len());
    let load_candidates = candidates(PlacedRole::Load, &placement.load, nodes)?;
    let drivers: Vec<usize> = (0..placement.spread.get()).map(|_| matching.add(&load_candidates)).collect();
    if drivers.iter().any(|driver| matching.node_of(*driver).is_none()) {
        return Err(AssignmentError::TooFewNodes {
            role: PlacedRole::Load,
            spread: placement.spread,
            matching: load_candidates.len(),
            selector: placement.load.selector.clone(),
            nodes: nodes.to_vec(),
        });
    }
    let server_candidates = candidates(PlacedRole::Server, &placement.server, nodes)?;
    let server = matching.add(&server_candidates);
    let proxy = match has_proxy {
        false => None,
        true => {
            let found = candidates(PlacedRole::Proxy, &placement.proxy, nodes)?;
            Some((matching.add(&found), found))
        }
    };
    let load: Vec<usize> = drivers.iter().filter_map(|driver| matching.node_of(*driver)).collect();
    // Where nodes do not suffice, the stack shares one: rather among its own components than with a driver.
    let shared =
        |candidates: &[usize]| candidates.iter().copied().find(|node| !load.contains(node)).unwrap_or(candidates[0]);
    let server = matching.node_of(server).unwrap_or_else(|| shared(&server_candidates));
    let proxy = proxy.map(|(slot, found)| matching.node_of(slot).unwrap_or_else(|| shared(&found)));
    let mut roles: Vec<(PlacedRole, usize, &NodeRequest)> =
        load.iter().map(|node| (PlacedRole::Load, *node, &placement.load)).collect();
    roles.push((PlacedRole::Server, server, &placement.server));
    roles.extend(proxy.map(|node| (PlacedRole::Proxy, node, &placement.proxy)));
    let mut places = divide_cores(&roles, nodes)?.into_iter();
    let load = places.by_ref().take(load.len()).collect();
    // OK because there is a place for each role, in their order
    Ok(Assignment { load, server: places.next().expect("the server's place"), proxy: places.next() })
}

/// The nodes that a role may have, in the order of their names, at least one.
fn candidates(role: PlacedRole, request: &NodeRequest, nodes: &[Node]) -> Result<Vec<usize>, AssignmentError> {
    let would_do = |node: &Node| node.unavailable.is_none() && matches(&request.selector, node);
    let mut found: Vec<usize> = (0..nodes.len()).filter(|index| would_do(&nodes[*index])).collect();
    found.sort_by_key(|index| &nodes[*index].name);
    match found.is_empty() {
        false => Ok(found),
        true => {
            let selector = request.selector.clone();
            Err(AssignmentError::NoNode { role, selector, nodes: nodes.to_vec() })
        }
    }
}

fn matches(selector: &NodeSelector, node: &Node) -> bool {
    match selector {
        NodeSelector::Named(name) => node.name == *name,
        NodeSelector::Labelled(labels) => labels.iter().all(|(label, value)| node.labels.get(label) == Some(value)),
    }
}

impl PlacedRole {
    /// The key in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PlacedRole::Load => "load",
            PlacedRole::Server => "server",
            PlacedRole::Proxy => "proxy",
        }
    }
}

impl fmt::Display for PlacedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name())
    }
}

fn match_count(nodes: usize) -> String {
    format!("{nodes} {}", if nodes == 1 { "matches" } else { "match" })
}

fn label_list(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    labels.join(" ")
}

/// Lists the nodes with their labels, to show which label or name must change.
fn node_list(nodes: &[Node]) -> String {
    let mut nodes: Vec<&Node> = nodes.iter().collect();
    nodes.sort_by_key(|node| &node.name);
    let describe = |node: &&Node| {
        let labels = match node.labels.is_empty() {
            true => "no labels".to_owned(),
            false => label_list(&node.labels),
        };
        match &node.unavailable {
            None => format!("{} ({labels})", node.name),
            Some(why) => format!("{} ({labels}; {why})", node.name),
        }
    };
    match nodes.is_empty() {
        true => "the swarm has no nodes".to_owned(),
        false => format!("the nodes are {}", nodes.iter().map(describe).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests;
