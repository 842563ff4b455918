//! Gives slots nodes of their own, as many slots as possible: augmenting paths in a bipartite graph (Kuhn, *The Hungarian
//! method for the assignment problem*, 1955, for the unweighted case).

/// Slots and the nodes that they have.
#[derive(Debug)]
pub(super) struct Matching {
    /// The nodes that each slot may have, the preferred ones first.
    candidates: Vec<Vec<usize>>,
    /// The slot of each node.
    slots: Vec<Option<usize>>,
}

impl Matching {
    pub(super) fn new(nodes: usize) -> Matching {
        Matching { candidates: Vec::new(), slots: vec![None; nodes] }
    }

    /// Adds a slot and gives it a node if there is a way: earlier slots may get another node, but none loses its last one.
    /// Returns the slot.
    pub(super) fn add(&mut self, candidates: &[usize]) -> usize {
        let slot = self.candidates.len();
        self.candidates.push(candidates.to_vec());
        let mut tried = vec![false; self.slots.len()];
        self.find_node(slot, &mut tried);
        slot
    }

    pub(super) fn node_of(&self, slot: usize) -> Option<usize> {
        self.slots.iter().position(|owner| *owner == Some(slot))
    }

    fn find_node(&mut self, slot: usize, tried: &mut [bool]) -> bool {
        let candidates = self.candidates[slot].clone();
        // A free node first, so that no slot moves without need.
        if let Some(free) = candidates.iter().find(|node| self.slots[**node].is_none()) {
            self.slots[*free] = Some(slot);
            return true;
        }
        for node in candidates {
            if std::mem::replace(&mut tried[node], true) {
                continue;
            }
            if self.slots[node].is_some_and(|owner| self.find_node(owner, tried)) {
                self.slots[node] = Some(slot);
                return true;
            }
        }
        false
    }
}
