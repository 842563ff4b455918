//! The differences between two stacks, a paragraph per check.

use std::fmt::Write as _;

use super::style::{QUIET, TITLE, styled};
use crate::check::diff::Difference;
use crate::report::view::stack_diff::CheckComparison;

/// A paragraph for each check whose outcomes differ, then the number of those that agree.
#[must_use]
pub fn render(compared: &[CheckComparison]) -> String {
    let mut text = String::new();
    for one in compared.iter().filter(|one| !one.is_same()) {
        let _ = writeln!(text, "{}  {}", styled(TITLE, &one.check), styled(QUIET, &one.request));
        match &one.outcome {
            Ok(found) => found.iter().for_each(|difference| field_lines(&mut text, one, difference)),
            Err(error) => {
                let _ = writeln!(text, "  no response to compare: {error}");
            }
        }
        text.push('\n');
    }
    let same = compared.iter().filter(|one| one.is_same()).count();
    let _ =
        writeln!(text, "{}", styled(QUIET, &format!("{same} of {} requests got the same response", compared.len())));
    text
}

fn field_lines(text: &mut String, one: &CheckComparison, difference: &Difference) {
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
    use crate::record::{CheckOutcome, CheckRecord, StackRecord};
    use crate::report::view::stack_diff::compare;

    fn stack(name: &str, outcomes: &[(&str, Result<&str, &str>)]) -> StackRecord {
        let checks = outcomes.iter().map(|(check, outcome)| CheckRecord {
            name: (*check).to_owned(),
            request: "GET /".to_owned(),
            received: None,
            app: None,
            logs: Vec::new(),
            outcome: match outcome {
                Ok(body) => CheckOutcome::Evaluated {
                    findings: Vec::new(),
                    observed: Observed {
                        status: 200,
                        reason: String::new(),
                        headers: Vec::new(),
                        body: (*body).to_owned(),
                        is_binary: false,
                        framing_error: None,
                        conditional: Vec::new(),
                    },
                },
                Err(error) => CheckOutcome::Failed { error: (*error).to_owned() },
            },
        });
        StackRecord {
            name: name.to_owned(),
            reference: false,
            components: Vec::new(),
            topology: None,
            error: None,
            unavailable: None,
            is_optional: false,
            checks: checks.collect(),
            varying: Vec::new(),
            published: Vec::new(),
        }
    }

    #[test]
    fn responses_and_errors_differ() {
        let a =
            stack("plain", &[("same", Ok("x")), ("other", Ok("one\ntwo")), ("gone", Ok("x")), ("only here", Ok("x"))]);
        let b = stack("proxied", &[("same", Ok("x")), ("other", Ok("three")), ("gone", Err("reset"))]);
        let text = anstream::adapter::strip_str(&render(&compare(&a, &b))).to_string();
        insta::assert_snapshot!(text);
    }
}
