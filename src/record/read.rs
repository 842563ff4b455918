//! Records from files: whether lab can read them, and what a file is allowed to leave out.

use serde::Deserialize;

use super::{Record, SCHEMA};

/// A text that is no record this lab reads.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It has another shape.
    #[error("it is a record of schema {found}; this lab reads schema {SCHEMA}")]
    Schema {
        /// The schema it says it has.
        found: u32,
    },
    /// It is something else.
    #[error("it is not a record")]
    NotARecord(#[from] serde_json::Error),
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
    /// It is of another schema, or no record.
    pub fn from_json(text: &str) -> Result<Record, ReadError> {
        let Versioned { schema } = serde_json::from_str(text)?;
        if schema != SCHEMA {
            return Err(ReadError::Schema { found: schema });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Leaves out what no report needs, so that a record is small enough to be committed: histograms, the seconds of
    /// windows and warm-ups, the curves of what components held, and the answers to checks that were as expected. Every
    /// round, count, percentile and error stays. [`left_out`](Record::left_out) says so.
    pub fn abridge(&mut self) {
        for round in &mut self.rounds {
            let super::RoundOutcome::Measured(measured) = &mut round.outcome else { continue };
            measured.abridge();
        }
        for check in self.stacks.iter_mut().flat_map(|stack| &mut stack.checks).filter(|check| check.passed()) {
            if let super::CheckOutcome::Judged { observed, .. } = &mut check.outcome {
                observed.headers.clear();
                observed.body.clear();
            }
        }
        self.left_out =
            ["histograms", "seconds", "curves", "answers to checks that passed"].map(str::to_owned).to_vec();
    }
}
