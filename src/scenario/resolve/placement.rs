//! Resolves `[placement]`.

use std::num::NonZeroU32;

use toml::Spanned;

use super::super::model::{NodePlacement, NodeRequest, NodeSelector, Placement};
use super::super::wire::{self, LoadPlace, NodePlace};
use super::values::whole;
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{Field, Integer, List};
use crate::document::table::Table as _;

/// The last core of the kernel's default affinity mask (`CPU_SETSIZE`).
const LAST_CORE: u16 = 1023;
/// The largest number of drivers, as simulated.
const MOST_DRIVERS: u32 = 1000;

/// Two disjoint lists of cores, or nodes of a swarm.
pub(super) fn placement(wire: &Spanned<wire::Placement>, problems: &mut Problems<'_>) -> Option<Placement> {
    let table = wire.get_ref();
    let names_nodes = !table.server.is_absent()
        || !table.proxy.is_absent()
        || !table.spread.is_absent()
        || !table.registry.is_absent()
        || matches!(table.load.value(), Some(LoadPlace::Node(_)));
    match names_nodes {
        true => nodes(table, problems).map(|nodes| Placement::Nodes(Box::new(nodes))),
        false => pinned(wire, problems),
    }
}

fn pinned(wire: &Spanned<wire::Placement>, problems: &mut Problems<'_>) -> Option<Placement> {
    let table = wire.get_ref();
    let keys = [
        ("load", table.load.is_absent(), "cores of the load driver, 0 to 1023"),
        ("stack", table.stack.is_absent(), "cores of every component of the stack, 0 to 1023"),
    ];
    // Unknown keys are reported, and may be these.
    let missing = keys.iter().filter(|(_, is_absent, _)| *is_absent && !table.has_unknown_keys());
    for (key, _, description) in missing {
        let message = format!("missing key `{key}` in `[placement]`");
        problems.push(Diagnostic::at(wire.span(), message).hint(format!("`{key}`: {description}")));
    }
    let mut taken: Vec<(u16, Span)> = Vec::new();
    let load = match table.load.good().map(|load| (load.span(), load.get_ref())) {
        Some((span, LoadPlace::Cores(list))) => cores(list, span, "load", &mut taken, problems),
        _ => None,
    };
    let stack = table.stack.good();
    let stack = stack.and_then(|list| cores(list.get_ref(), list.span(), "stack", &mut taken, problems));
    Some(Placement::Pinned { load: load?, stack: stack? })
}

fn nodes(table: &wire::Placement, problems: &mut Problems<'_>) -> Option<NodePlacement> {
    let on_this_machine = [
        ("load", table.load.good().filter(|load| matches!(load.get_ref(), LoadPlace::Cores(_))).map(Spanned::span)),
        ("stack", table.stack.good().map(Spanned::span)),
    ];
    let mut is_mixed = false;
    for (key, span) in on_this_machine {
        let Some(span) = span else { continue };
        is_mixed = true;
        let message = format!("`{key}` lists cores of this machine, but other keys name nodes of a swarm");
        let hint = "accepted for nodes: `server`, `proxy` and `load`, each with `cores` on its node if need be";
        problems.push(Diagnostic::at(span, message).hint(hint));
    }
    let load = match &table.load {
        Field::Good(load) => match load.get_ref() {
            LoadPlace::Node(place) => node(place, load.span(), problems),
            LoadPlace::Cores(_) => None,
        },
        Field::Absent => Some(NodeRequest::default()),
        Field::Bad => None,
    };
    let server = table.server.or(NodeRequest::default(), |place| node(place.get_ref(), place.span(), problems));
    let proxy = table.proxy.or(None, |place| node(place.get_ref(), place.span(), problems).map(Some));
    let spread = table
        .spread
        .or(NonZeroU32::MIN, |spread| whole(spread, "`spread`", 1..=MOST_DRIVERS, problems).and_then(NonZeroU32::new));
    let registry =
        table.registry.or(None, |registry| registry_name(registry.get_ref(), registry.span(), problems).map(Some));
    let (server, proxy) = (server?, proxy?);
    let proxy = proxy.unwrap_or_else(|| NodeRequest { cores: Vec::new(), ..server.clone() });
    let placement = NodePlacement { proxy, server, load: load?, spread: spread?, registry: registry? };
    (!is_mixed).then_some(placement)
}

fn node(place: &NodePlace, span: Span, problems: &mut Problems<'_>) -> Option<NodeRequest> {
    let table = match place {
        NodePlace::Named(name) => {
            return named(name, span, problems).map(|selector| NodeRequest { selector, cores: Vec::new() });
        }
        NodePlace::Table(table) => table,
    };
    let cores =
        table.cores.or(Vec::new(), |list| cores(list.get_ref(), list.span(), "cores", &mut Vec::new(), problems));
    let labels: Option<Vec<(String, String)>> =
        table.labels.iter().map(|(label, value)| Some((label.clone(), value.value()?.clone()))).collect();
    let selector = match (&table.node, labels?) {
        (Field::Bad, _) => None,
        (Field::Absent, labels) => Some(NodeSelector::Labelled(labels.into_iter().collect())),
        (Field::Good(name), labels) if labels.is_empty() => named(name.get_ref(), name.span(), problems),
        (Field::Good(name), _) => {
            let message = "a place has the name of a node or labels, not both";
            problems.push(Diagnostic::at(name.span(), message).hint("a node with that name is the only one anyway"));
            None
        }
    };
    Some(NodeRequest { selector: selector?, cores: cores? })
}

/// A registry as images name it, without a scheme.
fn registry_name(registry: &str, span: Span, problems: &mut Problems<'_>) -> Option<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "./:-_".contains(character);
    if registry.is_empty() || registry.contains("://") || !registry.chars().all(is_name) {
        let message = format!("`{registry}` is not a registry as images name it");
        problems.push(Diagnostic::at(span, message).hint("accepted: `10.0.0.1:5000`, `registry.example/team`"));
        return None;
    }
    Some(registry.to_owned())
}

fn named(name: &str, span: Span, problems: &mut Problems<'_>) -> Option<NodeSelector> {
    if name.is_empty() {
        problems.push(Diagnostic::at(span, "a node has a name").hint("`docker node ls` lists them"));
        return None;
    }
    Some(NodeSelector::Named(name.to_owned()))
}

fn cores(
    list: &List<Integer>,
    span: Span,
    key: &str,
    taken: &mut Vec<(u16, Span)>,
    problems: &mut Problems<'_>,
) -> Option<Vec<u16>> {
    if list.0.is_empty() {
        let message = format!("`{key}` names no core");
        problems.push(Diagnostic::at(span, message).hint("leave `[placement]` out to let lab choose"));
        return None;
    }
    let mut cores = Vec::new();
    let mut all_good = true;
    for number in &list.0 {
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
