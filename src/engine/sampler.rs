//! Samples what a stack's components, and the machine around them, use within a measured window.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::error::DriverError;
use super::round::micros;
use crate::measure::accepted::Accepted;
use crate::measure::contention::{Contention, Reading};
use crate::measure::footprint::{Level, Peaks};
use crate::measure::sockets::{self, PortState};
use crate::record::ComponentUse;
use crate::stack::running::{RunningComponent, UsageSample};

/// Time between two samples of what the components hold. Reading a proportional set size walks a process's pages, so
/// this is a compromise between missed peaks and work on the load's cores.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// Counts accepted connections from the driver's start on; counts nothing where the kernel does not report them.
pub(super) struct ConnectionCounter(Option<Accepted>);

impl ConnectionCounter {
    pub(super) fn start() -> ConnectionCounter {
        ConnectionCounter(Accepted::begin().ok())
    }

    /// Takes in the connections that have ended since the last call, before the kernel's queue overflows.
    pub(super) fn poll(&mut self) {
        if let Some(accepted) = &mut self.0 {
            accepted.look();
        }
    }

    /// The accepted connections so far, by port.
    fn total(&mut self) -> Option<BTreeMap<u16, u64>> {
        self.0.as_mut().and_then(|accepted| accepted.so_far().ok().flatten())
    }
}

/// Samples an open window.
pub(super) struct ResourceSampler {
    opened: Instant,
    used: Vec<UsageSample>,
    drops: Vec<Option<u64>>,
    machine: Reading,
    curves: Vec<Vec<Level>>,
}

/// What was used within a window.
#[derive(Default)]
pub(super) struct WindowSample {
    /// From the client inwards.
    pub(super) components: Vec<ComponentUse>,
    pub(super) machine: Contention,
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
        };
        sampler.sample_levels(components, &ports);
        Ok(sampler)
    }

    /// Samples what the components hold. A single failure is ignored; at the window's ends it is an error.
    pub(super) fn sample(&mut self, components: &[RunningComponent]) {
        self.sample_levels(components, &ports());
    }

    fn sample_levels(&mut self, components: &[RunningComponent], ports: &Ports) {
        let at_us = micros(self.opened.elapsed());
        for (component, curve) in components.iter().zip(&mut self.curves) {
            if let Ok(level) = component.level() {
                let port = port(ports, component);
                let (connections, accept_queue) = (port.map(|p| p.connections), port.map(|p| p.accept_queue));
                curve.push(Level { at_us, connections, accept_queue, ..level });
            }
        }
    }

    /// Closes the window. A component that has ended within it is an error of the round, not a row of zeros.
    pub(super) fn close(
        mut self,
        components: &[RunningComponent],
        counter: &mut ConnectionCounter,
    ) -> Result<WindowSample, DriverError> {
        // First the readings that are compared with the opening: the other ones take time.
        let machine = Reading::now().since(self.machine);
        let closed = samples(components)?;
        let accepted = counter.total();
        let ports = ports();
        self.sample_levels(components, &ports);
        let opened = self.used.iter().zip(self.drops);
        let readings = self.curves.into_iter().zip(closed.iter().zip(opened));
        let uses = components.iter().zip(readings).map(|(component, (curve, (closed, (opened, drops))))| {
            let drops_now = port(&ports, component).and_then(|port| port.drops);
            ComponentUse {
                role: component.role,
                used: closed.since(opened),
                at_rest: component.at_rest,
                peaks: Peaks::of(&curve),
                accepted_connections: accepted.as_ref().map(|accepted| accepted_by(component, accepted)),
                accept_queue_drops: drops_now.zip(drops).map(|(now, before)| now.saturating_sub(before)),
                curve,
            }
        });
        Ok(WindowSample { components: uses.collect(), machine })
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
