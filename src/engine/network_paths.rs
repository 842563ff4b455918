//! Measures the network between the nodes of a swarm.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::hosts::agents::{Agents, AgentsError};
use crate::hosts::assignment::{Assignment, Node};
use crate::record::NetworkPath;

/// Measures every path between two of `nodes` that the requests of stacks with these assignments take. One at a time, so that no
/// measurement disturbs another.
///
/// # Errors
/// An agent does not reach another.
pub(super) async fn measure<'a>(
    nodes: &[Node],
    assignments: impl Iterator<Item = &'a Assignment>,
    agents: &mut Agents,
) -> Result<Vec<NetworkPath>, AgentsError> {
    let mut paths = Vec::new();
    for (from, to) in used(assignments) {
        let (from, to) = (&nodes[from], &nodes[to]);
        let agent = |node: &Node| agents.position(&node.id).ok_or_else(|| no_agent(node));
        let (prober, responder) = (agent(from)?, agent(to)?);
        let measured = agents.measure_path(prober, responder).await?;
        let micros = |trip: Duration| trip.as_secs_f64() * 1e6;
        paths.push(NetworkPath {
            from: from.name.clone(),
            to: to.name.clone(),
            shortest_trip_us: micros(measured.shortest_trip),
            median_trip_us: micros(measured.median_trip),
            bytes_per_s: measured.bytes_per_s,
            loss: measured.loss,
        });
    }
    Ok(paths)
}

fn no_agent(node: &Node) -> AgentsError {
    AgentsError::Failed(format!("no agent runs on {}", node.name))
}

/// The positions of the nodes between which requests pass, from the client's to the server's.
fn used<'a>(assignments: impl Iterator<Item = &'a Assignment>) -> BTreeSet<(usize, usize)> {
    let paths = assignments.flat_map(|Assignment { proxy, server, load }| {
        let entry = proxy.as_ref().unwrap_or(server).node;
        let drivers = load.iter().map(move |driver| (driver.node, entry));
        drivers.chain(proxy.as_ref().map(|proxy| (proxy.node, server.node)))
    });
    paths.filter(|(from, to)| from != to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::assignment::Place;

    #[test]
    fn paths_lead_from_drivers_to_the_entry_and_from_there_to_the_server() {
        let place = |node| Place { node, cores: Vec::new() };
        let proxied = Assignment { proxy: Some(place(0)), server: place(1), load: vec![place(2), place(3)] };
        let direct = Assignment { proxy: None, server: place(1), load: vec![place(1), place(2)] };
        let expected = [(0, 1), (2, 0), (2, 1), (3, 0)];
        assert_eq!(used([&proxied, &direct].into_iter()), BTreeSet::from(expected));
    }
}
