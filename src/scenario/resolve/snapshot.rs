//! Resolves how facts become the snapshot: `[snapshot]`.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use toml::Spanned;

use super::super::model::{Filter, Volatile};
use super::super::wire::{self, VolatileItem};
use super::rules::regular_expression;
use super::values::header_name;
use crate::document::diagnostic::{Diagnostic, Problems};

/// The volatile facts; none where the table or its key is missing.
pub(super) fn volatile(wire: Option<&wire::Snapshot>, problems: &mut Problems<'_>) -> Option<Volatile> {
    let Some(wire) = wire else { return Some(Volatile::default()) };
    wire.volatile.or(Volatile::default(), |list| {
        let mut volatile = Volatile::default();
        let mut is_good = true;
        for item in &list.get_ref().0 {
            is_good &= match item.get_ref() {
                VolatileItem::Name(name) => {
                    let name = Spanned::new(item.span(), name.clone());
                    let (found, name) = match name.get_ref().starts_with('/') {
                        true => (&mut volatile.pointers, pointer(&name, problems)),
                        false => (&mut volatile.fields, header_name(&name, problems)),
                    };
                    found.extend(name.clone());
                    name.is_some()
                }
                VolatileItem::Filter(wire) => {
                    let filter = filter(wire, problems);
                    volatile.filters.extend(filter.clone());
                    filter.is_some()
                }
            };
        }
        is_good.then_some(volatile)
    })
}

/// Groups in a replacement, as the regex crate reads them: the name is as long as possible.
static GROUP: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\$|\$(?:\{([^}]+)\}|([0-9A-Za-z_]+))").expect("a valid expression"));

fn filter(wire: &wire::Filter, problems: &mut Problems<'_>) -> Option<Filter> {
    let matches = wire.matches.good().and_then(|pattern| {
        let matches = regular_expression(pattern, problems)?;
        if matches.0.is_match("") {
            let message =
                format!("`{}` matches the empty text, and so at every place of every text", pattern.get_ref());
            let hint = "accepted: an expression that matches at least one character";
            problems.push(Diagnostic::at(pattern.span(), message).hint(hint));
            return None;
        }
        Some(matches)
    })?;
    let replacement = wire.replacement.or(Volatile::MARKER.to_owned(), |replacement| {
        let has_group = |captures: &Captures<'_>| {
            let name = captures.get(1).or_else(|| captures.get(2)).map_or("0", |name| name.as_str());
            let is_number = name.parse().is_ok_and(|group: usize| group < matches.0.captures_len());
            is_number || matches.0.capture_names().flatten().any(|known| known == name)
        };
        let unknown = GROUP.captures_iter(replacement.get_ref()).find(|captures| !has_group(captures));
        let unknown = unknown.map(|captures| captures[0].to_owned());
        if let Some(group) = &unknown {
            let message = format!("`{group}` is no group of the expression");
            let hint = "accepted: `$1` or `${1}` for the first group in parentheses, `${name}` for `(?<name>…)`, `$$` for a dollar sign";
            problems.push(Diagnostic::at(replacement.span(), message).hint(hint));
        }
        unknown.is_none().then(|| replacement.get_ref().clone())
    })?;
    Some(Filter { matches, replacement })
}

/// A JSON pointer: in it, `~` is written `~0`, and `/` within a name `~1` (RFC 6901, section 3).
fn pointer(text: &Spanned<String>, problems: &mut Problems<'_>) -> Option<String> {
    let pointer = text.get_ref();
    let is_valid = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !is_valid {
        let message = format!("`{pointer}` is not a JSON pointer");
        let hint = "accepted: names and indices after slashes, such as \"/items/0/id\"; `~` is written `~0`, and `/` in a name `~1`";
        problems.push(Diagnostic::at(text.span(), message).hint(hint));
    }
    is_valid.then(|| pointer.clone())
}
