//! Resolves `[variant.NAME]`.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use toml::Spanned;

use super::super::kind::{Role, Variant, Workers};
use super::super::template::Variable;
use super::super::wire;
use super::context::{ResolveContext, bundled_file};
use super::fields::{cannot, integer, texts};
use super::templates::{COMPONENT_VALUES, common_values, role_values, templates};
use crate::document::diagnostic::{Diagnostic, Problems};

/// The variant `name` of `kind`. `None` if it adds to `problems`.
pub(super) fn variant(
    name: &Spanned<String>,
    wire: &wire::Variant,
    kind: &wire::Kind,
    role: Option<Role>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Variant> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.get_ref().is_empty() || !name.get_ref().chars().all(fits) {
        let message = format!("`{}` cannot be a name", name.get_ref());
        problems.push(Diagnostic::at(name.span(), message).hint("accepted: lower-case letters, digits and `-`"));
    }
    let command_values =
        [&kind.start.value().map_or(COMPONENT_VALUES.to_vec(), common_values)[..], role.map_or(&[], role_values)]
            .concat();
    let command = wire.command.or(None, |list| templates(list, &command_values, problems).map(Some));
    let argument_values = [&COMPONENT_VALUES[..], &[Variable::Path]].concat();
    let arguments = wire.arguments.or(Vec::new(), |list| templates(list, &argument_values, problems));
    let app_values =
        [&command_values[..], &[Variable::App, Variable::Module, Variable::Callable, Variable::Path]].concat();
    let asgi = wire.asgi.or(None, |list| templates(list, &app_values, problems).map(Some));
    let default_config = bundled_file(&wire.default_config, context, problems);
    let threads = wire.threads.or(None, |number| integer(number, "`threads`", 1, 1024, problems).map(Some));
    let workers = workers(name, wire, problems);
    Some(Variant {
        name: name.get_ref().clone(),
        title: wire.title.value()?.clone(),
        command: command?,
        arguments: arguments?,
        workers: workers?,
        threads: threads?.and_then(NonZeroU16::new),
        asgi: asgi?,
        speaks: wire.speaks.value().map(|speaks| speaks.0),
        default_config: default_config?,
        can: wire.can.value().map_or(Vec::new(), |list| list.0.iter().map(|one| one.get_ref().0).collect()),
        cannot: wire.cannot.value().map_or(BTreeMap::new(), cannot),
        notes: texts(&wire.notes),
    })
}

/// The default number of workers; `Some(None)` if there is none.
fn workers(name: &Spanned<String>, wire: &wire::Variant, problems: &mut Problems<'_>) -> Option<Option<Workers>> {
    let count = wire.workers.or(None, |number| integer(number, "`workers`", 1, 256, problems).map(Some));
    let times =
        wire.workers_per_core.or(None, |number| integer(number, "`workers_per_core`", 1, 16, problems).map(Some));
    let plus = wire.workers_plus.or(0, |number| integer(number, "`workers_plus`", 0, 256, problems));
    let positive = |number: Option<u16>| number.and_then(NonZeroU16::new);
    match (positive(count?), positive(times?)) {
        (Some(_), Some(_)) => {
            let message = "`workers` and `workers_per_core` are two answers to one question";
            problems.push(Diagnostic::at(name.span(), message));
            None
        }
        (Some(count), None) => Some(Some(Workers::Count(count))),
        (None, Some(times)) => Some(Some(Workers::PerCore { times, plus: plus? })),
        (None, None) => Some(None),
    }
}
