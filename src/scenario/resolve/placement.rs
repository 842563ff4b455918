//! Resolves `[placement]`.

use super::super::model::Placement;
use super::super::wire;
use super::values::whole;
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{Field, Integer, List};

/// The last core of the kernel's default affinity mask (`CPU_SETSIZE`).
const LAST_CORE: u16 = 1023;

/// Two disjoint lists of cores.
pub(super) fn placement(wire: &wire::Placement, problems: &mut Problems<'_>) -> Option<Placement> {
    let mut taken: Vec<(u16, Span)> = Vec::new();
    let load = cores(&wire.load, "load", &mut taken, problems);
    let stack = cores(&wire.stack, "stack", &mut taken, problems);
    Some(Placement::Pinned { load: load?, stack: stack? })
}

fn cores(
    wire: &Field<List<Integer>>,
    key: &str,
    taken: &mut Vec<(u16, Span)>,
    problems: &mut Problems<'_>,
) -> Option<Vec<u16>> {
    let list = wire.good()?;
    if list.get_ref().0.is_empty() {
        let message = format!("`{key}` names no core");
        problems.push(Diagnostic::at(list.span(), message).hint("leave `[placement]` out to let lab choose"));
        return None;
    }
    let mut cores = Vec::new();
    let mut all_good = true;
    for number in &list.get_ref().0 {
        let Some(core) = whole(number, "a core", 0..=LAST_CORE, problems) else {
            all_good = false;
            continue;
        };
        if let Some((_, first)) = taken.iter().find(|(other, _)| *other == core) {
            all_good = false;
            problems.push(
                Diagnostic::at(number.span(), format!("core {core} is named twice"))
                    .related(first.clone(), "first here")
                    .hint("load drivers and stacks run on different cores, or they measure each other"),
            );
            continue;
        }
        taken.push((core, number.span()));
        cores.push(core);
    }
    all_good.then_some(cores)
}
