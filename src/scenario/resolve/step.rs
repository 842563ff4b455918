//! Resolves `[[load.step]]`: a journey's requests, and the values passed between them.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::Spanned;

use super::super::model::{Step, StepExpectation, StepText, TextPiece};
use super::super::wire;
use super::extract::extractions;
use super::rules::{header_rules, optional_text_rule};
use super::values::{Unique, one_line, origin_form, sent_header_name, whole};
use crate::document::braces::{Piece, split};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, List};
use crate::document::suggest;
use crate::document::table::Table as _;

/// The methods that goose supports.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// More repetitions of a step are a load of their own.
const MOST_IN_A_ROW: u32 = 1_000;

/// The steps in the file's order. `path` is the load's, and not allowed beside steps.
pub(super) fn steps(
    wire: &Spanned<List<wire::Step>>,
    path: &Field<String>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Step>> {
    let list = &wire.get_ref().0;
    if list.is_empty() {
        problems.push(Diagnostic::at(wire.span(), "`step` is empty: nothing would be requested"));
        return None;
    }
    if let Some(path) = path.good() {
        let message = "a load with steps has no `path`; each step has its own";
        problems.push(Diagnostic::at(path.span(), message).hint("leave it out"));
        return None;
    }
    let mut names = Unique::new("step");
    let mut known: Vec<String> = Vec::new();
    let mut resolved = Vec::new();
    for wire in list {
        if let Some(name) = wire.get_ref().name.good() {
            names.add(name, problems);
        }
        resolved.push(step(wire.get_ref(), &known, problems));
        if let Some(extract) = wire.get_ref().extract.value() {
            known.extend(extract.0.iter().map(|(name, _)| name.get_ref().clone()));
        }
    }
    resolved.into_iter().collect()
}

fn step(wire: &wire::Step, known: &[String], problems: &mut Problems<'_>) -> Option<Step> {
    let name = wire.name.good().and_then(|name| one_line(name, "a step's `name`", problems));
    let method = wire.method.or("GET".to_owned(), |method| {
        let found = METHODS.contains(&method.get_ref().as_str());
        if !found {
            let message = format!("a step cannot ask with `{}`", method.get_ref());
            problems.push(Diagnostic::at(method.span(), message).hint(suggest::accepted(method.get_ref(), &METHODS)));
        }
        found.then(|| method.get_ref().clone())
    });
    let target = wire.path.good().and_then(|path| {
        // A value may be a whole path, such as a Location's.
        if !path.get_ref().starts_with('{') {
            origin_form(path, "`path`", problems)?;
        }
        text(path, known, problems)
    });
    let headers = wire.headers.or(Vec::new(), |lines| {
        let resolved: Vec<_> = lines
            .get_ref()
            .0
            .iter()
            .map(|line| {
                let name = sent_header_name(&line.name, problems);
                let value = header_value(&line.value, known, problems);
                Some((name?, value?))
            })
            .collect();
        resolved.into_iter().collect()
    });
    let body = wire.body.or(StepText::default(), |body| text(body, known, problems));
    let times = wire
        .weight
        .or(NonZeroU32::MIN, |weight| whole(weight, "`weight`", 1..=MOST_IN_A_ROW, problems).and_then(NonZeroU32::new));
    let think = wire.think.or(Duration::ZERO, |think| Some(think.get_ref().0));
    let extract = wire.extract.or(Vec::new(), |values| extractions(values.get_ref(), problems));
    let expect = wire.expect.or(StepExpectation::default(), |expect| expectation(expect, problems));
    Some(Step {
        name: name?,
        method: method?,
        target: target?,
        headers: headers?,
        body: body?,
        times: times?,
        think: think?,
        extract: extract?,
        expect: expect?,
    })
}

fn header_value(value: &Spanned<String>, known: &[String], problems: &mut Problems<'_>) -> Option<StepText> {
    if let Some((at, wrong)) = value.get_ref().char_indices().find(|(_, c)| c.is_control() || !c.is_ascii()) {
        let place = problems.within_string(&value.span(), value.get_ref(), at..at + wrong.len_utf8());
        problems.push(Diagnostic::at(place, format!("a step's header cannot hold {wrong:?}")));
        return None;
    }
    text(value, known, problems)
}

/// A text whose placeholders are values extracted by earlier steps.
fn text(text: &Spanned<String>, known: &[String], problems: &mut Problems<'_>) -> Option<StepText> {
    let within = |part, problems: &Problems<'_>| problems.within_string(&text.span(), text.get_ref(), part);
    let pieces = match split(text.get_ref()) {
        Ok(pieces) => pieces,
        Err(error) => {
            let hint = "write `{NAME}` for a value; `{{` and `}}` stand for braces";
            problems.push(Diagnostic::at(within(error.part(), problems), error.to_string()).hint(hint));
            return None;
        }
    };
    let mut resolved = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => resolved.push(TextPiece::Literal(text)),
            Piece::Name(name, _) if known.contains(&name) => resolved.push(TextPiece::Value(name)),
            Piece::Name(name, part) => {
                let hint = match known {
                    [] => "name it in `extract` of an earlier step; `{{` and `}}` stand for braces".to_owned(),
                    known => suggest::accepted(&name, &known.iter().map(String::as_str).collect::<Vec<_>>()),
                };
                let message = format!("no earlier step extracts `{name}`");
                problems.push(Diagnostic::at(within(part, problems), message).hint(hint));
                return None;
            }
        }
    }
    Some(StepText(resolved))
}

fn expectation(wire: &Spanned<wire::StepExpect>, problems: &mut Problems<'_>) -> Option<StepExpectation> {
    let expect = wire.get_ref();
    let says_nothing = expect.status.is_absent() && expect.headers.is_absent() && expect.body.is_absent();
    if says_nothing && !expect.has_unknown_keys() {
        let hint = "expect at least one of `status`, `headers`, `body`, or leave it out";
        problems.push(Diagnostic::at(wire.span(), "the step's `expect` expects nothing").hint(hint));
        return None;
    }
    let status = expect.status.or(None, |status| whole(status, "`status`", 100..=599, problems).map(Some));
    let headers = expect.headers.or(Vec::new(), |rules| header_rules(rules.get_ref(), &[], problems));
    let body = optional_text_rule(&expect.body, &[], problems);
    Some(StepExpectation { status: status?, headers: headers?, body: body? })
}
