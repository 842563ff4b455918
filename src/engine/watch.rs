//! Watches a stack's components, and the machine around them, while a window is open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::measure::accepted::Accepted;
use crate::measure::contention::{Contention, Reading};
use crate::measure::footprint::{Level, Peaks};
use crate::measure::sockets::{self, PortState};
use crate::record::ComponentUse;
use crate::stack::running::{RunningComponent, UsageSample};

/// Time between two readings of what the components hold. Reading a proportional set size walks a process's pages,
/// so this is a compromise between peaks that are missed and work for the core of the load.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// Before the window: connections count from the driver's start.
pub(super) struct Lookout(Option<Accepted>);

impl Lookout {
    /// Begins to count, where the kernel tells.
    pub(super) fn begin() -> Lookout {
        Lookout(Accepted::begin().ok())
    }

    /// Takes note of the connections that have ended.
    pub(super) fn look(&mut self) {
        if let Some(accepted) = &mut self.0 {
            accepted.look();
        }
    }
}

/// An open window.
pub(super) struct Watch {
    opened: Instant,
    used: Vec<UsageSample>,
    drops: Vec<Option<u64>>,
    machine: Reading,
    curves: Vec<Vec<Level>>,
}

/// What was seen in a window.
#[derive(Default)]
pub(super) struct Watched {
    /// Each component, from the client inwards.
    pub(super) components: Vec<ComponentUse>,
    /// The machine as a whole.
    pub(super) machine: Contention,
}

impl Watch {
    /// Opens it. A component that has ended by now is an error of the round.
    pub(super) fn open(components: &[RunningComponent]) -> Result<Watch, String> {
        let ports = ports();
        let mut watch = Watch {
            opened: Instant::now(),
            used: samples(components)?,
            drops: components.iter().map(|component| port(&ports, component)?.drops).collect(),
            machine: Reading::now(),
            curves: vec![Vec::new(); components.len()],
        };
        watch.look(components);
        Ok(watch)
    }

    /// Takes a reading of what the components hold. One that fails is one of many; the window's ends are where a
    /// failure counts.
    pub(super) fn look(&mut self, components: &[RunningComponent]) {
        self.look_at(components, &ports());
    }

    fn look_at(&mut self, components: &[RunningComponent], ports: &Ports) {
        let at_us = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        for (component, curve) in components.iter().zip(&mut self.curves) {
            if let Ok(level) = component.level() {
                let port = port(ports, component);
                let (connections, accept_queue) = (port.map(|p| p.connections), port.map(|p| p.accept_queue));
                curve.push(Level { at_us, connections, accept_queue, ..level });
            }
        }
    }

    /// Closes it. A component that has ended within the window is an error of the round, and no row of zeros.
    pub(super) fn close(mut self, components: &[RunningComponent], lookout: &mut Lookout) -> Result<Watched, String> {
        // First what is compared with the opening, before reading it takes time itself.
        let machine = Reading::now().since(self.machine);
        let closed = samples(components)?;
        let accepted = lookout.0.as_mut().and_then(|accepted| accepted.so_far().ok().flatten());
        let ports = ports();
        self.look_at(components, &ports);
        let mut uses = Vec::new();
        let before = self.used.iter().zip(self.drops);
        for ((component, curve), (closed, (opened, drops))) in
            components.iter().zip(self.curves).zip(closed.iter().zip(before))
        {
            let drops_now = port(&ports, component).and_then(|port| port.drops);
            uses.push(ComponentUse {
                role: component.role,
                used: closed.since(opened),
                at_rest: component.at_rest,
                peaks: Peaks::of(&curve),
                accepted_connections: accepted.as_ref().map(|accepted| {
                    let ports = [Some(component.address), component.tls_address].into_iter().flatten();
                    let ports: BTreeSet<u16> = ports.map(|address| address.port()).collect();
                    ports.iter().filter_map(|port| accepted.get(port)).sum()
                }),
                accept_queue_drops: drops_now.zip(drops).map(|(now, before)| now.saturating_sub(before)),
                curve,
            });
        }
        Ok(Watched { components: uses, machine })
    }
}

/// The state of all ports; `None` where the kernel does not tell.
type Ports = Option<BTreeMap<u16, PortState>>;

fn ports() -> Ports {
    sockets::ports().ok()
}

fn port(ports: &Ports, component: &RunningComponent) -> Option<PortState> {
    ports.as_ref()?.get(&component.counted_port()?).copied()
}

fn samples(components: &[RunningComponent]) -> Result<Vec<UsageSample>, String> {
    components.iter().map(sample).collect()
}

fn sample(component: &RunningComponent) -> Result<UsageSample, String> {
    component.used().map_err(|error| format!("the {}: {error}", component.role))
}
