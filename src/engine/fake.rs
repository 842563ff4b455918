//! A backend with exact numbers and no clock: it behaves as configured, and logs every call.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use super::backend::{Backend, DriveResult, Interference, StackDescription};
use super::error::BackendError;
use crate::check::observed::{Observed, UpstreamObservation};
use crate::check::probe::{ProbeError, ProbeResult};
use crate::check::redact::Redaction;
use crate::measure::contention::Contention;
use crate::measure::footprint::{Footprint, Peaks};
use crate::measure::resources::ResourceUse;
use crate::record::{ComponentRecord, ComponentUse};
use crate::scenario::model::{CheckRequest, Load, Placeholders, Stack};
use crate::stack::recording::Recording;
use crate::stack::{Role, StartError};
use lab_load::wire::{CpuTime, DriveOutcome, ErrorClass, Ledger, SecondRow, SecondTimes};

/// The behaviour of one stack.
#[derive(Debug, Clone)]
pub(super) struct Behaviour {
    /// The body of every response.
    pub(super) body: String,
    /// Successes in a window of one second.
    pub(super) ok: u64,
    /// Every request's service time.
    pub(super) service_us: u64,
    /// Memory that the server holds more after a window of one second.
    pub(super) leaked_bytes: u64,
    /// CPU time the server uses in a window.
    pub(super) cpu_us: u64,
    /// CPU time the driver uses in a window of one second.
    pub(super) driver_cpu: Duration,
    /// The time between the two readings of a window's use.
    pub(super) read_over_us: u64,
    /// CPU time that the hypervisor takes in a window.
    pub(super) stolen_us: u64,
    /// Handshakes that its listening socket drops in a window.
    pub(super) drops: u64,
    /// Accepted connections in addition to the driver's one.
    pub(super) unexpected_connections: u64,
    /// Errors in a window.
    pub(super) failed: BTreeMap<ErrorClass, u64>,
    pub(super) interference: Interference,
    /// The number of initial drives whose seconds get faster.
    pub(super) cold_drives: usize,
    /// Starts that fail, counted from 0.
    pub(super) failing_starts: Vec<usize>,
    /// Drives that cost a fifth more, counted from 0.
    pub(super) disturbed_drives: Vec<usize>,
    /// Drives that the audit finds invalid, counted from 0.
    pub(super) invalid_drives: Vec<usize>,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            body: "Pong!".to_owned(),
            // With one user, Little's law holds: 1000/s × 1 ms.
            ok: 1000,
            service_us: 1000,
            leaked_bytes: 0,
            cpu_us: 100_000,
            driver_cpu: Duration::from_millis(100),
            read_over_us: 1_000_000,
            stolen_us: 0,
            drops: 0,
            unexpected_connections: 0,
            interference: Interference::default(),
            failed: BTreeMap::new(),
            cold_drives: 0,
            failing_starts: Vec::new(),
            disturbed_drives: Vec::new(),
            invalid_drives: Vec::new(),
        }
    }
}

/// Seeded noise on every measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    pub(super) seed: u64,
    /// The standard deviation of a round's logarithm.
    pub(super) scatter: f64,
}

impl Noise {
    /// Factors for the throughput and the cost of the `drive`-th drive of a stack.
    fn factors(self, stack: &str, drive: usize) -> [f64; 2] {
        let stack_seed = stack.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ stack_seed ^ ((drive as u64) << 40));
        let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
        std::array::from_fn(|_| (self.scatter * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0)).exp())
    }
}

/// Stacks by name, and a log of all calls.
#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) noise: Option<Noise>,
    pub(super) stacks: BTreeMap<String, Behaviour>,
    pub(super) log: Vec<String>,
    pub(super) starts: BTreeMap<String, usize>,
    pub(super) drives: BTreeMap<String, usize>,
    /// The load whose driver is not installed.
    pub(super) unavailable: Option<String>,
}

fn count(counts: &mut BTreeMap<String, usize>, name: &str) -> usize {
    let count = counts.entry(name.to_owned()).or_default();
    *count += 1;
    *count - 1
}

impl Backend for Fake {
    type Running = String;

    async fn start(&mut self, stack: &Stack, visit: &str, _recording: Recording) -> Result<String, BackendError> {
        self.log.push(format!("start {visit}"));
        if self.stacks[&stack.name].failing_starts.contains(&count(&mut self.starts, &stack.name)) {
            let reason = "it will not start".to_owned();
            return Err(StartError::Unavailable { role: Role::Server, reason }.into());
        }
        Ok(stack.name.clone())
    }

    fn describe(&self, _running: &String) -> StackDescription {
        StackDescription {
            components: vec![ComponentRecord { role: Role::Server, version: "fake 1".to_owned(), image: None }],
            redaction: Redaction { addresses: Vec::new(), names: Vec::new(), versions: Vec::new() },
        }
    }

    async fn probe(&mut self, running: &String, _request: &CheckRequest) -> Result<ProbeResult, ProbeError> {
        self.log.push(format!("probe {running}"));
        let observed = Observed {
            status: 200,
            reason: "OK".to_owned(),
            headers: Vec::new(),
            body: self.stacks[running].body.clone(),
            is_binary: false,
            framing_error: None,
            conditional: Vec::new(),
        };
        let values = Placeholders::new("127.0.0.1", "127.0.0.1", 1);
        let upstream = UpstreamObservation::default();
        Ok(ProbeResult {
            observed,
            values,
            duration: Duration::ZERO,
            responses: Vec::new(),
            upstream,
            certificate: None,
        })
    }

    fn missing_driver(&self, load: &Load) -> Option<String> {
        self.unavailable.as_ref().filter(|name| **name == load.name).map(|name| format!("{name} is not installed"))
    }

    async fn drive(
        &mut self,
        running: &mut String,
        load: &Load,
        _warmup: Duration,
        _visit: &str,
    ) -> Result<DriveResult, BackendError> {
        self.log.push(format!("drive {running} with {}", load.name));
        let drive = count(&mut self.drives, running);
        let behaviour = &self.stacks[running];
        let mut failed = behaviour.failed.clone();
        if behaviour.invalid_drives.contains(&drive) {
            failed.insert(ErrorClass::ClientFdUnavailable, 1);
        }
        let [pace, cost] = self.noise.map_or([1.0; 2], |noise| noise.factors(running, drive));
        let cost = if behaviour.disturbed_drives.contains(&drive) { cost * 1.2 } else { cost };
        // Count and duration of the requests change inversely, so Little's law holds.
        let ok = (behaviour.ok as f64 * pace).round() as u64;
        let mut ledger = Ledger { ok, answered: ok, body_bytes: Some(ok * 5), ..Ledger::empty(Duration::from_secs(1)) };
        let service_us = (behaviour.service_us as f64 / pace).round() as u64;
        ledger.service_time_us.record_n(service_us, ok).unwrap();
        ledger.failed_time_us.record_n(service_us, failed.values().sum()).unwrap();
        ledger.failed = failed;
        ledger.seconds = (0..load.duration.as_secs())
            .map(|second| SecondRow {
                answered: if drive < behaviour.cold_drives { ok / 2 + ok * second / 10 } else { ok },
                times_us: Some(SecondTimes { p50: behaviour.service_us, p99: 0, max: 0 }),
                ..SecondRow::default()
            })
            .collect();
        Ok(DriveResult {
            outcome: DriveOutcome {
                ledger,
                second_times_us: Vec::new(),
                steps: Vec::new(),
                mean_pause: Duration::ZERO,
                connections_opened: Some(1),
                driver_cpu: CpuTime { user: behaviour.driver_cpu, system: Duration::ZERO },
                driver_threads: 1,
                unclassified: Vec::new(),
            },
            interference: behaviour.interference.clone(),
            shared: None,
            machine: Contention {
                over_us: behaviour.read_over_us,
                stolen_us: Some(behaviour.stolen_us),
                ..Contention::default()
            },
            components: vec![ComponentUse {
                role: Role::Server,
                at_rest: None,
                peaks: Peaks::default(),
                accept_queue_drops: Some(behaviour.drops),
                accepted_connections: Some(1 + behaviour.unexpected_connections),
                growth: None,
                curve: (0..=4)
                    .map(|sample| Footprint {
                        at_us: sample * 250_000,
                        rss_bytes: 50_000_000 + behaviour.leaked_bytes * sample / 4,
                        ..Footprint::default()
                    })
                    .collect(),
                used: ResourceUse {
                    cpu_us: (behaviour.cpu_us as f64 * cost * pace).round() as u64,
                    ..ResourceUse::default()
                },
            }],
        })
    }

    async fn stop(&mut self, running: String) -> Result<(), BackendError> {
        self.log.push(format!("stop {running}"));
        Ok(())
    }
}
