//! The file that holds a machine's calibrations: `reports/calibration/FINGERPRINT.json` in the scenario's root.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::calibration::{Calibration, ScenarioCalibration};
use crate::measure::machine::Machine;
use crate::whole_file;

/// The folder in `reports/` that holds calibrations and their runs. No scenario can have this name.
pub const CALIBRATION_FOLDER: &str = "calibration";

/// Why calibrations cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationFileError {
    #[error("{operation} {}", file.display())]
    Io { operation: &'static str, file: PathBuf, source: io::Error },
    #[error("read {}", file.display())]
    Malformed { file: PathBuf, source: serde_json::Error },
    #[error("write the calibration as JSON")]
    Unwritable(#[source] serde_json::Error),
}

/// A machine's calibrations on disk.
#[derive(Debug)]
pub struct CalibrationFile {
    pub path: PathBuf,
}

impl CalibrationFile {
    /// The file of `machine`, for scenarios of `root`. It need not exist.
    #[must_use]
    pub fn new(root: &Path, machine: &Machine) -> CalibrationFile {
        let name = format!("{}.json", machine.fingerprint());
        CalibrationFile { path: root.join("reports").join(CALIBRATION_FOLDER).join(name) }
    }

    /// All calibrations of the machine; `None` if it has none.
    ///
    /// # Errors
    /// [`CalibrationFileError`].
    pub fn read(&self) -> Result<Option<Calibration>, CalibrationFileError> {
        let file = || self.path.clone();
        match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CalibrationFileError::Io { operation: "read", file: file(), source }),
            Ok(text) => {
                let read = serde_json::from_str(&text);
                read.map(Some).map_err(|source| CalibrationFileError::Malformed { file: file(), source })
            }
        }
    }

    /// The machine's calibration for one scenario.
    ///
    /// # Errors
    /// [`CalibrationFileError`].
    pub fn find(&self, scenario: &str) -> Result<Option<ScenarioCalibration>, CalibrationFileError> {
        Ok(self.read()?.and_then(|mut calibration| calibration.scenarios.remove(scenario)))
    }

    /// Replaces the calibration of one scenario. Returns all of the machine's.
    ///
    /// # Errors
    /// [`CalibrationFileError`].
    pub fn update(
        &self,
        scenario: &str,
        machine: &Machine,
        calibrated: ScenarioCalibration,
    ) -> Result<Calibration, CalibrationFileError> {
        let mut calibration = self.read()?.unwrap_or_else(|| Calibration {
            schema: 1,
            machine: machine.clone(),
            scenarios: BTreeMap::new(),
        });
        calibration.scenarios.insert(scenario.to_owned(), calibrated);
        let json = serde_json::to_string_pretty(&calibration).map_err(CalibrationFileError::Unwritable)?;
        whole_file::replace(&self.path, (json + "\n").as_bytes()).map_err(|source| CalibrationFileError::Io {
            operation: "write",
            file: self.path.clone(),
            source,
        })?;
        Ok(calibration)
    }
}
