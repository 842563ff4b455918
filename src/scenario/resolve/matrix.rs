//! Resolves `[[matrix]]`: stacks by combination.

use std::num::NonZeroU16;

use toml::Spanned;

use super::super::model::{App, Backend, Image, Proxy, Server, Stack};
use super::super::wire;
use super::Surroundings;
use super::stack::{MOST_THREADS, MOST_WORKERS, NO_PROXY, Reference, choose, count, objection};
use super::values::{Unique, slug};
use crate::catalog::kind::{Interface, Protocol, Workers};
use crate::catalog::{Chosen, Role};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, List};
use crate::document::suggest;

/// The word for every server kind that hosts the app and speaks HTTP.
const ALL: &str = "all";
/// The variant that is another table's subject: as each project recommends it.
const RECOMMENDED: &str = "recommended";

/// The stacks of one matrix: servers vary slowest, then proxies, then workers.
pub(super) fn cells(
    matrix: &Spanned<wire::Matrix>,
    app: &App,
    backend: Backend,
    names: &mut Unique,
    reference: &mut Reference,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Stack>> {
    let wire = matrix.get_ref();
    let interface = wire.app.value().map_or(app.interface(), |interface| interface.0);
    let prefix = wire.name.or(String::new(), |name| slug(name, problems).map(|name| name + "-"));
    let servers = wire.server.good().and_then(|list| servers(list, interface, surroundings, problems));
    let proxies = wire.proxy.or(vec![None], |list| proxies(list, surroundings, problems));
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
                let proxied = proxy.as_ref().map_or(String::new(), |proxy| format!("{}-", proxy.kind.slug()));
                let counted = count.filter(|_| workers.len() > 1).map_or(String::new(), |count| format!("-w{count}"));
                let impossible = objection(proxy.as_ref(), &server, interface, app).map(|objection| objection.said);
                cells.push(Stack {
                    name: format!("{prefix}{proxied}{}{counted}", kind.slug()),
                    proxy: proxy.clone(),
                    server,
                    backend,
                    app: interface,
                    reference: false,
                    measured: wire.measured.value().copied().unwrap_or(true),
                    is_optional: true,
                    impossible,
                });
            }
        }
    }
    leave_out(&mut cells, &wire.except, problems);
    if let Some(named) = wire.reference.good() {
        if let Some(spared) = wire.measured.good().filter(|measured| !*measured.get_ref()) {
            let message = "the reference stack is not measured: there would be nothing to compare with";
            problems.push(Diagnostic::at(spared.span(), message).related(named.span(), "the reference"));
        }
        reference.mark(named.span(), problems);
        match cells.iter_mut().find(|cell| cell.name == *named.get_ref()) {
            Some(cell) => cell.reference = true,
            None => problems.push(unknown(named, &cells)),
        }
    }
    if cells.is_empty() {
        problems.push(Diagnostic::at(matrix.span(), "the matrix leaves no stack"));
    }
    for cell in &cells {
        names.add(&Spanned::new(matrix.span(), cell.name.clone()), problems);
    }
    Some(cells)
}

fn servers(
    list: &Spanned<List<String>>,
    interface: Interface,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Chosen>> {
    let mut chosen: Vec<Option<Chosen>> = Vec::new();
    for name in &list.get_ref().0 {
        if name.get_ref() == ALL {
            let every = surroundings.catalog.choices(Role::Server);
            let fitting = every.filter(|kind| {
                kind.hosts(interface)
                    && kind.speaks() == Protocol::Http
                    && kind.variant().is_none_or(|variant| variant.name != RECOMMENDED)
            });
            chosen.extend(fitting.map(Some));
        } else {
            chosen.push(choose(Role::Server, name, surroundings, problems));
        }
    }
    chosen.into_iter().collect()
}

fn proxies(
    list: &Spanned<List<String>>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Option<Proxy>>> {
    let mut chosen: Vec<Option<Option<Proxy>>> = Vec::new();
    for name in &list.get_ref().0 {
        if name.get_ref() == NO_PROXY {
            chosen.push(Some(None));
            continue;
        }
        let kind = choose(Role::Proxy, name, surroundings, problems);
        if let Some(kind) = &kind
            && kind.kind().run.is_ok()
            && kind.default_config().is_none()
        {
            let message = format!("`{kind}` needs a configuration file: none comes with it");
            problems.push(Diagnostic::at(name.span(), message).hint("write its stacks as `[[stack]]`, with `config`"));
        }
        chosen.push(kind.map(|kind| {
            let image = Image::of_kind(&kind);
            Some(Proxy { kind, config: None, image })
        }));
    }
    chosen.into_iter().collect()
}

fn workers(
    list: &Spanned<List<crate::document::read::Whole>>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Option<NonZeroU16>>> {
    let all = list.get_ref().0.iter();
    all.map(|number| count(number, "`workers`", MOST_WORKERS, problems).map(Some)).collect()
}

fn leave_out(cells: &mut Vec<Stack>, except: &Field<List<String>>, problems: &mut Problems<'_>) {
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
