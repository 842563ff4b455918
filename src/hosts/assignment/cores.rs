//! The cores of the roles that share a node.

use super::{AssignmentError, Node, Place, PlacedRole};
use crate::scenario::model::NodeRequest;

/// The place of each role, in their order. Roles that name no cores get what the others leave: a driver that shares a node
/// with a stack gets the smaller half, as on a single machine, and proxy and server share theirs.
pub(super) fn divide_cores(
    roles: &[(PlacedRole, usize, &NodeRequest)],
    nodes: &[Node],
) -> Result<Vec<Place>, AssignmentError> {
    let mut places = Vec::new();
    for (role, node, request) in roles {
        let described = &nodes[*node];
        let last = described.cores.saturating_sub(1);
        if let Some(core) = request.cores.iter().find(|core| **core > last) {
            let node = described.name.clone();
            return Err(AssignmentError::NoSuchCore { role: *role, core: *core, node, last });
        }
        let others = || roles.iter().filter(|(_, other, _)| other == node);
        for (other, _, theirs) in others().filter(|(other, ..)| is_load(*other) != is_load(*role)) {
            if let Some(core) = request.cores.iter().find(|core| theirs.cores.contains(core)) {
                let node = described.name.clone();
                return Err(AssignmentError::SharedCore { one: *role, other: *other, core: *core, node });
            }
        }
        let cores = match request.cores.is_empty() {
            false => request.cores.clone(),
            true => {
                let named = |core: &u16| others().any(|(_, _, theirs)| theirs.cores.contains(core));
                let left: Vec<u16> = (0..described.cores).filter(|core| !named(core)).collect();
                if left.is_empty() && described.cores > 0 {
                    return Err(AssignmentError::NoCoreLeft { role: *role, node: described.name.clone() });
                }
                // Those that also wait for cores, on the other side.
                let shares =
                    others().any(|(other, _, theirs)| is_load(*other) != is_load(*role) && theirs.cores.is_empty());
                if shares { half(&left, is_load(*role)) } else { left }
            }
        };
        places.push(Place { node: *node, cores });
    }
    Ok(places)
}

fn is_load(role: PlacedRole) -> bool {
    role == PlacedRole::Load
}

/// Disjoint halves, the larger one for the stack; none where there is a single core.
fn half(cores: &[u16], is_load: bool) -> Vec<u16> {
    if cores.len() < 2 {
        return Vec::new();
    }
    let (stack, load) = cores.split_at(cores.len().div_ceil(2));
    if is_load { load.to_vec() } else { stack.to_vec() }
}
