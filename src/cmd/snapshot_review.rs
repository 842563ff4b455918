//! `lab snapshot review`: asks on the terminal what becomes of each pending snapshot.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufRead as _, IsTerminal as _, Write};

use super::pending_snapshots::{Snapshots, scenario_of};
use crate::exit::Exit;
use crate::report::render::terminal::text_diff;
use crate::snapshot::store::PendingSnapshot;

const HELP: &str = "\
  a  accept: this becomes the snapshot            A  accept this and all that follow
  r  reject: the committed snapshot stays         R  reject this and all that follow
  s  skip: decide later                           q  quit: skip this and all that follow
  c  more context: show the difference again with more lines around each change
  w  whole: show the whole new text
A letter, then Enter.";

/// Lines of context at first, and each time more is asked for.
const CONTEXTS: [usize; 3] = [3, 15, 1_000_000];

/// What becomes of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Accept,
    Reject,
    Skip,
}

/// What the user has typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    One(Decision),
    /// And the same for all that follow.
    All(Decision),
    MoreContext,
    Whole,
    Help,
}

impl Reply {
    /// `None` stands for the end of the input.
    fn parse(line: Option<&str>) -> Reply {
        match line.map(str::trim) {
            Some("a" | "accept") => Reply::One(Decision::Accept),
            Some("r" | "reject") => Reply::One(Decision::Reject),
            Some("s" | "skip") => Reply::One(Decision::Skip),
            Some("A") => Reply::All(Decision::Accept),
            Some("R") => Reply::All(Decision::Reject),
            Some("q" | "quit") | None => Reply::All(Decision::Skip),
            Some("c" | "context") => Reply::MoreContext,
            Some("w" | "whole") => Reply::Whole,
            Some(_) => Reply::Help,
        }
    }
}

/// Asks for each snapshot. It needs a terminal.
pub(super) fn run(snapshots: &Snapshots, pending: &[PendingSnapshot]) -> anyhow::Result<Exit> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let mut err = anstream::stderr();
        writeln!(err, "lab: a review asks its questions on a terminal, and this is none")?;
        writeln!(err, "hint: `lab snapshot diff` shows what would be reviewed; `accept` and `reject` decide")?;
        return Ok(Exit::Usage);
    }
    let mut out = anstream::stdout();
    let mut waiting: VecDeque<&PendingSnapshot> = pending.iter().collect();
    let (mut counts, mut accepted) = ([0; 3], BTreeSet::new());
    let mut for_all: Option<Decision> = None;
    while let Some(snapshot) = waiting.pop_front() {
        let number = pending.len() - waiting.len();
        let decision = match for_all {
            Some(decision) => decision,
            None => {
                let (decision, is_for_all) = ask(&mut out, snapshot, number, pending.len())?;
                for_all = is_for_all.then_some(decision);
                decision
            }
        };
        counts[decision as usize] += 1;
        match decision {
            Decision::Accept => {
                snapshots.accept(&mut out, &snapshot.name)?;
                accepted.insert(scenario_of(&snapshot.name));
            }
            Decision::Reject => {
                snapshots.reject(&mut out, &snapshot.name)?;
                accepted.remove(scenario_of(&snapshot.name));
            }
            Decision::Skip => {}
        }
    }
    for scenario in accepted {
        snapshots.record(&mut out, scenario)?;
    }
    let [accepted, rejected, skipped] = counts;
    writeln!(out, "\n{accepted} accepted, {rejected} rejected, {skipped} skipped")?;
    Ok(Exit::Ok)
}

/// Shows a snapshot, and asks until there is a decision. The second result is whether it is for all that follow.
fn ask(out: &mut dyn Write, snapshot: &PendingSnapshot, number: usize, all: usize) -> io::Result<(Decision, bool)> {
    let PendingSnapshot { name, content, committed } = snapshot;
    let what = if committed.is_some() { "- committed, + new" } else { "nothing is committed yet" };
    writeln!(out, "\n{name}, {number} of {all}: {what}")?;
    let old = committed.as_deref().unwrap_or_default();
    let mut contexts = CONTEXTS.into_iter();
    let mut context = contexts.next().unwrap_or_default();
    write!(out, "{}", text_diff::render_with_context(old, content, context))?;
    loop {
        write!(out, "accept, reject, skip, context, whole, quit, or A, R for all? [a/r/s/c/w/q/A/R/?] ")?;
        out.flush()?;
        let mut line = String::new();
        let is_end = io::stdin().lock().read_line(&mut line)? == 0;
        match Reply::parse((!is_end).then_some(line.as_str())) {
            Reply::MoreContext => {
                context = contexts.next().unwrap_or(context);
                write!(out, "{}", text_diff::render_with_context(old, content, context))?;
            }
            Reply::Whole => writeln!(out, "{content}")?,
            Reply::Help => writeln!(out, "{HELP}")?,
            Reply::One(decision) => return Ok((decision, false)),
            Reply::All(decision) => return Ok((decision, true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_input_decides_nothing() {
        assert_eq!(Reply::parse(None), Reply::All(Decision::Skip));
        assert_eq!(Reply::parse(Some("\n")), Reply::Help);
        assert_eq!(Reply::parse(Some(" A\n")), Reply::All(Decision::Accept));
        assert_eq!(Reply::parse(Some("a\r\n")), Reply::One(Decision::Accept));
    }
}
