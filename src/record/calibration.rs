//! Calibrations: what a machine can tell apart, as rounds of a stack against itself showed it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::machine::Machine;
use lab_stats::calibration::Sensitivity;

/// All calibrations of one machine: the content of `reports/calibration/FINGERPRINT.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The version of this shape: 1.
    pub schema: u32,
    /// The machine.
    pub machine: Machine,
    /// The newest calibration of each scenario, by name.
    pub scenarios: BTreeMap<String, Calibrated>,
}

/// The calibration of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// The run that made it, whose record lies beside.
    pub run: String,
    /// When it ended, in UTC.
    pub made: String,
    /// The stack that was compared with itself.
    pub stack: String,
    /// Each metric under each load.
    pub metrics: Vec<CalibratedMetric>,
}

/// What a stack's rounds against itself say about one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibratedMetric {
    /// The load.
    pub load: String,
    /// What that load was.
    pub load_was: String,
    /// The metric's name.
    pub metric: String,
    /// Natural logarithms of the ratios of the stack to itself, a block each.
    pub log_ratios: Vec<f64>,
    /// The margin that the chances are for, as a fraction; 0 where the metric is not gated.
    pub margin: f64,
    /// The most blocks of the scenario's runs, which the chances are for.
    pub blocks: u32,
    /// What that noise means for such a run.
    #[serde(flatten)]
    pub chances: Sensitivity,
}

/// A margin that this machine's noise alone may exceed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FloorWarning {
    /// The load.
    pub load: String,
    /// The metric's name.
    pub metric: String,
    /// The margin, as a fraction.
    pub margin: f64,
    /// The noise floor for as many blocks as the run may have, as a fraction.
    pub noise_floor: f64,
}
