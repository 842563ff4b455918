//! Simple values of kind files.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::catalog::kind::Ability;
use crate::catalog::wire;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, Integer, List};

pub(super) fn texts(list: &Field<List<String>>) -> Vec<String> {
    list.value().map_or(Vec::new(), |list| list.0.iter().map(|text| text.get_ref().clone()).collect())
}

pub(super) fn cannot(wire: &wire::Cannot) -> BTreeMap<Ability, String> {
    let all = [
        (Ability::KeepAlive, &wire.keep_alive),
        (Ability::Workers, &wire.workers),
        (Ability::ChunkedInput, &wire.chunked_input),
        (Ability::Head, &wire.head),
        (Ability::MoreConnections, &wire.more_connections),
    ];
    all.into_iter().filter_map(|(ability, reason)| Some((ability, reason.value()?.clone()))).collect()
}

pub(super) fn integer(
    number: &Spanned<Integer>,
    what: &str,
    least: u16,
    most: u16,
    problems: &mut Problems<'_>,
) -> Option<u16> {
    let value = number.get_ref().0;
    let fitting = u16::try_from(value).ok().filter(|value| (least..=most).contains(value));
    if fitting.is_none() {
        let hint = format!("accepted: {least} to {most}");
        problems.push(Diagnostic::at(number.span(), format!("{what} cannot be {value}")).hint(hint));
    }
    fitting
}
