//! CPU affinity: the cores that each worker runs on.

use rustix::io;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::config::process::Affinity;

/// The cores of each worker. An empty list does not pin the worker. `allowed` are the cores of the process.
pub(crate) fn worker_cores(affinity: &Affinity, workers: usize, allowed: &[usize]) -> Vec<Vec<usize>> {
    let round_robin = |cores: &[usize]| -> Vec<Vec<usize>> {
        let cores: Vec<usize> = cores.iter().copied().filter(|core| allowed.contains(core)).collect();
        let own = |worker: usize| cores.get(worker.checked_rem(cores.len())?).copied();
        (0..workers).map(|worker| own(worker).into_iter().collect()).collect()
    };
    match affinity {
        Affinity::CorePerWorker if workers < 2 => vec![Vec::new(); workers],
        Affinity::CorePerWorker | Affinity::Auto(None) => round_robin(allowed),
        Affinity::Auto(Some(cores)) => round_robin(cores),
        Affinity::Masks(masks) => (0..workers).map(|worker| masks[worker.min(masks.len() - 1)].clone()).collect(),
    }
}

/// The cores that this process may run on.
pub(crate) fn allowed_cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// Pins the calling thread to these cores. An empty list changes nothing.
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
    fn workers_get_cores_by_affinity() {
        let (own, auto) = (Affinity::CorePerWorker, Affinity::Auto(None));
        assert_eq!(worker_cores(&own, 1, &[2, 3]), [Vec::<usize>::new()]);
        assert_eq!(worker_cores(&own, 3, &[2, 3]), [[2], [3], [2]]);
        assert_eq!(worker_cores(&auto, 1, &[2, 3]), [[2]]);
        assert_eq!(worker_cores(&Affinity::Auto(Some(vec![3, 7])), 2, &[2, 3]), [[3], [3]]);
        assert_eq!(
            worker_cores(&Affinity::Masks(vec![vec![0], vec![1, 2]]), 3, &[0]),
            [vec![0], vec![1, 2], vec![1, 2]]
        );
        assert_eq!(worker_cores(&own, 2, &[]), [Vec::<usize>::new(), Vec::new()]);
    }

    #[test]
    fn pinned_threads_stay_on_their_core() {
        let last = *allowed_cores().unwrap().last().unwrap();
        let thread = std::thread::spawn(move || {
            pin(&[last]).unwrap();
            allowed_cores().unwrap()
        });
        assert_eq!(thread.join().unwrap(), [last]);
    }
}
