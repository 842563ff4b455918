//! Rounds: each visit of a stack under a load, measured or failed.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::measure::contention::Contention;
use crate::measure::footprint::{Level, Memory, Peaks};
use crate::measure::resources::ResourceUse;
use crate::scenario::model::Metric;
use crate::stack::Role;
use lab_load::accounting::audit;
use lab_load::wire::histogram::{self, HistogramError};
use lab_load::wire::{ErrorClass, OpenLedger, RateLedger, SecondRow, Shortfall, StepOutcome};

/// One visit of one stack under one load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoundRecord {
    /// The block, from 0. Blocks past the planned ones replace blocks with an invalid round.
    pub block: u32,
    /// The load.
    pub load: String,
    /// The stack.
    pub stack: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: RoundOutcome,
}

impl RoundRecord {
    /// The measurement, if there is one and nothing makes it invalid.
    #[must_use]
    pub fn valid(&self) -> Option<&Measured> {
        match &self.outcome {
            RoundOutcome::Measured(measured) if measured.is_valid() => Some(measured),
            _ => None,
        }
    }
}

/// What came of a round. A failed one is a row with its error, never a zero and never absent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum RoundOutcome {
    /// It was measured.
    Measured(Box<Measured>),
    /// It could not be.
    Failed {
        /// Why.
        error: String,
    },
    /// Its driver is a program that is not installed; the load was not driven at all.
    Unavailable {
        /// What is missing.
        missing: String,
    },
}

/// A measured window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What came before the window.
    #[serde(default)]
    pub warmup: WarmupRecord,
    /// The measured window.
    pub window_us: u64,
    /// Complete good answers: of what ended within the window in a closed loop, of what was scheduled within it in an
    /// open one.
    pub ok: u64,
    /// Requests that ended in an error, by class.
    pub failed: BTreeMap<ErrorClass, u64>,
    /// Requests still under way when the window ended.
    pub unfinished: u64,
    /// Good answers that ended within the window: what throughput and cost per request are of.
    pub answered: u64,
    /// Bytes of the bodies of good answers; `None` if the driver does not tell.
    pub body_bytes: Option<u64>,
    /// Connections the driver opened, from its first request to the window's end, warm-up included; `None` if it does
    /// not tell.
    pub connections_opened: Option<u64>,
    /// Good answers per second of the window.
    pub throughput_per_s: f64,
    /// Service time of good answers: from the send to the last byte of the body. `None` if none was timed.
    pub service_time: Option<Distribution>,
    /// The same of failed requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_time: Option<Distribution>,
    /// What only an open loop has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Box<OpenMeasured>>,
    /// The seconds of the window; empty where the driver keeps none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<SecondRow>,
    /// The steps of a journey; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepMeasured>,
    /// What each component used within the window, from the client inwards.
    pub components: Vec<ComponentUse>,
    /// What the machine as a whole went through within the window; the load driver and other programs are in it.
    pub machine: Contention,
    /// What the load driver used.
    pub driver: DriverUse,
    /// What speaks against this round.
    #[serde(rename = "objections")]
    pub issues: Vec<RoundIssue>,
}

/// The open loop's part: `scheduled` is the sum of `ok`, `failed`, `shed` and `unsent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenMeasured {
    /// What the instants of this block were seeded with, after the scenario's seed and the block; `None` for those that
    /// chance has no part in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Requests the schedule asked for within the window.
    pub scheduled: u64,
    /// Of these, refused by the driver because too many were open.
    pub shed: u64,
    /// Of these, never sent.
    pub unsent: u64,
    /// From the scheduled instant to the end: the time that a client would have seen.
    pub response_time: Option<Distribution>,
    /// How late the driver was.
    pub lag: Option<Distribution>,
    /// Time to connect.
    pub connect_time: Option<Distribution>,
    /// Service time of a session's second and later calls.
    pub later_calls: Option<Distribution>,
    /// A ramp's rates, one after the other; empty where there is one rate only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateMeasured>,
}

/// What was scheduled while a ramp had one of its rates, whenever it ended: `scheduled` is the sum of `ok`, `failed`,
/// `shed` and `unsent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateMeasured {
    /// Arrivals per second.
    pub rate_per_s: u32,
    /// For how long.
    pub lasts_us: u64,
    /// Requests the schedule asked for.
    pub scheduled: u64,
    /// Complete good answers.
    pub ok: u64,
    /// Errors by class.
    pub failed: BTreeMap<ErrorClass, u64>,
    /// Refused by the driver because too many were open.
    pub shed: u64,
    /// Never sent.
    pub unsent: u64,
    /// Complete good answers that ended while the ramp had this rate, whenever they were asked for.
    pub answered: u64,
    /// From the scheduled instant to the end.
    pub response_time: Option<Distribution>,
    /// How late the driver was.
    pub lag: Option<Distribution>,
    /// From the first arrival to the end of the last request, where the rate was a run of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// Why less was asked for than the rate says, if a driver that tells no lag says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<Shortfall>,
}

impl RateMeasured {
    /// A rate's ledger as the record keeps it.
    #[must_use]
    pub fn of(rate: &RateLedger) -> RateMeasured {
        RateMeasured {
            rate_per_s: rate.rate_per_s.get(),
            lasts_us: u64::try_from(rate.lasts.as_micros()).unwrap_or(u64::MAX),
            scheduled: rate.scheduled,
            ok: rate.ok,
            failed: rate.failed.clone(),
            shed: rate.shed,
            unsent: rate.unsent,
            answered: rate.answered,
            response_time: Distribution::of(&rate.response_time_us),
            lag: Distribution::of(&rate.lag_us),
            took_us: rate.took_us,
            shortfall: rate.shortfall,
        }
    }

    /// Whether the driver fell behind at this rate, so that it did not ask for what the rate says.
    #[must_use]
    pub fn fell_behind(&self) -> bool {
        self.shortfall.is_some() || self.lag.as_ref().is_some_and(|lag| lag.p99_us > audit::BEHIND_LIMIT_US)
    }

    /// A percentile of the response times, unless the driver's own is so late that more than a tenth of it, and more than
    /// a millisecond, is the driver's doing.
    #[must_use]
    pub fn time_of_the_stack_us(&self, percentile: fn(&Distribution) -> u64) -> Option<u64> {
        let time_us = percentile(self.response_time.as_ref()?);
        let late_us = self.lag.as_ref().map_or(0, percentile);
        (late_us <= audit::LATE_LIMIT_US || late_us <= time_us / 10).then_some(time_us)
    }

    /// Good answers that ended in each second of the rate; where it was a run of its own that took longer, in each second of
    /// that: a queue that is answered when nobody asks any more is no throughput.
    #[must_use]
    pub fn answered_per_s(&self) -> f64 {
        self.answered as f64 * 1e6 / self.lasts_us.max(self.took_us.unwrap_or(0)) as f64
    }

    /// Requests asked for in each second of the rate.
    #[must_use]
    pub fn asked_per_s(&self) -> f64 {
        self.scheduled as f64 * 1e6 / self.lasts_us as f64
    }
}

impl OpenMeasured {
    /// The ledger's part as the record keeps it.
    #[must_use]
    pub fn of(open: &OpenLedger) -> OpenMeasured {
        OpenMeasured {
            seed: None,
            scheduled: open.scheduled,
            shed: open.shed,
            unsent: open.unsent,
            response_time: Distribution::of(&open.response_time_us),
            lag: Distribution::of(&open.lag_us),
            connect_time: Distribution::of(&open.connect_time_us),
            later_calls: Distribution::of(&open.later_calls_us),
            rates: open.rates.iter().map(RateMeasured::of).collect(),
        }
    }
}

/// One step of a journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepMeasured {
    /// Its name.
    pub name: String,
    /// Good answers.
    pub ok: u64,
    /// Errors.
    pub failed: u64,
    /// Service time.
    pub service_time: Option<Distribution>,
}

impl StepMeasured {
    /// A step's outcome as the record keeps it.
    #[must_use]
    pub fn of(step: &StepOutcome) -> StepMeasured {
        StepMeasured {
            name: step.name.clone(),
            ok: step.ok,
            failed: step.failed,
            service_time: Distribution::of(&step.service_time_us),
        }
    }
}

/// How a stack was warmed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmupRecord {
    /// How long it was driven before the window.
    pub lasted_us: u64,
    /// Whether it was steady in the end; `None` for a warm-up of a given length.
    pub is_steady: Option<bool>,
    /// The seconds that were looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<SecondRow>,
}

/// What the load driver used within the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverUse {
    /// CPU time of its process.
    pub cpu_us: u64,
    /// … of it in user mode.
    #[serde(default)]
    pub cpu_user_us: u64,
    /// … of it in the kernel.
    #[serde(default)]
    pub cpu_system_us: u64,
    /// What was said about the first few failures that fit no class.
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

/// What one component used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentUse {
    /// Its part.
    pub role: Role,
    /// What it used within the window.
    #[serde(flatten)]
    pub used: ResourceUse,
    /// What it held when its stack was freshly started and had answered the readiness probe, before any load. `None` in
    /// records of an earlier lab, and where it could not be read.
    #[serde(default)]
    pub at_rest: Option<Memory>,
    /// The most it held within the window.
    #[serde(flatten)]
    pub peaks: Peaks,
    /// Handshakes that its listening socket turned away within the window, for a full accept queue or another reason.
    /// `None` where the kernel does not tell.
    pub accept_queue_drops: Option<u64>,
    /// Connections it has accepted from the driver's start to the window's end, warm-up included: those that the driver
    /// opened, if it is the outermost. Give or take those that were ending at that moment. `None` where the kernel does
    /// not tell.
    #[serde(default)]
    pub accepted_connections: Option<u64>,
    /// What it held, from the opening of the window to its end. Empty where a record is abridged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<Level>,
}

/// A distribution of times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Mean.
    pub mean_us: f64,
    /// Median.
    pub p50_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// 99.9th percentile.
    pub p999_us: u64,
    /// Largest.
    pub max_us: u64,
    /// The whole histogram: HdrHistogram's V2 encoding, in base64. Empty where a record is abridged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub histogram: String,
}

impl Distribution {
    /// Summarises a histogram of microseconds and keeps it whole; `None` for an empty one, which has no median.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Option<Distribution> {
        (!histogram.is_empty()).then(|| Distribution {
            mean_us: histogram.mean(),
            p50_us: histogram.value_at_quantile(0.50),
            p90_us: histogram.value_at_quantile(0.90),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
            // OK because every histogram of times can be encoded
            histogram: histogram::encode(histogram).expect("a histogram can be encoded"),
        })
    }

    /// The whole histogram.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn histogram(&self) -> Result<Histogram<u64>, HistogramError> {
        histogram::decode(&self.histogram)
    }
}

impl Measured {
    /// Leaves out histograms, seconds and curves; counts and percentiles stay.
    pub(super) fn abridge(&mut self) {
        self.seconds.clear();
        self.warmup.seconds.clear();
        self.components.iter_mut().for_each(|component| component.curve.clear());
        let open = self.open.as_deref_mut();
        let of_open = open.into_iter().flat_map(|open| {
            let OpenMeasured { response_time, lag, connect_time, later_calls, rates, .. } = open;
            let of_rates = rates.iter_mut().flat_map(|rate| [&mut rate.response_time, &mut rate.lag]);
            [response_time, lag, connect_time, later_calls].into_iter().chain(of_rates)
        });
        let of_steps = self.steps.iter_mut().map(|step| &mut step.service_time);
        let own = [&mut self.service_time, &mut self.failed_time];
        for times in own.into_iter().chain(of_open).chain(of_steps).flatten() {
            times.histogram.clear();
        }
    }

    /// Whether nothing makes this round invalid.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.issues.iter().any(|issue| issue.invalidates)
    }

    /// The times that count: from the scheduled instant in an open loop, from the send in a closed one. `None` if the
    /// driver does not tell any.
    #[must_use]
    pub fn latency(&self) -> Option<&Distribution> {
        match &self.open {
            Some(open) => open.response_time.as_ref(),
            None => self.service_time.as_ref(),
        }
    }

    /// CPU time of one component per good answer, in microseconds; `None` without good answers.
    #[must_use]
    pub fn cpu_per_request_us(&self, role: Option<Role>) -> Option<f64> {
        let counted = self.components.iter().filter(|component| role.is_none_or(|role| component.role == role));
        let cpu_us: u64 = counted.map(|component| component.used.cpu_us).sum();
        (self.answered > 0).then(|| cpu_us as f64 / self.answered as f64)
    }

    /// What all components held before any load, in bytes; `None` where it is not known of one.
    #[must_use]
    pub fn memory_at_rest(&self) -> Option<f64> {
        let rest: Option<Vec<u64>> =
            self.components.iter().map(|component| component.at_rest.map(Memory::bytes)).collect();
        Some(rest?.iter().sum::<u64>() as f64)
    }

    /// The most that all components held within the window, in bytes.
    #[must_use]
    pub fn memory_at_peak(&self) -> f64 {
        self.components.iter().map(|component| component.peaks.memory().bytes()).sum::<u64>() as f64
    }

    /// Under a ramp, the most good answers that ended in a second of any of its rates; rates at which the driver fell
    /// behind do not count. `None` without a ramp.
    #[must_use]
    pub fn peak_per_s(&self) -> Option<f64> {
        let rates = self.open.as_ref()?.rates.iter().filter(|rate| !rate.fell_behind());
        rates.map(RateMeasured::answered_per_s).reduce(f64::max)
    }

    /// The value of a metric, in its own unit: requests per second or microseconds. `None` without good answers.
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
