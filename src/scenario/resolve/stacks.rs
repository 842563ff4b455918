//! Resolves all stacks: `[[stack]]` and `[[matrix]]`.

use toml::Spanned;

use super::super::model::{App, Backend, Stack};
use super::super::wire;
use super::context::ResolveContext;
use super::matrix::{self, MatrixContext};
use super::stack;
use super::values::Unique;
use crate::document::diagnostic::{Diagnostic, Problems, Span};

/// All stacks: those of `[[stack]]`, then the cells of the matrices.
pub(super) fn stacks(
    wire: &wire::Scenario,
    app: Option<&App>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Stack>> {
    if let Some(list) = wire.stack.good().filter(|list| list.get_ref().0.is_empty()) {
        let message = "`stack` is empty: there is nothing to test";
        problems.push(Diagnostic::at(list.span(), message).hint("add at least one `[[stack]]`"));
        return None;
    }
    if wire.stack.is_absent() && wire.matrix.is_absent() {
        let message = "the scenario has neither a `[[stack]]` nor a `[[matrix]]`: there is nothing to test";
        problems.push(Diagnostic::at(0..0, message).hint("add at least one of them"));
        return None;
    }
    let backend = backend(wire);
    let mut names = Unique::new("stack");
    let mut reference = ReferenceMark::default();
    let written = wire.stack.or(Vec::new(), |list| {
        let all = list.get_ref().0.iter().map(|wire| {
            let wire = wire.get_ref();
            if let Some(name) = wire.name.good() {
                names.add(name, problems);
            }
            if let Some(marked) = wire.reference.good().filter(|marked| *marked.get_ref()) {
                if let Some(spared) = wire.measured.good().filter(|measured| !*measured.get_ref()) {
                    let message = "the reference stack is not measured: there would be nothing to compare with";
                    problems.push(Diagnostic::at(spared.span(), message).related(marked.span(), "the reference"));
                }
                reference.mark(marked.span(), problems);
            }
            stack::stack(wire, app, backend, context, problems)
        });
        // Collect first, so that all problems are reported.
        all.collect::<Vec<_>>().into_iter().collect()
    });
    let cells = wire.matrix.or(Vec::new(), |list| {
        let all = list.get_ref().0.iter().map(|wire| {
            let cells = matrix::cells(wire, &MatrixContext { app: app?, backend, context }, problems)?;
            if let Some(named) = wire.get_ref().reference.good() {
                reference.mark(named.span(), problems);
            }
            for cell in &cells {
                names.add(&Spanned::new(wire.span(), cell.name.clone()), problems);
            }
            Some(cells)
        });
        all.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>().map(|cells| cells.concat())
    });
    let mut stacks = written?;
    stacks.extend(cells?);
    Some(stacks)
}

/// The backend of stacks that set none.
fn backend(wire: &wire::Scenario) -> Backend {
    wire.backend.value().map_or(Backend::default(), |backend| backend.0)
}

/// Where a stack is marked as the reference.
#[derive(Default)]
struct ReferenceMark(Option<Span>);

impl ReferenceMark {
    /// Reports a second mark.
    fn mark(&mut self, at: Span, problems: &mut Problems<'_>) {
        match &self.0 {
            None => self.0 = Some(at),
            Some(first) => problems.push(
                Diagnostic::at(at, "more than one stack is the reference")
                    .related(first.clone(), "the first one")
                    .hint("mark the one stack that the others are compared with"),
            ),
        }
    }
}
