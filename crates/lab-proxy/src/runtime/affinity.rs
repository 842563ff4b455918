//! Which core a worker runs on.

use rustix::io;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::config::process::Affinity;

/// The cores of each worker; an empty list leaves a worker wherever the process may run.
///
/// Pure: `allowed` are the cores of the process.
pub(crate) fn plan(affinity: &Affinity, workers: usize, allowed: &[usize]) -> Vec<Vec<usize>> {
    let in_turn = |cores: &[usize]| -> Vec<Vec<usize>> {
        let cores: Vec<usize> = cores.iter().copied().filter(|core| allowed.contains(core)).collect();
        let own = |worker: usize| cores.get(worker.checked_rem(cores.len())?).copied();
        (0..workers).map(|worker| own(worker).into_iter().collect()).collect()
    };
    match affinity {
        Affinity::CorePerWorker if workers < 2 => vec![Vec::new(); workers],
        Affinity::CorePerWorker | Affinity::Auto(None) => in_turn(allowed),
        Affinity::Auto(Some(cores)) => in_turn(cores),
        Affinity::Masks(masks) => (0..workers).map(|worker| masks[worker.min(masks.len() - 1)].clone()).collect(),
    }
}

/// The cores this process may run on.
pub(crate) fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// Has the present thread run on these cores only, if there are any.
pub(crate) fn pin(cores: &[usize]) -> io::Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for core in cores.iter().filter(|core| **core < CpuSet::MAX_CPU) {
        set.set(*core);
    }
    sched_setaffinity(None, &set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_cores_in_turn_or_as_they_are_told() {
        let (own, auto) = (Affinity::CorePerWorker, Affinity::Auto(None));
        assert_eq!(plan(&own, 1, &[2, 3]), [Vec::<usize>::new()]);
        assert_eq!(plan(&own, 3, &[2, 3]), [[2], [3], [2]]);
        assert_eq!(plan(&auto, 1, &[2, 3]), [[2]]);
        assert_eq!(plan(&Affinity::Auto(Some(vec![3, 7])), 2, &[2, 3]), [[3], [3]]);
        assert_eq!(plan(&Affinity::Masks(vec![vec![0], vec![1, 2]]), 3, &[0]), [vec![0], vec![1, 2], vec![1, 2]]);
        assert_eq!(plan(&own, 2, &[]), [Vec::<usize>::new(), Vec::new()]);
    }

    #[test]
    fn a_pinned_thread_stays_where_it_was_put() {
        let last = *allowed().unwrap().last().unwrap();
        let seen = std::thread::spawn(move || {
            pin(&[last]).unwrap();
            allowed().unwrap()
        });
        assert_eq!(seen.join().unwrap(), [last]);
    }
}
