//! Reads and abridges records.

use serde::Deserialize;

use super::{Record, SCHEMA};

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("it is a record of schema {found}; this lab reads schema {SCHEMA}")]
    Schema { found: u32 },
    /// A full disk, or a copy that was interrupted.
    #[error(
        "it is a record that was cut off; `lab run SCENARIO --resume RUN` writes it again from the folder of its run"
    )]
    CutOff(#[source] serde_json::Error),
    #[error("it is not a record; accepted: the record.json of a run, or the folder of the run")]
    NotARecord(#[source] serde_json::Error),
}

impl From<serde_json::Error> for ReadError {
    fn from(error: serde_json::Error) -> ReadError {
        if error.is_eof() { ReadError::CutOff(error) } else { ReadError::NotARecord(error) }
    }
}

/// The one field that every version of the record has.
#[derive(Deserialize)]
struct Versioned {
    schema: u32,
}

impl Record {
    /// Reads a record, whole or [abridged](Record::abridge).
    ///
    /// # Errors
    /// The text is not a record, or a record of another schema.
    pub fn from_json(text: &str) -> Result<Record, ReadError> {
        let Versioned { schema } = serde_json::from_str(text)?;
        if schema != SCHEMA {
            return Err(ReadError::Schema { found: schema });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Removes what no report needs, so that the record is small enough to commit: histograms, seconds, curves, and the
    /// responses to checks that passed. Every round, count, percentile and error stays. [`left_out`](Record::left_out)
    /// lists what was removed.
    pub fn abridge(&mut self) {
        let confirming = self.confirmation.iter_mut().flat_map(|confirmation| &mut confirmation.rounds);
        for round in self.rounds.iter_mut().chain(confirming) {
            let super::RoundOutcome::Measured(measured) = &mut round.outcome else { continue };
            measured.abridge();
        }
        for check in self.stacks.iter_mut().flat_map(|stack| &mut stack.checks).filter(|check| check.passed()) {
            (check.received, check.app) = (None, None);
            if let super::CheckOutcome::Evaluated { observed, .. } = &mut check.outcome {
                observed.headers.clear();
                observed.body.clear();
            }
        }
        self.left_out =
            ["histograms", "seconds", "curves", "answers to checks that passed"].map(str::to_owned).to_vec();
    }
}
