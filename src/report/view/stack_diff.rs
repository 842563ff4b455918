//! Two stacks under the same checks: every field in which their responses, and the requests that their applications saw,
//! differ.

use serde::Serialize;

use crate::check::diff::{Difference, differences};
use crate::check::observed::Observed;
use crate::record::{CheckOutcome, StackRecord};

/// The responses of two stacks to the request of one check.
#[derive(Debug, Clone, Serialize)]
pub struct CheckComparison {
    pub check: String,
    /// The request's method and target.
    pub request: String,
    pub reference: String,
    pub other: String,
    /// The fields that differ, or why there is no response to compare.
    pub outcome: Result<Vec<Difference>, String>,
}

impl CheckComparison {
    /// Whether there are two equal outcomes.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.outcome.as_ref().is_ok_and(Vec::is_empty)
    }
}

/// Compares two stacks over the checks that both ran, in their order.
#[must_use]
pub fn compare(reference: &StackRecord, other: &StackRecord) -> Vec<CheckComparison> {
    reference.checks.iter().filter_map(|check| compare_check(reference, other, &check.name)).collect()
}

/// Compares two stacks over one check; `None` if they did not both run it.
#[must_use]
pub fn compare_check(reference: &StackRecord, other: &StackRecord, name: &str) -> Option<CheckComparison> {
    let [check, twin] = [reference, other].map(|stack| stack.checks.iter().find(|check| check.name == name));
    let (check, twin) = check.zip(twin)?;
    Some(CheckComparison {
        check: check.name.clone(),
        request: check.request.clone(),
        reference: reference.name.clone(),
        other: other.name.clone(),
        outcome: match (response(&check.outcome), response(&twin.outcome)) {
            (Ok(a), Ok(b)) => Ok(differences(a, b)),
            (Err(error), Ok(_)) => Err(format!("{}: {error}", reference.name)),
            (Ok(_), Err(error)) => Err(format!("{}: {error}", other.name)),
            (Err(a), Err(b)) if a == b => Ok(Vec::new()),
            (Err(a), Err(b)) => Err(format!("{}: {a}; {}: {b}", reference.name, other.name)),
        },
    })
}

/// The response, or why there is none.
fn response(outcome: &CheckOutcome) -> Result<&Observed, &str> {
    match outcome {
        CheckOutcome::Evaluated { observed, .. } => Ok(observed),
        CheckOutcome::NoResponse { message } => Err(message),
        CheckOutcome::Failed { error } => Err(error),
    }
}
