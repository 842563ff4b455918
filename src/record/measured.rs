//! Measured windows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::component_use::ComponentUse;
use super::distribution::Distribution;
use super::growth::GrowthRates;
use super::micros::micros;
use super::open_measured::{OpenMeasured, RateMeasured};
use super::shared_window::SharedWindow;
use crate::measure::contention::Contention;
use crate::measure::footprint::Memory;
use crate::scenario::model::{Growth, Metric};
use crate::stack::Role;
use lab_load::wire::{DriveOutcome, ErrorClass, Ledger, SecondRow, StepOutcome};

/// The outcome of a driver with its times summarised, the use of the components, and the issues of the round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    #[serde(default)]
    pub warmup: WarmupRecord,
    /// The length of the measured window.
    pub window_us: u64,
    /// Complete good responses: of the requests that ended within the window in a closed loop, of those scheduled within it
    /// in an open one.
    pub ok: u64,
    /// Requests that ended in an error, by class.
    pub failed: BTreeMap<ErrorClass, u64>,
    /// Requests still under way when the window ended.
    pub unfinished: u64,
    /// Good responses that ended within the window: the basis of throughput and cost per request.
    pub answered: u64,
    /// Responses of which the driver does not tell whether they were cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub possibly_cut: u64,
    /// Bytes of the bodies of good responses; `None` if the driver does not report them.
    pub body_bytes: Option<u64>,
    /// Connections that the driver opened, from its first request to the window's end, warm-up included; `None` if it does
    /// not report them.
    pub connections_opened: Option<u64>,
    /// Good responses per second of the window.
    pub throughput_per_s: f64,
    /// Service time of good responses: from the send to the last byte of the body. `None` if none was timed.
    pub service_time: Option<Distribution>,
    /// The same of failed requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_time: Option<Distribution>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Box<OpenMeasured>>,
    /// The seconds of the window; empty if the driver keeps none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<SecondRow>,
    /// The steps of a journey; empty without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepMeasured>,
    /// From the client inwards.
    pub components: Vec<ComponentUse>,
    /// Contention on the whole machine within the window, including the driver and other programs.
    pub machine: Contention,
    pub driver: DriverUse,
    /// Only where drivers ran on the nodes of a swarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedWindow>,
    #[serde(rename = "objections")]
    pub issues: Vec<RoundIssue>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A step of a journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepMeasured {
    pub name: String,
    pub ok: u64,
    pub failed: u64,
    pub service_time: Option<Distribution>,
}

/// How a stack was warmed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmupRecord {
    pub lasted_us: u64,
    /// Whether it reached a steady state; `None` for a warm-up of fixed length.
    pub is_steady: Option<bool>,
    /// The seconds that were tested for a steady state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<SecondRow>,
}

/// What the load driver used within the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverUse {
    pub cpu_us: u64,
    #[serde(default)]
    pub cpu_user_us: u64,
    #[serde(default)]
    pub cpu_system_us: u64,
    /// Error messages of the first few failures whose classes do not tell enough.
    pub unclassified: Vec<String>,
}

/// A reason to doubt a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundIssue {
    /// A stable name, such as `late-reading`.
    pub kind: String,
    /// Whether it makes the round invalid, as opposed to a warning.
    pub invalidates: bool,
    #[serde(rename = "said")]
    pub message: String,
}

/// The requests that had ended by an instant of the window: from the driver's seconds, or in proportion to the time.
fn ended(ledger: &Ledger, at_us: u64) -> f64 {
    let all = (ledger.answered + ledger.failed.values().sum::<u64>()) as f64;
    let window_us = micros(ledger.window);
    let of = |row: &SecondRow| (row.answered + row.failed) as f64;
    // Without seconds, or with fewer than the window has.
    if ledger.seconds.is_empty() || (ledger.seconds.len() as u64 + 1) * 1_000_000 <= window_us {
        return all * at_us as f64 / window_us.max(1) as f64;
    }
    let whole = usize::try_from(at_us / 1_000_000).unwrap_or(usize::MAX).min(ledger.seconds.len());
    let part = ledger.seconds.get(whole).map_or(0.0, |row| of(row) * (at_us % 1_000_000) as f64 / 1e6);
    ledger.seconds[..whole].iter().map(of).sum::<f64>() + part
}

impl StepMeasured {
    fn from_outcome(step: &StepOutcome) -> StepMeasured {
        StepMeasured {
            name: step.name.clone(),
            ok: step.ok,
            failed: step.failed,
            service_time: Distribution::from_histogram(&step.service_time_us),
        }
    }
}

impl Measured {
    /// A window without issues.
    #[must_use]
    pub fn new(
        warmup: WarmupRecord,
        outcome: DriveOutcome,
        components: Vec<ComponentUse>,
        machine: Contention,
    ) -> Measured {
        let mut components = components;
        for component in &mut components {
            component.growth = GrowthRates::from_curve(&component.curve, |at_us| ended(&outcome.ledger, at_us));
        }
        let DriveOutcome { ledger, steps, connections_opened, driver_cpu, unclassified, .. } = outcome;
        Measured {
            warmup,
            window_us: micros(ledger.window),
            ok: ledger.ok,
            throughput_per_s: ledger.throughput_per_s(),
            answered: ledger.answered,
            service_time: Distribution::from_histogram(&ledger.service_time_us),
            failed_time: Distribution::from_histogram(&ledger.failed_time_us),
            open: ledger.open.as_ref().map(|open| Box::new(OpenMeasured::from_ledger(open))),
            seconds: ledger.seconds,
            steps: steps.iter().map(StepMeasured::from_outcome).collect(),
            failed: ledger.failed,
            unfinished: ledger.unfinished,
            possibly_cut: ledger.possibly_cut,
            body_bytes: ledger.body_bytes,
            connections_opened,
            components,
            machine,
            driver: DriverUse {
                cpu_us: micros(driver_cpu.total()),
                cpu_user_us: micros(driver_cpu.user),
                cpu_system_us: micros(driver_cpu.system),
                unclassified,
            },
            shared: None,
            issues: Vec::new(),
        }
    }

    /// Removes histograms, seconds and curves; counts and percentiles stay.
    pub(super) fn abridge(&mut self) {
        self.seconds.clear();
        self.warmup.seconds.clear();
        self.components.iter_mut().for_each(|component| component.curve.clear());
        let open = self.open.as_deref_mut().into_iter().flat_map(OpenMeasured::distributions_mut);
        let steps = self.steps.iter_mut().map(|step| &mut step.service_time);
        let own = [&mut self.service_time, &mut self.failed_time];
        for times in own.into_iter().chain(open).chain(steps).flatten() {
            times.histogram.clear();
        }
    }

    /// Whether no issue invalidates this round.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.issues.iter().any(|issue| issue.invalidates)
    }

    /// The times to report: from the scheduled instant in an open loop, from the send in a closed one. `None` if the driver
    /// reports none.
    #[must_use]
    pub fn latency(&self) -> Option<&Distribution> {
        match &self.open {
            Some(open) => open.response_time.as_ref(),
            None => self.service_time.as_ref(),
        }
    }

    /// CPU time of one component, or of all, per good response; `None` without good responses.
    #[must_use]
    pub fn cpu_per_request_us(&self, role: Option<Role>) -> Option<f64> {
        let counted = self.components.iter().filter(|component| role.is_none_or(|role| component.role == role));
        let cpu_us: u64 = counted.map(|component| component.used.cpu_us).sum();
        (self.answered > 0).then(|| cpu_us as f64 / self.answered as f64)
    }

    /// The memory of all components before any load, in bytes; `None` if it is unknown for one of them.
    #[must_use]
    pub fn memory_at_rest(&self) -> Option<f64> {
        let rest: Option<Vec<u64>> =
            self.components.iter().map(|component| component.at_rest.map(Memory::bytes)).collect();
        Some(rest?.iter().sum::<u64>() as f64)
    }

    /// The sum of the components' peaks of memory within the window, in bytes.
    #[must_use]
    pub fn memory_at_peak(&self) -> f64 {
        self.components.iter().map(|component| component.peaks.memory().bytes()).sum::<u64>() as f64
    }

    /// What all components held more of with each request; `None` if it is unknown for one of them.
    #[must_use]
    pub fn growth(&self, growth: Growth) -> Option<f64> {
        self.components.iter().map(|component| component.growth.as_ref()?.get(growth)).sum()
    }

    /// Under a ramp, the highest throughput at any of its rates, except those at which the driver fell behind. `None`
    /// without a ramp.
    #[must_use]
    pub fn peak_per_s(&self) -> Option<f64> {
        let rates = self.open.as_ref()?.rates.iter().filter(|rate| !rate.fell_behind());
        rates.map(RateMeasured::answered_per_s).reduce(f64::max)
    }

    /// The value of a metric, in requests per second or microseconds. `None` without good responses.
    #[must_use]
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        if self.answered == 0 {
            return None;
        }
        match metric {
            Metric::Throughput => Some(self.peak_per_s().unwrap_or(self.throughput_per_s)),
            Metric::CpuPerRequest => self.cpu_per_request_us(None),
            Metric::P50 => self.latency().map(|times| times.p50_us as f64),
            Metric::P99 => self.latency().map(|times| times.p99_us as f64),
        }
    }
}
