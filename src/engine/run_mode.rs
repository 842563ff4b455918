//! How much of a scenario a session runs.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// The checks, without any load.
    ChecksOnly,
    /// The checks and the loads.
    Measure,
    /// The checks and the loads of the whole scenario, compared with its committed snapshots.
    MeasureAndCompare {
        /// Whether to commit the snapshots that do not exist yet, if nothing failed.
        accepts_new: bool,
        /// Whether what fails is measured once more.
        confirms: bool,
    },
    /// The checks and the loads of two versions, compared with each other. No snapshot is read or written.
    CompareVersions {
        /// Whether what fails is measured once more.
        confirms: bool,
    },
}

impl RunMode {
    pub(super) fn confirms(self) -> bool {
        match self {
            RunMode::MeasureAndCompare { confirms, .. } | RunMode::CompareVersions { confirms } => confirms,
            RunMode::ChecksOnly | RunMode::Measure => false,
        }
    }
}
