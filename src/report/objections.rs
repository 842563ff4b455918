//! What speaks against rounds: each kind once, with the stacks that show it.

use std::fmt::Write as _;

use super::terminal::{BAD, QUIET, UNSURE, WIDTH, counted, has_many_stacks, listed, styled};
use crate::record::{Record, RoundIssue, RoundOutcome};

/// An objection of one kind to rounds of one stack.
struct Seen<'a> {
    stack: &'a str,
    rounds: usize,
    objection: &'a RoundIssue,
}

/// What speaks against the rounds of a load. Of many stacks with the same kind of objection, one stands for all.
pub(super) fn section(text: &mut String, record: &Record, load: &str) {
    let seen = seen(record, load);
    if !has_many_stacks(record) {
        for Seen { stack, rounds, objection } in seen {
            let _ =
                writeln!(text, "  {} {stack}, {}: {}", word(objection), counted(rounds, "round"), objection.message);
        }
        return;
    }
    let mut kinds: Vec<&str> = Vec::new();
    for one in &seen {
        if !kinds.contains(&one.objection.kind.as_str()) {
            kinds.push(&one.objection.kind);
        }
    }
    for kind in kinds {
        group(text, &seen.iter().filter(|one| one.objection.kind == kind).collect::<Vec<_>>());
    }
}

/// Objections of one kind, none of them twice from one stack.
fn group(text: &mut String, alike: &[&Seen<'_>]) {
    let [first, others @ ..] = alike else { return };
    let rounds: usize = alike.iter().map(|seen| seen.rounds).sum();
    let word = word(first.objection);
    let said = &first.objection.message;
    if others.is_empty() {
        let _ = writeln!(text, "  {word} {}, {}: {said}", first.stack, counted(rounds, "round"));
        return;
    }
    let is_same = others.iter().all(|other| other.objection.message == *said);
    let example = if is_same { String::new() } else { format!(", for example {}", first.stack) };
    let _ = writeln!(text, "  {word} {}, {}{example}: {said}", counted(alike.len(), "stack"), counted(rounds, "round"));
    let names: Vec<String> = alike
        .iter()
        .map(|seen| if seen.rounds > 1 { format!("{} ({})", seen.stack, seen.rounds) } else { seen.stack.to_owned() })
        .collect();
    for line in listed(&names.iter().map(String::as_str).collect::<Vec<_>>(), WIDTH).lines() {
        let _ = writeln!(text, "      {}", styled(QUIET, line));
    }
}

fn word(objection: &RoundIssue) -> String {
    if objection.invalidates { styled(BAD, "invalid") } else { styled(UNSURE, "warning") }
}

/// Each kind once per stack, with how many rounds show it.
fn seen<'a>(record: &'a Record, load: &str) -> Vec<Seen<'a>> {
    let mut seen: Vec<Seen<'_>> = Vec::new();
    for round in record.rounds.iter().filter(|round| round.load == load) {
        let RoundOutcome::Measured(measured) = &round.outcome else { continue };
        for objection in &measured.issues {
            match seen.iter_mut().find(|known| known.stack == round.stack && known.objection.kind == objection.kind) {
                Some(known) => known.rounds += 1,
                None => seen.push(Seen { stack: &round.stack, rounds: 1, objection }),
            }
        }
    }
    seen
}
