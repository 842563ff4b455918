//! Resolves the published figures of a kind.

use toml::Spanned;

use super::kind::{Published, Variant};
use super::wire;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, Integer, List};
use crate::document::suggest;

/// The plausible years of publications about Python servers.
const YEARS: std::ops::RangeInclusive<u16> = 1990..=2100;

/// Resolves all figures. `None` if it adds to `problems`.
pub(super) fn published(
    list: &Field<List<wire::Published>>,
    variants: &[Variant],
    problems: &mut Problems<'_>,
) -> Option<Vec<Published>> {
    list.or(Vec::new(), |list| {
        // Collected first, so that the problems of all figures are reported.
        let read: Vec<_> = list.get_ref().0.iter().map(|one| figure(one.get_ref(), variants, problems)).collect();
        read.into_iter().collect()
    })
}

fn figure(wire: &wire::Published, variants: &[Variant], problems: &mut Problems<'_>) -> Option<Published> {
    let year = wire.year.good().and_then(|year| self::year(year, problems));
    let number = wire.figure.good().and_then(|figure| {
        let number = u64::try_from(figure.get_ref().0).ok().filter(|number| *number > 0);
        if number.is_none() {
            let message = format!("`figure` cannot be {}", figure.get_ref().0);
            problems.push(Diagnostic::at(figure.span(), message).hint("accepted: a whole number above 0"));
        }
        number
    });
    let source = wire.source.good().and_then(|source| {
        let is_address = source.get_ref().strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
        if !is_address {
            let message = format!("`{}` is not the address of a publication", source.get_ref());
            problems.push(Diagnostic::at(source.span(), message).hint("accepted: an address with `https://`"));
        }
        is_address.then(|| source.get_ref().clone())
    });
    let variant = wire.variant.or(None, |name| {
        let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
        if !names.contains(&name.get_ref().as_str()) {
            let message = format!("the kind has no variant `{}`", name.get_ref());
            let hint = match names.is_empty() {
                true => "it has none: leave `variant` out".to_owned(),
                false => suggest::accepted(name.get_ref(), &names),
            };
            problems.push(Diagnostic::at(name.span(), message).hint(hint));
            return None;
        }
        Some(Some(name.get_ref().clone()))
    });
    Some(Published {
        figure: number?,
        unit: one_line(&wire.unit, "unit", problems)?,
        what: one_line(&wire.what, "what", problems)?,
        year: year?,
        source: source?,
        conditions: one_line(&wire.conditions, "conditions", problems)?,
        variant: variant?,
    })
}

/// A text of one line, for the cell of a table.
fn one_line(text: &Field<String>, key: &str, problems: &mut Problems<'_>) -> Option<String> {
    let text = text.good()?;
    let is_one_line = !text.get_ref().trim().is_empty() && !text.get_ref().contains(char::is_control);
    if !is_one_line {
        problems.push(Diagnostic::at(text.span(), format!("`{key}` must be one line of text")));
    }
    is_one_line.then(|| text.get_ref().clone())
}

fn year(year: &Spanned<Integer>, problems: &mut Problems<'_>) -> Option<u16> {
    let fitting = u16::try_from(year.get_ref().0).ok().filter(|year| YEARS.contains(year));
    if fitting.is_none() {
        let message = format!("`year` cannot be {}", year.get_ref().0);
        let hint = format!("accepted: {} to {}", YEARS.start(), YEARS.end());
        problems.push(Diagnostic::at(year.span(), message).hint(hint));
    }
    fitting
}
