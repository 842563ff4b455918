//! The list that `lab clean` prints: what ended runs have left, and whether it was removed.

use std::fmt::Display;
use std::io::Write;

use crate::cli::CleanArgs;
use crate::stack::container::labels::RunState;

/// What one run has left.
pub(super) struct RunLeftovers<'a, O> {
    pub(super) run: &'a str,
    pub(super) state: RunState,
    pub(super) objects: &'a [O],
    /// What a running run keeps: `containers` or `services`.
    pub(super) kept: &'static str,
}

/// Awaits the removal of what a run has left, unless the run goes on or `args` say otherwise, and prints the outcome for each
/// object. `removal` returns what could not be removed. Returns whether nothing is left that should have been removed.
pub(super) async fn remove<O, E>(
    out: &mut impl Write,
    args: &CleanArgs,
    left: RunLeftovers<'_, O>,
    removal: impl Future<Output = Result<Vec<O>, E>>,
) -> anyhow::Result<bool>
where
    O: Display + PartialEq,
    anyhow::Error: From<E>,
{
    let RunLeftovers { run, state, objects, kept } = left;
    match state {
        RunState::Running => writeln!(out, "run {run} is still running; its {kept} are kept")?,
        RunState::Unknown if !args.all => writeln!(out, "run {run} is not visible from here; --all removes it")?,
        RunState::Ended | RunState::Unknown => {
            writeln!(out, "run {run}")?;
            let remaining = if args.dry_run { Vec::new() } else { removal.await? };
            for object in objects {
                let result = match (args.dry_run, remaining.contains(object)) {
                    (true, _) => "would be removed",
                    (false, true) => "cannot be removed",
                    (false, false) => "removed",
                };
                writeln!(out, "  {object}: {result}")?;
            }
            return Ok(remaining.is_empty());
        }
    }
    Ok(true)
}
