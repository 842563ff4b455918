//! Resolves `[[stack]]`.

use std::num::NonZeroU16;
use std::path::PathBuf;

use toml::Spanned;

use super::super::model::{App, Backend, Proxy, Server, Stack};
use super::super::wire;
use super::app;
use super::context::{ResolveContext, existing_file};
use super::image;
use super::values::{slug, whole};
use crate::catalog::kind::{Ability, Interface, Language, Protocol, Variant, Workers};
use crate::catalog::{KindRef, Role};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::Integer;
use crate::document::suggest;

/// More worker processes than any supported machine can run.
pub(super) const MOST_WORKERS: u16 = 256;
/// More threads than any supported machine can run.
pub(super) const MOST_THREADS: u16 = 1024;
/// Stands for a stack without a proxy.
pub(super) const NO_PROXY: &str = "none";

pub(super) fn stack(
    wire: &wire::Stack,
    app: Option<&App>,
    backend: Backend,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Stack> {
    let name = wire.name.good().and_then(|name| slug(name, problems));
    let backend = wire.backend.value().map_or(backend, |own| own.0);
    let proxy = wire.proxy.or(None, |wire| proxy(wire.get_ref(), backend, context, problems));
    let server = wire.server.value().and_then(|wire| server(wire, backend, context, problems));
    let app = match wire.app.value() {
        Some(wire::StackApp::Own(own)) => app::app(own, context, problems),
        _ => app.cloned(),
    };
    let (app, server) = (app?, server?);
    let interface = match wire.app.value() {
        Some(wire::StackApp::Interface(interface)) => *interface,
        _ => app.interface(),
    };
    let at = || match (wire.app.good(), wire.server.value().and_then(|server| server.kind.good())) {
        (Some(interface), _) => interface.span(),
        (None, Some(kind)) => kind.span(),
        (None, None) => 0..0,
    };
    if let Some(conflict) = incompatibility(proxy.as_ref().and_then(Option::as_ref), &server, interface, &app) {
        problems.push(Diagnostic::at(at(), conflict.message).hint(conflict.hint));
        return None;
    }
    Some(Stack {
        name: name?,
        proxy: proxy?,
        server,
        backend,
        app: interface,
        apps: app,
        reference: wire.reference.value().copied().unwrap_or_default(),
        measured: wire.measured.value().copied().unwrap_or(true),
        is_optional: false,
        impossible: None,
        version: None,
    })
}

/// Why a proxy, a server and an app cannot be combined.
pub(super) struct Incompatibility {
    pub(super) message: String,
    pub(super) hint: &'static str,
}

pub(super) fn incompatibility(
    proxy: Option<&Proxy>,
    server: &Server,
    interface: Interface,
    app: &App,
) -> Option<Incompatibility> {
    let kind = &server.kind;
    let conflict = |message: String, hint| Some(Incompatibility { message, hint });
    if !app.has(interface) {
        let message = format!("`[app]` names no {} app", interface.name());
        return conflict(message, "add it, or choose the other");
    }
    if !kind.hosts(interface) {
        let mut message = format!("`{kind}` hosts no {} app", interface.name());
        let is_asgi = interface == Interface::Asgi;
        if let Some(variant) = kind.kind().variants.iter().find(|variant| is_asgi && variant.asgi.is_some()) {
            message.push_str(&format!("; `{}/{}` does", kind.kind().name, variant.name));
        }
        return conflict(message, "choose another kind, or another app");
    }
    let Ok(run) = &kind.kind().run else { return None };
    let spoken = kind.speaks().name();
    match proxy {
        None if kind.speaks() != Protocol::Http => {
            let message = format!("`{kind}` speaks {spoken}, which clients do not");
            return conflict(
                message,
                "put a proxy in front of it that speaks the same protocol, such as `nginx/uwsgi`",
            );
        }
        Some(proxy) if proxy.kind.speaks() != kind.speaks() => {
            let message =
                format!("`{kind}` speaks {spoken}, and `{}` in front of it {}", proxy.kind, proxy.kind.speaks().name());
            return conflict(message, "choose variants with the same protocol");
        }
        _ => {}
    }
    if let Some(reason) = kind
        .cannot(Ability::Workers)
        .filter(|_| server.workers.is_some_and(|workers| workers != Workers::Count(NonZeroU16::MIN)))
    {
        let message = format!("`{kind}` cannot have more than one worker: {reason}");
        return conflict(message, "leave out `workers`");
    }
    if run.threads.is_none() && server.threads.is_some_and(|threads| threads.get() > 1) {
        let message = format!("the number of threads of `{kind}` cannot be set");
        return conflict(message, "leave out `threads`");
    }
    if run.config.is_none() && server.config.is_some() {
        return conflict(format!("`{kind}` has no configuration file"), "leave out `config`");
    }
    None
}

/// The proxy, or `Some(None)` for `none`.
fn proxy(
    wire: &wire::Proxy,
    backend: Backend,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<Proxy>> {
    let source = image::Source { image: &wire.image, build: &wire.build };
    let config = wire.config.or(None, |path| existing_file(path, context, problems).map(Some));
    let folders = wire.folders.or(Vec::new(), |folders| {
        let all = folders.get_ref().0.iter();
        let pair = |named: &str, here: &String| (PathBuf::from(named.trim_end_matches('/')), context.root.join(here));
        Some(all.filter_map(|(named, here)| Some(pair(named.get_ref(), here.value()?))).collect())
    });
    let name = wire.kind.good()?;
    if name.get_ref() == NO_PROXY {
        if let Some(config) = wire.config.good() {
            problems.push(Diagnostic::at(config.span(), "no proxy has no configuration").hint("leave out `config`"));
        }
        if let Some(folders) = wire.folders.good() {
            problems.push(Diagnostic::at(folders.span(), "no proxy has no folders").hint("leave out `folders`"));
        }
        if let Some((key, at)) = source.key() {
            let hint = format!("leave out `{key}`");
            problems.push(Diagnostic::at(at, "no proxy has no container").hint(hint));
        }
        return Some(None);
    }
    let kind = kind_named(Role::Proxy, name, context, problems)?;
    let needs_config = kind.kind().run.is_ok() && kind.default_config().is_none();
    if needs_config && wire.config.is_absent() {
        let message = format!("`{kind}` needs a configuration file: none comes with it");
        problems.push(Diagnostic::at(name.span(), message).hint("add `config`"));
    }
    let reads_nginx = kind.kind().run.as_ref().is_ok_and(|run| run.language == Language::Nginx);
    if let (Some(given), false) = (wire.folders.good(), reads_nginx) {
        let message = format!("`{kind}` has no folders of nginx's `root` and `alias`");
        problems.push(Diagnostic::at(given.span(), message).hint("leave out `folders`"));
    }
    let image = image::image(&source, &kind, backend, context, problems);
    Some(Some(Proxy { kind, config: config?, folders: folders?, image: image? }))
}

fn server(
    wire: &wire::Server,
    backend: Backend,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Server> {
    let workers = wire.workers.or(None, |workers| count(workers, "`workers`", MOST_WORKERS, problems).map(Some));
    let threads = wire.threads.or(None, |threads| count(threads, "`threads`", MOST_THREADS, problems).map(Some));
    let config = wire.config.or(None, |path| existing_file(path, context, problems).map(Some));
    let arguments = wire
        .arguments
        .value()
        .map_or(Vec::new(), |list| list.0.iter().map(|argument| argument.get_ref().clone()).collect());
    let kind = wire.kind.good().and_then(|name| kind_named(Role::Server, name, context, problems));
    let kind = kind?;
    let source = image::Source { image: &wire.image, build: &wire.build };
    let image = image::image(&source, &kind, backend, context, problems);
    let mut server = Server { arguments, config: config?, image: image?, ..Server::new(kind) };
    // The command line would override the configuration file.
    let has_defaults = server.config.is_none() || server.kind.variant().is_some_and(sets_workers);
    server.workers = workers?.map(Workers::Count).or(server.workers.filter(|_| has_defaults));
    server.threads = threads?.or(server.threads.filter(|_| has_defaults));
    Some(server)
}

fn sets_workers(variant: &Variant) -> bool {
    variant.workers.is_some()
}

pub(super) fn count(
    number: &Spanned<Integer>,
    what: &str,
    most: u16,
    problems: &mut Problems<'_>,
) -> Option<NonZeroU16> {
    whole(number, what, 1..=most, problems).and_then(NonZeroU16::new)
}

/// Looks a kind up and reports an unknown name.
pub(super) fn kind_named(
    role: Role,
    name: &Spanned<String>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<KindRef> {
    context
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
