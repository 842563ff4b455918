//! Renders the exact facts of a run, which are identical in every run of an unchanged scenario. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::check::evaluate::app_field;
use crate::check::observed::Observed;
use crate::record::{CheckOutcome, CheckRecord, RoundOutcome, RoundRecord, StackRecord};
use crate::scenario::model::AppField;
use lab_load::wire::ErrorClass;

/// Longer bodies are shown as their length and digest.
const MAX_BODY_CHARS: usize = 200;

/// The facts of a run: each check of each stack with the whole response and the request that the app saw, then the errors
/// under each load. Observations must be redacted. The errors of `counted_loads` are not facts.
#[must_use]
pub fn render(stacks: &[StackRecord], rounds: &[RoundRecord], counted_loads: &[&str]) -> String {
    let mut text = String::new();
    for stack in stacks {
        heading(&mut text, &format!("stack {}", stack.name));
        for component in &stack.components {
            let kind = component.version.split(' ').next().unwrap_or_default();
            line(&mut text, &format!("{}: {kind}", component.role));
        }
        if stack.unavailable.is_some() {
            // What is missing depends on the machine, so only the absence is a fact.
            line(&mut text, "unavailable");
        }
        if let Some(error) = &stack.error {
            // The cause contains paths and ports that differ from run to run.
            let summary = error.split(':').next().unwrap_or_default();
            line(&mut text, &format!("could not run: {summary}"));
        }
        for check in &stack.checks {
            render_check(&mut text, check);
        }
        text.push('\n');
    }
    let is_exact = |round: &&RoundRecord| !counted_loads.contains(&round.load.as_str());
    render_loads(&mut text, &rounds.iter().filter(is_exact).collect::<Vec<_>>());
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
        CheckOutcome::NoResponse { message } => line(text, &format!("  {message}")),
        CheckOutcome::Failed { error } => line(text, &format!("  no response: {error}")),
        CheckOutcome::Evaluated { observed, .. } => render_observed(text, observed),
    }
}

/// Marks lines as curl does: `<` for the response to the client, `>` for the request that arrived at the app.
fn render_observed(text: &mut String, observed: &Observed) {
    if let Ok(view) = observed.headers_report() {
        let request = &view.upstream;
        line(text, &format!("  > {} {} {}", request.method, request.target, request.version));
        for (name, value) in &request.headers {
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
    for (field, status) in &observed.conditional {
        line(text, &format!("  status with {field}: {status}"));
    }
    if let Some(error) = &observed.framing_error {
        line(text, &format!("  framing: {error}"));
    }
    if observed.headers_report().is_err() && !observed.body.is_empty() {
        match observed.body.chars().count() <= MAX_BODY_CHARS && !observed.is_binary {
            true => line(text, &format!("  body {:?}", observed.body)),
            false => line(text, &format!("  body of {}", observed.body_summary())),
        }
    }
}

/// The classes of errors of each stack under each load. Their number depends on timing and is not a fact.
fn render_loads(text: &mut String, rounds: &[&RoundRecord]) {
    let pairs: BTreeSet<(&str, &str)> = rounds.iter().map(|round| (&*round.load, &*round.stack)).collect();
    if !pairs.is_empty() {
        heading(text, "errors under load");
    }
    for (load, stack) in pairs {
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
