//! Measures the network between the nodes of a swarm.

use std::collections::BTreeSet;
use std::time::Duration;

use super::swarm::SwarmPlan;
use crate::hosts::agents::{Agents, AgentsError};
use crate::hosts::assignment::Assignment;
use crate::record::NetworkPath;

/// Measures every path that requests take between two nodes. One at a time, so that no measurement disturbs another.
///
/// # Errors
/// An agent does not reach another.
pub(super) async fn measure(plan: &SwarmPlan, agents: &mut Agents) -> Result<Vec<NetworkPath>, AgentsError> {
    let mut paths = Vec::new();
    for (from, to) in used(plan.stacks.iter().map(|(_, assignment)| assignment)) {
        let (from, to) = (&plan.nodes[from], &plan.nodes[to]);
        let (Some(prober), Some(responder)) = (agents.position(&from.id), agents.position(&to.id)) else { continue };
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
