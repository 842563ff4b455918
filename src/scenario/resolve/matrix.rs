//! Resolves `[[matrix]]`: stacks by combination.

use std::num::NonZeroU16;

use toml::Spanned;

use super::super::model::{App, Backend, Image, Proxy, Server, Stack};
use super::super::wire;
use super::context::ResolveContext;
use super::stack::{MOST_THREADS, MOST_WORKERS, NO_PROXY, count, incompatibility, kind_named};
use super::values::slug;
use crate::catalog::kind::{Interface, Protocol, Workers};
use crate::catalog::{KindRef, Role};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, Integer, List};
use crate::document::suggest;

/// Stands for every server kind that hosts the app and speaks HTTP.
const ALL: &str = "all";
/// The variant with the settings that each project recommends. `all` leaves it out: it belongs to a comparison of its own.
const RECOMMENDED: &str = "recommended";

/// The inputs of a matrix besides its table.
pub(super) struct MatrixContext<'a> {
    pub(super) app: &'a App,
    pub(super) backend: Backend,
    pub(super) context: &'a ResolveContext<'a>,
}

/// The stacks of one matrix: servers vary slowest, then proxies, then workers.
pub(super) fn cells(
    matrix: &Spanned<wire::Matrix>,
    inputs: &MatrixContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Stack>> {
    let MatrixContext { app, backend, context } = *inputs;
    let wire = matrix.get_ref();
    let interface = wire.app.value().map_or(app.interface(), |interface| interface.0);
    let prefix = wire.name.or(String::new(), |name| slug(name, problems).map(|name| name + "-"));
    let servers = wire.server.good().and_then(|list| servers(list, interface, context, problems));
    let proxies = wire.proxy.or(vec![None], |list| proxies(list, context, problems));
    let workers = wire.workers.or(vec![None], |list| workers(list, problems));
    let threads = wire.threads.or(None, |threads| count(threads, "`threads`", MOST_THREADS, problems).map(Some));
    let (prefix, servers, proxies, workers, threads) = (prefix?, servers?, proxies?, workers?, threads?);
    let mut cells = Vec::new();
    for kind in &servers {
        for proxy in &proxies {
            for count in &workers {
                let mut server = Server::new(kind.clone());
                server.workers = count.map(Workers::Count).or(server.workers);
                server.threads = threads.or(server.threads);
                let proxy_prefix = proxy.as_ref().map_or(String::new(), |proxy| format!("{}-", proxy.kind.slug()));
                let workers_suffix =
                    count.filter(|_| workers.len() > 1).map_or(String::new(), |count| format!("-w{count}"));
                let impossible =
                    incompatibility(proxy.as_ref(), &server, interface, app).map(|conflict| conflict.message);
                cells.push(Stack {
                    name: format!("{prefix}{proxy_prefix}{}{workers_suffix}", kind.slug()),
                    proxy: proxy.clone(),
                    server,
                    backend,
                    app: interface,
                    apps: app.clone(),
                    reference: false,
                    measured: wire.measured.value().copied().unwrap_or(true),
                    is_optional: true,
                    impossible,
                    version: None,
                });
            }
        }
    }
    remove_exceptions(&mut cells, &wire.except, problems);
    if let Some(named) = wire.reference.good() {
        if let Some(measured) = wire.measured.good().filter(|measured| !*measured.get_ref()) {
            let message = "the reference stack is not measured: there would be nothing to compare with";
            problems.push(Diagnostic::at(measured.span(), message).related(named.span(), "the reference"));
        }
        match cells.iter_mut().find(|cell| cell.name == *named.get_ref()) {
            Some(cell) => cell.reference = true,
            None => problems.push(unknown(named, &cells)),
        }
    }
    if cells.is_empty() {
        problems.push(Diagnostic::at(matrix.span(), "the matrix leaves no stack"));
    }
    Some(cells)
}

fn servers(
    list: &Spanned<List<String>>,
    interface: Interface,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<KindRef>> {
    let mut chosen: Vec<Option<KindRef>> = Vec::new();
    for name in &list.get_ref().0 {
        if name.get_ref() == ALL {
            let every = context.catalog.choices(Role::Server);
            let fitting = every.filter(|kind| {
                kind.hosts(interface)
                    && kind.speaks() == Protocol::Http
                    && kind.variant().is_none_or(|variant| variant.name != RECOMMENDED)
            });
            chosen.extend(fitting.map(Some));
        } else {
            chosen.push(kind_named(Role::Server, name, context, problems));
        }
    }
    chosen.into_iter().collect()
}

fn proxies(
    list: &Spanned<List<String>>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Option<Proxy>>> {
    let mut chosen: Vec<Option<Option<Proxy>>> = Vec::new();
    for name in &list.get_ref().0 {
        if name.get_ref() == NO_PROXY {
            chosen.push(Some(None));
            continue;
        }
        let kind = kind_named(Role::Proxy, name, context, problems);
        if let Some(kind) = &kind
            && kind.kind().run.is_ok()
            && kind.default_config().is_none()
        {
            let message = format!("`{kind}` needs a configuration file: none comes with it");
            problems.push(Diagnostic::at(name.span(), message).hint("write its stacks as `[[stack]]`, with `config`"));
        }
        chosen.push(kind.map(|kind| {
            let image = Image::for_kind(&kind);
            Some(Proxy { kind, config: None, folders: Vec::new(), image })
        }));
    }
    chosen.into_iter().collect()
}

fn workers(list: &Spanned<List<Integer>>, problems: &mut Problems<'_>) -> Option<Vec<Option<NonZeroU16>>> {
    let all = list.get_ref().0.iter();
    all.map(|number| count(number, "`workers`", MOST_WORKERS, problems).map(Some)).collect()
}

fn remove_exceptions(cells: &mut Vec<Stack>, except: &Field<List<String>>, problems: &mut Problems<'_>) {
    for name in except.value().into_iter().flat_map(|list| &list.0) {
        match cells.iter().position(|cell| cell.name == *name.get_ref()) {
            Some(at) => drop(cells.remove(at)),
            None => problems.push(unknown(name, cells)),
        }
    }
}

fn unknown(name: &Spanned<String>, cells: &[Stack]) -> Diagnostic {
    let known: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
    let message = format!("no stack of the matrix is named `{}`", name.get_ref());
    Diagnostic::at(name.span(), message).hint(suggest::accepted(name.get_ref(), &known))
}
