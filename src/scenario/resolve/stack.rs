//! Resolves `[[stack]]`, and puts the cells of `[[matrix]]` behind them.

use std::num::NonZeroU16;

use toml::Spanned;

use super::super::model::{App, Backend, Proxy, Server, Stack};
use super::super::wire;
use super::values::{Unique, slug, whole};
use super::{Surroundings, existing, image, matrix};
use crate::catalog::kind::{Ability, Interface, Protocol, Variant, Workers};
use crate::catalog::{Chosen, Role};
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::suggest;

/// More worker processes than any machine lab is meant for can run.
pub(super) const MOST_WORKERS: u16 = 256;
/// The same of threads.
pub(super) const MOST_THREADS: u16 = 1024;
/// The word for no proxy.
pub(super) const NO_PROXY: &str = "none";

/// Every stack: those that are written, then the cells of the matrices.
pub(super) fn stacks(
    wire: &wire::Scenario,
    app: Option<&App>,
    surroundings: &Surroundings<'_>,
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
    let mut reference = Reference(None);
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
            stack(wire, app, backend, surroundings, problems)
        });
        // Every one is read, whatever is wrong with another.
        all.collect::<Vec<_>>().into_iter().collect()
    });
    let cells = wire.matrix.or(Vec::new(), |list| {
        let all = list.get_ref().0.iter();
        let all =
            all.map(|wire| matrix::cells(wire, app?, backend, &mut names, &mut reference, surroundings, problems));
        all.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>().map(|cells| cells.concat())
    });
    let mut stacks = written?;
    stacks.extend(cells?);
    Some(stacks)
}

/// How stacks are run that do not say it themselves.
fn backend(wire: &wire::Scenario) -> Backend {
    wire.backend.value().map_or(Backend::default(), |backend| backend.0)
}

/// The place where a stack was marked as the reference.
pub(super) struct Reference(Option<Span>);

impl Reference {
    /// Marks one, and reports it if there is one already.
    pub(super) fn mark(&mut self, at: Span, problems: &mut Problems<'_>) {
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

fn stack(
    wire: &wire::Stack,
    app: Option<&App>,
    backend: Backend,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Stack> {
    let name = wire.name.good().and_then(|name| slug(name, problems));
    let backend = wire.backend.value().map_or(backend, |own| own.0);
    let proxy = wire.proxy.or(None, |wire| proxy(wire.get_ref(), backend, surroundings, problems));
    let server = wire.server.value().and_then(|wire| server(wire, backend, surroundings, problems));
    let (app, server) = (app?, server?);
    let interface = wire.app.value().map_or(app.interface(), |interface| interface.0);
    let at = || match (wire.app.good(), wire.server.value().and_then(|server| server.kind.good())) {
        (Some(interface), _) => interface.span(),
        (None, Some(kind)) => kind.span(),
        (None, None) => 0..0,
    };
    if let Some(objection) = objection(proxy.as_ref().and_then(Option::as_ref), &server, interface, app) {
        problems.push(Diagnostic::at(at(), objection.said).hint(objection.hint));
        return None;
    }
    Some(Stack {
        name: name?,
        proxy: proxy?,
        server,
        backend,
        app: interface,
        reference: wire.reference.value().copied().unwrap_or_default(),
        measured: wire.measured.value().copied().unwrap_or(true),
        is_optional: false,
        impossible: None,
    })
}

/// Why a server cannot be what is asked of it.
pub(super) struct Objection {
    /// Why.
    pub(super) said: String,
    /// What would be possible.
    pub(super) hint: &'static str,
}

/// What is wrong with such a server of such an app behind such a proxy, if anything.
pub(super) fn objection(proxy: Option<&Proxy>, server: &Server, interface: Interface, app: &App) -> Option<Objection> {
    let kind = &server.kind;
    let objection = |said: String, hint| Some(Objection { said, hint });
    if !app.has(interface) {
        let said = format!("`[app]` names no {} app", interface.name());
        return objection(said, "add it, or choose the other");
    }
    if !kind.hosts(interface) {
        let said = format!("`{kind}` hosts no {} app", interface.name());
        return objection(said, "choose another kind, or another app");
    }
    let Ok(run) = &kind.kind().run else { return None };
    let spoken = kind.speaks().name();
    match proxy {
        None if kind.speaks() != Protocol::Http => {
            let said = format!("`{kind}` speaks {spoken}, which clients do not");
            return objection(
                said,
                "put a proxy in front of it that speaks the same to its server, as `nginx/uwsgi` does",
            );
        }
        Some(proxy) if proxy.kind.speaks() != kind.speaks() => {
            let said =
                format!("`{kind}` speaks {spoken}, and `{}` in front of it {}", proxy.kind, proxy.kind.speaks().name());
            return objection(said, "choose variants that speak the same");
        }
        _ => {}
    }
    if let Some(reason) = kind
        .cannot(Ability::Workers)
        .filter(|_| server.workers.is_some_and(|workers| workers != Workers::Count(NonZeroU16::MIN)))
    {
        let said = format!("`{kind}` cannot have more than one worker: {reason}");
        return objection(said, "leave out `workers`");
    }
    if run.threads.is_none() && server.threads.is_some_and(|threads| threads.get() > 1) {
        let said = format!("the number of threads of `{kind}` cannot be set");
        return objection(said, "leave out `threads`");
    }
    if run.config.is_none() && server.config.is_some() {
        return objection(format!("`{kind}` has no configuration file"), "leave out `config`");
    }
    None
}

/// The proxy; `Some(None)` for `none`.
fn proxy(
    wire: &wire::Proxy,
    backend: Backend,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<Proxy>> {
    let source = image::Source { image: &wire.image, build: &wire.build };
    let config = wire.config.or(None, |path| existing(path, surroundings, problems).map(Some));
    let name = wire.kind.good()?;
    if name.get_ref() == NO_PROXY {
        if let Some(config) = wire.config.good() {
            problems.push(Diagnostic::at(config.span(), "no proxy has no configuration").hint("leave out `config`"));
        }
        if let Some((key, at)) = source.key() {
            let hint = format!("leave out `{key}`");
            problems.push(Diagnostic::at(at, "no proxy has no container").hint(hint));
        }
        return Some(None);
    }
    let kind = choose(Role::Proxy, name, surroundings, problems)?;
    let needs_one = kind.kind().run.is_ok() && kind.default_config().is_none();
    if needs_one && wire.config.is_absent() {
        let message = format!("`{kind}` needs a configuration file: none comes with it");
        problems.push(Diagnostic::at(name.span(), message).hint("add `config`"));
    }
    let image = image::image(&source, &kind, backend, surroundings, problems);
    Some(Some(Proxy { kind, config: config?, image: image? }))
}

fn server(
    wire: &wire::Server,
    backend: Backend,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Server> {
    let workers = wire.workers.or(None, |workers| count(workers, "`workers`", MOST_WORKERS, problems).map(Some));
    let threads = wire.threads.or(None, |threads| count(threads, "`threads`", MOST_THREADS, problems).map(Some));
    let config = wire.config.or(None, |path| existing(path, surroundings, problems).map(Some));
    let arguments = wire
        .arguments
        .value()
        .map_or(Vec::new(), |list| list.0.iter().map(|argument| argument.get_ref().clone()).collect());
    let kind = wire.kind.good().and_then(|name| choose(Role::Server, name, surroundings, problems));
    let kind = kind?;
    let source = image::Source { image: &wire.image, build: &wire.build };
    let image = image::image(&source, &kind, backend, surroundings, problems);
    let mut server = Server { arguments, config: config?, image: image?, ..Server::new(kind) };
    // What a configuration file says is not said again on the command line, which would have the last word.
    let by_itself =
        server.workers.filter(|_| server.config.is_none() || server.kind.variant().is_some_and(says_workers));
    server.workers = workers?.map(Workers::Count).or(by_itself);
    server.threads = threads?.or(server.threads);
    Some(server)
}

/// Whether a variant says how many workers there are.
fn says_workers(variant: &Variant) -> bool {
    variant.workers.is_some()
}

/// A number of workers or threads.
pub(super) fn count(
    number: &Spanned<crate::document::read::Whole>,
    what: &str,
    most: u16,
    problems: &mut Problems<'_>,
) -> Option<NonZeroU16> {
    whole(number, what, 1..=most, problems).and_then(NonZeroU16::new)
}

/// The kind that is named.
pub(super) fn choose(
    role: Role,
    name: &Spanned<String>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Chosen> {
    surroundings
        .catalog
        .choose(role, name.get_ref())
        .map_err(|error| {
            let mut known: Vec<&str> = error.known().iter().map(String::as_str).collect();
            known.extend((role == Role::Proxy).then_some(NO_PROXY));
            let hint = match known.is_empty() {
                true => "it has none".to_owned(),
                false => suggest::accepted(error.name(), &known),
            };
            problems.push(Diagnostic::at(name.span(), error.to_string()).hint(hint));
        })
        .ok()
}
