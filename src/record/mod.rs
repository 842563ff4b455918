//! The record: the complete machine-readable outcome of a run, raw rounds and histograms included.
//!
//! Plain data that the engine, the gate and the reports share. Versioned by [`SCHEMA`]; times are in microseconds
//! (`_us`), sizes in bytes (`_bytes`), rates per second (`_per_s`).

mod calibration;
mod compared_versions;
mod confirmation;
mod calibration_file;
mod component_use;
mod distribution;
mod estimate;
mod gate;
mod growth;
mod inputs;
mod manifest;
mod measured;
mod micros;
mod network_path;
mod open_measured;
mod provenance;
mod published;
mod ranking;
mod read;
mod round;
mod session_line;
mod shared_window;
mod text_difference;
mod topology;
mod validation;

pub use calibration::{Calibration, FloorWarning, MetricCalibration, ScenarioCalibration, SelfComparisons};
pub use calibration_file::{CALIBRATION_FOLDER, CalibrationFile, CalibrationFileError};
pub use compared_versions::{ComparedVersions, VersionRecord};
pub use component_use::ComponentUse;
pub use confirmation::{Cell, Confirmation, FirstChange, FirstValue};
pub use distribution::Distribution;
pub use estimate::{Estimate, Ratio, RatioInterval, Unit};
pub use gate::{
    FactsVerdict, GateOutcome, LimitVerdict, MetricVerdict, OUT_OF_REACH, PastLevel, ValueInterval, Verdict,
};
pub use growth::{GrowthChange, GrowthEstimate, GrowthRates};
pub use inputs::InputError;
pub use manifest::{Manifest, ManifestError, rfc3339};
pub use measured::{DriverUse, Measured, RoundIssue, StepMeasured, WarmupRecord};
pub use micros::micros;
pub use network_path::NetworkPath;
pub use open_measured::{OpenMeasured, RateMeasured};
pub use provenance::Provenance;
pub use published::PublishedFigure;
pub use ranking::{LoadRanking, RankRange};
pub use read::ReadError;
pub use round::{RoundOutcome, RoundRecord, is_driver_bound};
pub use session_line::{SESSION_LINE_SCHEMA, SessionFigure, SessionLine, SessionRevision};
pub use shared_window::{DriverShare, SharedWindow};
pub use text_difference::{CONTEXT, text_difference, text_difference_with_context};
pub use topology::TopologyRecord;
pub use validation::{ValidatedStack, Validation};

use serde::{Deserialize, Serialize};

use crate::check::diff::Difference;
use crate::check::evaluate::CheckFinding;
use crate::check::observed::Observed;
use crate::stack::Role;
use crate::stack::logs::LogExcerpt;
use lab_app::headers_report::{ReceivedRequest, RequestView};

/// The version of the record's format. It increases when a reader of the old format would misread the new one.
pub const SCHEMA: u32 = 2;

/// Everything a run established, and everything needed to repeat it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    pub provenance: Provenance,
    /// Set if the stacks are those of two versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparedVersions>,
    /// In the scenario's order.
    pub stacks: Vec<StackRecord>,
    /// Over the checks that both the stack and the reference stack have.
    pub differences: Vec<StackDifferences>,
    /// The line for the scenario's `[snapshot]` that leaves out what varied between two visits, with what the scenario leaves
    /// out already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volatile_line: Option<String>,
    /// In the order in which they were run.
    pub rounds: Vec<RoundRecord>,
    pub estimates: Vec<Estimate>,
    /// What the stacks hold more of with every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub growth: Vec<GrowthEstimate>,
    /// The rank range of each stack, by load and metric.
    #[serde(rename = "places")]
    pub rankings: Vec<LoadRanking>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validations: Vec<Validation>,
    pub looks: LooksRecord,
    /// Set if something failed the gate and was measured once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// The margins that this machine's noise alone may exceed; `None` if the machine is not calibrated.
    pub below_noise_floor: Option<Vec<FloorWarning>>,
    /// The comparison with the committed snapshot.
    pub gate: GateOutcome,
    /// What an abridged record omits; empty in a whole one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// The interim looks of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LooksRecord {
    /// The numbers of blocks after which a look was declared. Each look spends a share of the error rate.
    pub declared: Vec<u32>,
    /// How many looks were made until everything was decided.
    pub made: usize,
}

/// A stack and the outcomes of its checks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackRecord {
    pub name: String,
    /// Whether this is the reference stack.
    pub reference: bool,
    /// From the client inwards; empty if the stack could not be started.
    pub components: Vec<ComponentRecord>,
    /// How it is put together. Records of earlier versions of lab lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<TopologyRecord>,
    /// What this machine lacks to start the stack.
    #[serde(default)]
    pub unavailable: Option<String>,
    /// Whether the stack may be unavailable.
    #[serde(default)]
    pub is_optional: bool,
    /// Why the stack could not be started.
    pub error: Option<String>,
    /// In the scenario's order.
    pub checks: Vec<CheckRecord>,
    /// What differed between two visits for the checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub varying: Vec<VaryingField>,
    /// Published figures of the stack's server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedFigure>,
}

impl StackRecord {
    /// Whether it could be started and stopped.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.error.is_none() && self.unavailable.is_none()
    }

    /// Whether it was started and every check passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.has_run() && self.checks.iter().all(CheckRecord::passed)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentRecord {
    pub role: Role,
    /// The kind and its version.
    pub version: String,
    /// The image of the component's container, unless it is lab's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRecord>,
}

/// An image, as the container engine knew it during the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The scenario's name for it: a name with a tag or digest, or the folder it was built in.
    pub name: String,
    /// The digest of its configuration, and so of its whole content.
    pub id: String,
    /// The reference for pulling it again, if it was pulled: `name@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A field that differs from visit to visit of one stack, and so says nothing about a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaryingField {
    pub check: String,
    pub field: String,
    /// Whether the volatile line of the record leaves it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_volatile: bool,
}

/// One check on one stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckRecord {
    pub name: String,
    /// Method and target of the request.
    pub request: String,
    pub outcome: CheckOutcome,
    /// The request as the server received it, where lab recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<ReceivedRequest>,
    /// The request as the application saw it, where lab recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<RequestView>,
    /// For a failed check: what the components logged since its request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogExcerpt>,
}

impl CheckRecord {
    #[must_use]
    pub fn passed(&self) -> bool {
        match &self.outcome {
            CheckOutcome::Evaluated { findings, .. } => findings.iter().all(|finding| finding.agrees),
            CheckOutcome::NoResponse { .. } => true,
            CheckOutcome::Failed { .. } => false,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum CheckOutcome {
    #[serde(rename = "judged")]
    Evaluated {
        findings: Vec<CheckFinding>,
        /// The whole response, with varying parts (ports, dates, versions) replaced.
        observed: Observed,
    },
    /// No response came in time, as expected.
    #[serde(rename = "unanswered")]
    NoResponse {
        /// How long lab waited.
        #[serde(rename = "said")]
        message: String,
    },
    /// No response came although one was expected.
    Failed { error: String },
}

/// The differences between one stack's responses and the reference stack's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackDifferences {
    pub stack: String,
    pub reference: String,
    /// Each difference once.
    pub differences: Vec<DifferenceRecord>,
}

/// A difference and the checks that showed it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DifferenceRecord {
    /// The first check that showed it.
    pub check: String,
    /// The number of checks that showed it.
    pub checks: u32,
    #[serde(flatten)]
    pub difference: Difference,
}
