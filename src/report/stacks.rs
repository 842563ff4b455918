//! Two stacks, the same requests: every field in which the answers, and what their apps saw, differ.

use std::fmt::Write as _;

use serde::Serialize;

use super::terminal::{QUIET, TITLE, styled};
use crate::check::diff::{Difference, differences};
use crate::check::observed::Observed;
use crate::record::{CheckOutcome, StackRecord};

/// What two stacks made of one request.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// The check's name.
    pub check: String,
    /// Method and target.
    pub request: String,
    /// The stack that is compared with.
    pub reference: String,
    /// The other stack.
    pub other: String,
    /// The fields in which they differ; or what kept one of them from answering.
    pub outcome: Result<Vec<Difference>, String>,
}

impl Compared {
    /// Whether both answered, and alike.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.outcome.as_ref().is_ok_and(Vec::is_empty)
    }
}

/// Compares two stacks over the checks that both were asked, in their order.
#[must_use]
pub fn compare(reference: &StackRecord, other: &StackRecord) -> Vec<Compared> {
    let pairs = reference.checks.iter().filter_map(|check| {
        let twin = other.checks.iter().find(|twin| twin.name == check.name)?;
        Some((check, twin))
    });
    let compared = pairs.map(|(check, twin)| Compared {
        check: check.name.clone(),
        request: check.request.clone(),
        reference: reference.name.clone(),
        other: other.name.clone(),
        outcome: match (answer(&check.outcome), answer(&twin.outcome)) {
            (Ok(a), Ok(b)) => Ok(differences(a, b)),
            (Err(error), Ok(_)) => Err(format!("{}: {error}", reference.name)),
            (Ok(_), Err(error)) => Err(format!("{}: {error}", other.name)),
            (Err(a), Err(b)) if a == b => Ok(Vec::new()),
            (Err(a), Err(b)) => Err(format!("{}: {a}; {}: {b}", reference.name, other.name)),
        },
    });
    compared.collect()
}

/// The answer, or why there is none.
fn answer(outcome: &CheckOutcome) -> Result<&Observed, &str> {
    match outcome {
        CheckOutcome::Judged { observed, .. } => Ok(observed),
        CheckOutcome::Unanswered { said } => Err(said),
        CheckOutcome::Failed { error } => Err(error),
    }
}

/// All of it for a person: a paragraph for each request that was answered differently, and how many were not.
#[must_use]
pub fn render(compared: &[Compared]) -> String {
    let mut text = String::new();
    for one in compared.iter().filter(|one| !one.is_same()) {
        let _ = writeln!(text, "{}  {}", styled(TITLE, &one.check), styled(QUIET, &one.request));
        match &one.outcome {
            Ok(found) => found.iter().for_each(|difference| field(&mut text, one, difference)),
            Err(error) => {
                let _ = writeln!(text, "  no answer to compare: {error}");
            }
        }
        text.push('\n');
    }
    let same = compared.iter().filter(|one| one.is_same()).count();
    let _ = writeln!(text, "{}", styled(QUIET, &format!("{same} of {} requests were answered alike", compared.len())));
    text
}

fn field(text: &mut String, one: &Compared, difference: &Difference) {
    let width = one.reference.chars().count().max(one.other.chars().count());
    let _ = writeln!(text, "  {}", difference.field);
    for (stack, value) in [(&one.reference, &difference.reference), (&one.other, &difference.other)] {
        let mut lines = value.as_deref().unwrap_or("·").split('\n');
        let _ = writeln!(text, "    {stack:width$}  {}", lines.next().unwrap_or_default().trim_end_matches('\r'));
        for line in lines {
            let _ = writeln!(text, "    {:width$}  {}", "", line.trim_end_matches('\r'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::observed::Observed;
    use crate::record::CheckRecord;

    fn stack(name: &str, outcomes: &[(&str, Result<&str, &str>)]) -> StackRecord {
        let checks = outcomes.iter().map(|(check, outcome)| CheckRecord {
            name: (*check).to_owned(),
            request: "GET /".to_owned(),
            outcome: match outcome {
                Ok(body) => CheckOutcome::Judged {
                    findings: Vec::new(),
                    observed: Observed {
                        status: 200,
                        reason: String::new(),
                        headers: Vec::new(),
                        body: (*body).to_owned(),
                        framing_error: None,
                    },
                },
                Err(error) => CheckOutcome::Failed { error: (*error).to_owned() },
            },
        });
        StackRecord {
            name: name.to_owned(),
            reference: false,
            components: Vec::new(),
            error: None,
            unavailable: None,
            is_optional: false,
            checks: checks.collect(),
            published: Vec::new(),
        }
    }

    #[test]
    fn answers_errors_and_their_absence_are_told_apart() {
        let a =
            stack("plain", &[("same", Ok("x")), ("other", Ok("one\ntwo")), ("gone", Ok("x")), ("only here", Ok("x"))]);
        let b = stack("proxied", &[("same", Ok("x")), ("other", Ok("three")), ("gone", Err("reset"))]);
        let text = anstream::adapter::strip_str(&render(&compare(&a, &b))).to_string();
        insta::assert_snapshot!(text);
    }
}
