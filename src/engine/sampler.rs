//! Samples the resource use of a stack's components and of the machine within a measured window.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::error::DriverError;
use crate::measure::accept_counter::AcceptCounter;
use crate::measure::contention::{Contention, Reading};
use crate::measure::footprint::{Footprint, Peaks};
use crate::measure::sockets::{self, PortState};
use crate::record::{ComponentUse, micros};
use crate::stack::running::{RunningComponent, UsageSample};

/// Time between two samples of the footprints. Reading a proportional set size walks a process's pages, so
/// this is a compromise between missed peaks and work on the load's cores.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// Counts accepted connections from the driver's start on; counts nothing where the kernel does not report them.
pub(super) struct ConnectionCounter(Option<AcceptCounter>);

impl ConnectionCounter {
    pub(super) fn start() -> ConnectionCounter {
        ConnectionCounter(AcceptCounter::start().ok())
    }

    /// Counts the connections that have ended since the last call, before the kernel's queue overflows.
    pub(super) fn poll(&mut self) {
        if let Some(counter) = &mut self.0 {
            counter.poll();
        }
    }

    /// The accepted connections so far, by port.
    fn total(&mut self) -> Option<BTreeMap<u16, u64>> {
        self.0.as_mut().and_then(|counter| counter.counts().ok().flatten())
    }
}

/// Samples an open window.
pub(super) struct ResourceSampler {
    opened: Instant,
    used: Vec<UsageSample>,
    drops: Vec<Option<u64>>,
    machine: Reading,
    curves: Vec<Vec<Footprint>>,
    sampled: Instant,
    longest_gap: Duration,
}

/// The resource use within a window.
#[derive(Default)]
pub(super) struct WindowSample {
    /// From the client inwards.
    pub(super) components: Vec<ComponentUse>,
    pub(super) machine: Contention,
    /// The longest time between two samples: lab takes one every quarter of a second, unless it does not run.
    pub(super) longest_gap: Duration,
}

impl ResourceSampler {
    /// Opens the window. A component that has ended by now is an error of the round.
    pub(super) fn open(components: &[RunningComponent]) -> Result<ResourceSampler, DriverError> {
        let ports = ports();
        let mut sampler = ResourceSampler {
            opened: Instant::now(),
            used: samples(components)?,
            drops: components.iter().map(|component| port(&ports, component)?.drops).collect(),
            machine: Reading::now(),
            curves: vec![Vec::new(); components.len()],
            sampled: Instant::now(),
            longest_gap: Duration::ZERO,
        };
        sampler.sample_footprints(components, &ports);
        Ok(sampler)
    }

    /// Samples the footprints of the components. A single failure is ignored; at the window's ends it is an error.
    pub(super) fn sample(&mut self, components: &[RunningComponent]) {
        self.sample_footprints(components, &ports());
    }

    fn note_gap(&mut self) {
        let now = Instant::now();
        self.longest_gap = self.longest_gap.max(now - self.sampled);
        self.sampled = now;
    }

    fn sample_footprints(&mut self, components: &[RunningComponent], ports: &Ports) {
        self.note_gap();
        let at_us = micros(self.opened.elapsed());
        for (component, curve) in components.iter().zip(&mut self.curves) {
            if let Ok(footprint) = component.footprint() {
                let port = port(ports, component);
                let (connections, accept_queue) = (port.map(|p| p.connections), port.map(|p| p.accept_queue));
                curve.push(Footprint { at_us, connections, accept_queue, ..footprint });
            }
        }
    }

    /// Closes the window. A component that has ended within it is an error of the round, not a row of zeros.
    pub(super) fn close(
        mut self,
        components: &[RunningComponent],
        counter: &mut ConnectionCounter,
    ) -> Result<WindowSample, DriverError> {
        // The readings that pair with those of the opening come first: the others take time.
        let machine = Reading::now().since(self.machine);
        self.note_gap();
        let longest_gap = self.longest_gap;
        let closed = samples(components)?;
        let accepted = counter.total();
        let ports = ports();
        self.sample_footprints(components, &ports);
        let opened = self.used.iter().zip(self.drops);
        let readings = self.curves.into_iter().zip(closed.iter().zip(opened));
        let uses = components.iter().zip(readings).map(|(component, (curve, (closed, (opened, drops))))| {
            let drops_now = port(&ports, component).and_then(|port| port.drops);
            ComponentUse {
                role: component.role,
                used: closed.since(opened),
                at_rest: component.at_rest,
                peaks: Peaks::from_curve(&curve),
                accepted_connections: accepted.as_ref().map(|accepted| accepted_by(component, accepted)),
                accept_queue_drops: drops_now.zip(drops).map(|(now, before)| now.saturating_sub(before)),
                growth: None,
                curve,
            }
        });
        Ok(WindowSample { components: uses.collect(), machine, longest_gap })
    }
}

fn accepted_by(component: &RunningComponent, accepted: &BTreeMap<u16, u64>) -> u64 {
    let addresses = [Some(component.address), component.tls_address].into_iter().flatten();
    let ports: BTreeSet<u16> = addresses.map(|address| address.port()).collect();
    ports.iter().filter_map(|port| accepted.get(port)).sum()
}

/// The state of all ports; `None` where the kernel does not report it.
type Ports = Option<BTreeMap<u16, PortState>>;

fn ports() -> Ports {
    sockets::ports().ok()
}

fn port(ports: &Ports, component: &RunningComponent) -> Option<PortState> {
    ports.as_ref()?.get(&component.counted_port()?).copied()
}

fn samples(components: &[RunningComponent]) -> Result<Vec<UsageSample>, DriverError> {
    let sample = |component: &RunningComponent| {
        component.used().map_err(|source| DriverError::Sample { role: component.role, source })
    };
    components.iter().map(sample).collect()
}
