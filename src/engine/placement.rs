//! Which cores the load driver and the stacks run on.

use crate::measure::procfs::{self, ProcfsError};
use crate::scenario::model::Placement;

/// The cores of a run. Empty lists leave processes unpinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cores {
    pub load: Vec<u16>,
    pub stack: Vec<u16>,
}

/// Why a placement is not possible here.
#[derive(Debug, thiserror::Error)]
pub enum PlacementError {
    #[error(transparent)]
    Procfs(#[from] ProcfsError),
    #[error("[placement] names core {core}, which lab may not use here; it may use {allowed}")]
    NotAllowed {
        core: u16,
        /// A comma-separated list.
        allowed: String,
    },
}

impl Cores {
    /// The cores of a scenario's placement on this machine.
    ///
    /// # Errors
    /// [`PlacementError`].
    pub fn for_placement(placement: &Placement) -> Result<Cores, PlacementError> {
        let allowed = procfs::cores_allowed()?;
        let allowed: Vec<u16> = allowed.into_iter().filter_map(|core| u16::try_from(core).ok()).collect();
        // The nodes of a swarm, and cores there, say nothing about this machine.
        let Placement::Pinned { load, stack } = placement else { return Ok(Cores::halves(&allowed)) };
        if let Some(core) = load.iter().chain(stack).find(|core| !allowed.contains(core)) {
            let allowed: Vec<String> = allowed.iter().map(u16::to_string).collect();
            return Err(PlacementError::NotAllowed { core: *core, allowed: allowed.join(", ") });
        }
        Ok(Cores { load: load.clone(), stack: stack.clone() })
    }

    /// Disjoint halves, the larger one for the stacks; unpinned where there is only one core.
    fn halves(allowed: &[u16]) -> Cores {
        if allowed.len() < 2 {
            return Cores::default();
        }
        let (stack, load) = allowed.split_at(allowed.len().div_ceil(2));
        Cores { load: load.to_vec(), stack: stack.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_disjoint_and_one_core_is_shared() {
        let halves = |allowed: &[u16]| {
            let Cores { load, stack } = Cores::halves(allowed);
            (load, stack)
        };
        assert_eq!(halves(&[0]), (vec![], vec![]));
        assert_eq!(halves(&[0, 1]), (vec![1], vec![0]));
        assert_eq!(halves(&[2, 3, 5]), (vec![5], vec![2, 3]));
    }
}
