//! The exact facts of a run as text: what two runs of an unchanged scenario share to the letter. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::check::evaluate::app_field;
use crate::check::observed::Observed;
use crate::record::{CheckOutcome, CheckRecord, RoundOutcome, RoundRecord, StackRecord};
use crate::scenario::model::AppField;
use lab_load::wire::ErrorClass;

/// Longer bodies stand in a snapshot as their length and digest.
const SHOWN_BODY_CHARS: usize = 200;

/// The facts of a run: each check of each stack with the whole answer and what the app saw, then the errors of each
/// load. Observations are redacted before they come here. How the loads of the names `counted` fail is no fact.
#[must_use]
pub fn render(stacks: &[StackRecord], rounds: &[RoundRecord], counted: &[&str]) -> String {
    let mut text = String::new();
    for stack in stacks {
        heading(&mut text, &format!("stack {}", stack.name));
        for component in &stack.components {
            let kind = component.version.split(' ').next().unwrap_or_default();
            line(&mut text, &format!("{}: {kind}", component.role));
        }
        if stack.unavailable.is_some() {
            // What is missing is this machine's matter; that the stack was not there is the fact.
            line(&mut text, "unavailable");
        }
        if let Some(error) = &stack.error {
            // Why, with its paths and ports, differs from run to run; that it did not start is the fact.
            let what = error.split(':').next().unwrap_or_default();
            line(&mut text, &format!("could not run: {what}"));
        }
        for check in &stack.checks {
            render_check(&mut text, check);
        }
        text.push('\n');
    }
    let judged: Vec<&RoundRecord> = rounds.iter().filter(|round| !counted.contains(&round.load.as_str())).collect();
    render_loads(&mut text, &judged);
    text.truncate(text.trim_end().len());
    text
}

fn heading(text: &mut String, title: &str) {
    line(text, title);
    line(text, &"=".repeat(title.chars().count()));
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn render_check(text: &mut String, check: &CheckRecord) {
    let verdict = if check.passed() { "pass" } else { "FAIL" };
    let _ = writeln!(text, "\n{verdict}: {}\n  {}", check.name, check.request);
    match &check.outcome {
        CheckOutcome::Unanswered { said } => line(text, &format!("  {said}")),
        CheckOutcome::Failed { error } => line(text, &format!("  no answer: {error}")),
        CheckOutcome::Judged { observed, .. } => render_observed(text, observed),
    }
}

/// Marked as curl does it: `<` for what the client received; and `>` for what arrived at the app.
fn render_observed(text: &mut String, observed: &Observed) {
    if let Ok(view) = observed.headers_report() {
        let arrived = &view.upstream;
        line(text, &format!("  > {} {} {}", arrived.method, arrived.target, arrived.version));
        for (name, value) in &arrived.headers {
            line(text, &format!("  > {name}: {value}"));
        }
        for field in AppField::ALL {
            let (before, after) = (app_field(&view.before_proxy_fix, field), app_field(&view.app, field));
            let was = if before == after { String::new() } else { format!(" (was {before:?})") };
            line(text, &format!("  app {} = {after:?}{was}", field.name()));
        }
    }
    line(text, format!("  < {} {}", observed.status, observed.reason).trim_end());
    for (name, value) in &observed.headers {
        line(text, &format!("  < {name}: {value}"));
    }
    if let Some(error) = &observed.framing_error {
        line(text, &format!("  framing: {error}"));
    }
    if observed.headers_report().is_err() && !observed.body.is_empty() {
        match observed.body.chars().count() <= SHOWN_BODY_CHARS {
            true => line(text, &format!("  body {:?}", observed.body)),
            false => {
                let digest = Sha256::digest(&observed.body);
                line(text, &format!("  body of {} bytes, SHA-256 {digest:x}", observed.body.len()));
            }
        }
    }
}

/// Which errors each stack answered each load with; how many is a matter of time and not a fact.
fn render_loads(text: &mut String, rounds: &[&RoundRecord]) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for round in rounds {
        if !seen.contains(&(&round.load, &round.stack)) {
            seen.push((&round.load, &round.stack));
        }
    }
    seen.sort_unstable();
    if !seen.is_empty() {
        heading(text, "errors under load");
    }
    for (load, stack) in seen {
        let visits = rounds.iter().filter(|round| round.load == load && round.stack == stack);
        let mut classes: BTreeSet<ErrorClass> = BTreeSet::new();
        let (mut failed, mut unavailable) = (false, false);
        for round in visits {
            match &round.outcome {
                RoundOutcome::Measured(measured) => classes.extend(measured.failed.keys()),
                RoundOutcome::Failed { .. } => failed = true,
                RoundOutcome::Unavailable { .. } => unavailable = true,
            }
        }
        let mut words: Vec<&str> = classes.iter().map(|class| class.name()).collect();
        if failed {
            words.push("a round could not run");
        }
        if unavailable {
            words.push("unavailable");
        }
        let words = if words.is_empty() { "none".to_owned() } else { words.join(", ") };
        line(text, &format!("{load} on {stack}: {words}"));
    }
}
