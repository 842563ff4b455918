//! Moves the containers of components to their cores, and reads what they use within a window.

use std::error::Error as _;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::super::protocol::{AgentReport, ContainerUse, WatchedContainer, WatchedUse};
use crate::measure::cgroup::{Cgroup, CgroupError, GroupSample};
use crate::measure::contention::{Contention, Reading};
use lab_load::monotonic;
use lab_load::wire::WindowEnds;

/// Time between two samples of the memory, as on lab's own machine.
const INTERVAL: Duration = Duration::from_millis(250);

/// Moves the containers, waits for the window on this machine's clock, and reports their use in it.
///
/// # Errors
/// A container has no control group here, or its files cannot be read or written: it has ended, or the agent was started
/// without the node's control groups.
pub(super) async fn watch(containers: &[WatchedContainer], window: WindowEnds) -> Result<AgentReport, String> {
    read(containers, window).await.map(AgentReport::Watched).map_err(|error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

async fn read(containers: &[WatchedContainer], window: WindowEnds) -> Result<WatchedUse, CgroupError> {
    let mut groups = Vec::new();
    for WatchedContainer { id, cores } in containers {
        let group = Cgroup::from_container_id(id)?;
        if !cores.is_empty() {
            group.set_cores(cores)?;
        }
        groups.push(group);
    }
    let closes = Instant::from(monotonic::instant_of(window.closes));
    tokio::time::sleep_until(monotonic::instant_of(window.opens).into()).await;
    let (opened, machine) = (samples(&groups)?, Reading::now());
    let mut peaks = vec![0; groups.len()];
    let mut sampled = Instant::now();
    let mut longest_gap = Duration::ZERO;
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_closed = tokio::select! {
            biased;
            () = tokio::time::sleep_until(closes) => true,
            _ = ticks.tick() => false,
        };
        let now = Instant::now();
        longest_gap = longest_gap.max(now - sampled);
        sampled = now;
        if is_closed {
            break;
        }
        add_memory(&groups, &mut peaks)?;
    }
    let (closed, machine) = (samples(&groups)?, Reading::now().since(machine));
    add_memory(&groups, &mut peaks)?;
    let uses = closed.iter().zip(&opened).zip(peaks);
    let containers = uses
        .map(|((closed, opened), peak_memory_bytes)| ContainerUse { used: closed.since(opened), peak_memory_bytes });
    // The agent's own network, which no component uses.
    let machine =
        Contention { accepted_connections: None, accept_queue_overflows: None, accept_queue_drops: None, ..machine };
    Ok(WatchedUse { containers: containers.collect(), machine, longest_gap })
}

fn samples(groups: &[Cgroup]) -> Result<Vec<GroupSample>, CgroupError> {
    groups.iter().map(Cgroup::read).collect()
}

fn add_memory(groups: &[Cgroup], peaks: &mut [u64]) -> Result<(), CgroupError> {
    for (group, peak) in groups.iter().zip(peaks) {
        *peak = group.memory()?.map_or(*peak, |memory| memory.bytes.max(*peak));
    }
    Ok(())
}
