//! Calibrations: how small a difference a machine can detect, measured by comparing a stack with itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::machine::Machine;
use lab_stats::calibration::Sensitivity;

/// All calibrations of one machine: the content of `reports/calibration/FINGERPRINT.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The version of this format: 1.
    pub schema: u32,
    pub machine: Machine,
    /// The newest calibration of each scenario, by name.
    pub scenarios: BTreeMap<String, ScenarioCalibration>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioCalibration {
    /// The run that made it, whose record is in the same folder.
    pub run: String,
    /// The end of that run, in UTC.
    #[serde(rename = "made")]
    pub ended: String,
    /// The stack that was compared with itself.
    pub stack: String,
    /// One for each metric and load.
    pub metrics: Vec<MetricCalibration>,
    /// The comparisons that its rounds make; `None` in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparisons: Option<SelfComparisons>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricCalibration {
    pub load: String,
    /// The load's description at that time; a calibration is valid only for the same one.
    #[serde(rename = "load_was")]
    pub load_description: String,
    pub metric: String,
    /// Natural logarithms of the ratios of the stack to itself, one for each block.
    pub log_ratios: Vec<f64>,
    /// The margin for which the sensitivity holds, as a fraction; 0 if the metric is not gated.
    pub margin: f64,
    /// The number of blocks for which the sensitivity holds: the scenario's maximum.
    pub blocks: u32,
    #[serde(flatten)]
    pub sensitivity: Sensitivity,
}

/// Comparisons of a stack with itself, each as long as a run of the scenario, of rounds that no other comparison uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfComparisons {
    pub made: usize,
    /// Those that called any difference in any gated metric.
    pub alarms: usize,
}

/// A margin that this machine's noise alone may exceed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FloorWarning {
    pub load: String,
    pub metric: String,
    /// As a fraction.
    pub margin: f64,
    /// The noise floor for the scenario's maximum number of blocks, as a fraction.
    pub noise_floor: f64,
}
