//! Resolves `extract`: values of a response that later steps use.

use lab_load::wire::{Extraction, JsonQuery, ValueSource};
use toml::Spanned;

use super::super::wire;
use super::rules::{regular_expression, span_of};
use super::values::{header_name, value_name};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::ByName;
use crate::document::suggest;
use crate::document::table::Table as _;

pub(super) fn extractions(wire: &ByName<wire::ValueSource>, problems: &mut Problems<'_>) -> Option<Vec<Extraction>> {
    let resolved: Vec<_> = wire
        .0
        .iter()
        .map(|(name, source)| {
            let name = value_name(name, problems);
            let source = source.good().and_then(|source| extraction(source, problems));
            let (from, matches) = source?;
            Some(Extraction { name: name?, from, matches })
        })
        .collect();
    resolved.into_iter().collect()
}

fn extraction(
    wire: &Spanned<wire::ValueSource>,
    problems: &mut Problems<'_>,
) -> Option<(ValueSource, Option<lab_load::wire::Pattern>)> {
    let source = wire.get_ref();
    let matches = source.matches.or(None, |pattern| regular_expression(pattern, problems).map(Some));
    let keys =
        [("header", span_of(&source.header)), ("cookie", span_of(&source.cookie)), ("json", span_of(&source.json))];
    let given: Vec<&str> = keys.iter().filter(|(_, span)| span.is_some()).map(|(key, _)| *key).collect();
    let from = match given.as_slice() {
        ["header"] => header_name(source.header.good()?, problems).map(ValueSource::Header),
        ["cookie"] => header_name(source.cookie.good()?, problems).map(ValueSource::Cookie),
        ["json"] => json_query(source.json.good()?, problems).map(ValueSource::Json),
        [] if !source.matches.is_absent() => Some(ValueSource::Body),
        // The unknown key is reported, and may be a misspelling of one of these.
        [] if source.has_unknown_keys() => None,
        [] => {
            let hint = "accepted: one of `header`, `cookie` and `json`, or `matches` with an expression for the body";
            problems.push(Diagnostic::at(wire.span(), "the value has no source").hint(hint));
            None
        }
        several => {
            let message = format!("the value has several sources: {}", suggest::quoted(several));
            problems.push(Diagnostic::at(wire.span(), message).hint("accepted: one of `header`, `cookie` and `json`"));
            None
        }
    };
    Some((from?, matches?))
}

/// A JSON pointer or a JSONPath.
pub(super) fn json_query(text: &Spanned<String>, problems: &mut Problems<'_>) -> Option<JsonQuery> {
    match JsonQuery::try_from(text.get_ref().clone()) {
        Ok(query) => Some(query),
        Err(reason) => {
            let message = format!("`{}` is neither a JSON pointer nor a JSONPath: {reason}", text.get_ref());
            let hint = "accepted: a pointer (RFC 6901), such as \"/items/0/id\", or a path (RFC 9535), such as \"$.items[*].id\"";
            problems.push(Diagnostic::at(text.span(), message).hint(hint));
            None
        }
    }
}
