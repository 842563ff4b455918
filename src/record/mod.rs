//! The record: the complete machine-readable outcome of a run, raw rounds and histograms included.
//!
//! Plain data that the engine, the gate and the reports share. Versioned by [`SCHEMA`]; times are in microseconds
//! (`_us`), sizes in bytes (`_bytes`), rates per second (`_per_s`).

mod calibration;
mod calibration_file;
mod estimate;
mod gate;
mod inputs;
mod manifest;
mod provenance;
mod published;
mod ranking;
mod read;
mod round;
mod validation;

pub use calibration::{Calibrated, CalibratedMetric, Calibration, FloorWarning};
pub use calibration_file::{CALIBRATION_FOLDER, CalibrationFile, CalibrationFileError};
pub use estimate::{Estimate, Ratio, RatioInterval, Unit};
pub use gate::{FactsVerdict, GateOutcome, MetricVerdict, Verdict};
pub use inputs::InputError;
pub use manifest::{Manifest, ManifestError, rfc3339};
pub use provenance::Provenance;
pub use published::PublishedFigure;
pub use ranking::{LoadRanking, RankRange};
pub use read::ReadError;
pub use round::{
    ComponentUse, Distribution, DriverUse, Measured, OpenMeasured, RateMeasured, RoundIssue, RoundOutcome, RoundRecord,
    StepMeasured, WarmupRecord,
};
pub use validation::{ValidatedStack, Validation};

use serde::{Deserialize, Serialize};

use crate::check::diff::Difference;
use crate::check::evaluate::CheckFinding;
use crate::check::observed::Observed;
use crate::stack::Role;

/// The version of the record's shape; it grows when a reader of the old shape would misread the new one.
pub const SCHEMA: u32 = 2;

/// Everything a run established, and what it takes to repeat it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Which run this is, and of what.
    pub provenance: Provenance,
    /// What was found on each stack, in the scenario's order.
    pub stacks: Vec<StackRecord>,
    /// What each stack changes relative to the reference stack, over the checks both were asked.
    pub differences: Vec<StackDifferences>,
    /// Every visit of every stack, in the order they were made.
    pub rounds: Vec<RoundRecord>,
    /// What the valid rounds come to.
    pub estimates: Vec<Estimate>,
    /// The rank range of each stack, by load and metric.
    #[serde(rename = "places")]
    pub rankings: Vec<LoadRanking>,
    /// The loads that others were held against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validations: Vec<Validation>,
    /// The looks that were declared and made.
    pub looks: LooksRecord,
    /// The margins that this machine's noise alone may exceed; `None` where it has not been calibrated.
    pub below_noise_floor: Option<Vec<FloorWarning>>,
    /// The comparison with the committed snapshot.
    pub gate: GateOutcome,
    /// What was left out to make the record small; empty for a whole one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// After how many blocks the run was to be looked at, and how often it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LooksRecord {
    /// All that were declared beforehand; each may err by its share only.
    pub declared: Vec<u32>,
    /// How many of them were made before nothing was undecided any more.
    pub made: usize,
}

/// What was found on one stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackRecord {
    /// Its name.
    pub name: String,
    /// Whether ratios are against it.
    pub reference: bool,
    /// Its parts, from the client inwards; empty when it could not be started.
    pub components: Vec<ComponentRecord>,
    /// What of it is not to be had on this machine, if so; it was not started then.
    #[serde(default)]
    pub unavailable: Option<String>,
    /// Whether it may be missing.
    #[serde(default)]
    pub is_optional: bool,
    /// Why it could not be started, if so.
    pub error: Option<String>,
    /// Its checks, in the scenario's order.
    pub checks: Vec<CheckRecord>,
    /// What others have published of its server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedFigure>,
}

impl StackRecord {
    /// Whether it was started and every check passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error.is_none() && self.unavailable.is_none() && self.checks.iter().all(CheckRecord::passed)
    }
}

/// One part of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentRecord {
    /// Its part.
    pub role: Role,
    /// Its kind and version.
    pub version: String,
    /// The image its container is made from, where that is not lab's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRecord>,
}

/// An image, as the engine knew it during the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// What the scenario calls it: its name with a tag or digest, or the folder it was built in.
    pub name: String,
    /// Its id: the digest of its configuration, and so of all that is in it.
    pub id: String,
    /// What it can be pulled by again, if it was pulled: `name@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// One check on one stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckRecord {
    /// The check's name.
    pub name: String,
    /// The request in short: method and target.
    pub request: String,
    /// What came of it.
    pub outcome: CheckOutcome,
}

impl CheckRecord {
    /// Whether everything was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        match &self.outcome {
            CheckOutcome::Judged { findings, .. } => findings.iter().all(|finding| finding.agrees),
            CheckOutcome::Unanswered { .. } => true,
            CheckOutcome::Failed { .. } => false,
        }
    }
}

/// What came of a check.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// An answer came and was judged.
    Judged {
        /// Expected and observed, field by field.
        findings: Vec<CheckFinding>,
        /// The whole answer, accidental parts (ports, dates, versions) replaced.
        observed: Observed,
    },
    /// No answer came in time, and none was to come.
    Unanswered {
        /// How long it was waited for.
        said: String,
    },
    /// No answer came.
    Failed {
        /// Why.
        error: String,
    },
}

/// What one stack changes relative to the reference stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackDifferences {
    /// The stack.
    pub stack: String,
    /// The stack it is compared with.
    pub reference: String,
    /// Each difference, once, with the first check that showed it.
    pub differences: Vec<SeenDifference>,
}

/// A difference and where it was seen first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeenDifference {
    /// The check that showed it first.
    pub check: String,
    /// How many checks showed it.
    pub checks: u32,
    /// The difference.
    #[serde(flatten)]
    pub difference: Difference,
}
