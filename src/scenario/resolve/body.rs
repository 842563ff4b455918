//! Resolves the body of a check's request: a text, a file, a form, or the parts of a multipart body.

use std::path::Path;

use toml::Spanned;

use super::super::model::{Part, PartContent, RequestBody, TextTemplate};
use super::super::wire;
use super::context::{ResolveContext, existing_file};
use super::values::{one_line, template};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::ByName;
use crate::document::suggest;
use crate::document::table::Table as _;

pub(super) fn body(
    request: &wire::Request,
    step: Option<&[String]>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<RequestBody> {
    let keys = [
        ("body", request.body.good().map(Spanned::span)),
        ("form", request.form.good().map(Spanned::span)),
        ("multipart", request.multipart.good().map(Spanned::span)),
    ];
    let given: Vec<_> = keys.into_iter().filter_map(|(key, span)| Some((key, span?))).collect();
    if let [(first, at), (second, again), ..] = given.as_slice() {
        let message = format!("`{second}` and `{first}` exclude each other");
        problems.push(Diagnostic::at(again.clone(), message).related(at.clone(), "this is the body"));
        return None;
    }
    let extracted = step.unwrap_or_default();
    let text = request.body.or(RequestBody::default(), |body| match body.get_ref() {
        wire::Body::Text(text) if text.is_empty() => Some(RequestBody::default()),
        // Outside a sequence the text has no placeholders, so that JSON can be written as it is.
        wire::Body::Text(text) if step.is_none() => Some(RequestBody::Text(TextTemplate::literal(text))),
        wire::Body::Text(text) => {
            template(&Spanned::new(body.span(), text.clone()), extracted, problems).map(RequestBody::Text)
        }
        wire::Body::File(file) => existing_file(file.file.good()?, context, problems).map(RequestBody::File),
    });
    let form = request.form.or(None, |fields| form(fields.get_ref(), extracted, problems).map(Some));
    let multipart =
        request.multipart.or(None, |parts| multipart(parts.get_ref(), extracted, context, problems).map(Some));
    if let Some(name) = given.first().filter(|(key, _)| *key == "multipart").and_then(|_| content_type(request)) {
        let hint = "leave it out: lab writes it with the boundary of the parts";
        problems.push(Diagnostic::at(name.span(), "a multipart body has its own `Content-Type`").hint(hint));
        return None;
    }
    let (text, form, multipart) = (text?, form?, multipart?);
    Some(form.or(multipart).unwrap_or(text))
}

/// The name of the request's `Content-Type` line.
fn content_type(request: &wire::Request) -> Option<&Spanned<String>> {
    let lines = &request.headers.value()?.0;
    lines.iter().map(|line| &line.name).find(|name| name.get_ref().eq_ignore_ascii_case("content-type"))
}

fn form(wire: &ByName<wire::Texts>, extracted: &[String], problems: &mut Problems<'_>) -> Option<RequestBody> {
    let mut fields = Some(Vec::new());
    for (name, values) in &wire.0 {
        let Some(values) = values.value() else {
            fields = None;
            continue;
        };
        for value in &values.0 {
            let field = template(value, extracted, problems).map(|value| (name.get_ref().clone(), value));
            fields = fields.zip(field).map(|(mut fields, field)| {
                fields.push(field);
                fields
            });
        }
    }
    fields.map(RequestBody::Form)
}

fn multipart(
    wire: &ByName<wire::PartValue>,
    extracted: &[String],
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<RequestBody> {
    let mut parts = Vec::new();
    for (name, contents) in &wire.0 {
        match contents.value() {
            None => parts.push(None),
            Some(contents) => {
                parts.extend(
                    contents.0.iter().map(|content| part(name.get_ref(), content, extracted, context, problems)),
                );
            }
        }
    }
    parts.into_iter().collect::<Option<_>>().map(RequestBody::Multipart)
}

fn part(
    name: &str,
    wire: &Spanned<wire::PartContent>,
    extracted: &[String],
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Part> {
    let name = name.to_owned();
    let table = match wire.get_ref() {
        wire::PartContent::Text(text) => {
            let text = template(&Spanned::new(wire.span(), text.clone()), extracted, problems)?;
            return Some(Part { name, content: PartContent::Text(text), media_type: None });
        }
        wire::PartContent::Table(table) => table,
    };
    let media_type = table.media_type.or(None, |text| one_line(text, "`media_type`", problems).map(Some));
    let filename = table.filename.or(None, |text| one_line(text, "`filename`", problems).map(Some));
    let content = match (table.file.good(), table.text.good()) {
        (Some(file), None) => {
            let path = existing_file(file, context, problems)?;
            let own = || path.file_name().unwrap_or(Path::new("file").as_os_str()).to_string_lossy().into_owned();
            let filename = filename?.unwrap_or_else(own);
            PartContent::File { path, filename }
        }
        (None, Some(text)) => {
            if let Some(filename) = table.filename.good() {
                problems.push(Diagnostic::at(filename.span(), "`filename` goes with `file`").hint("leave it out"));
                return None;
            }
            PartContent::Text(template(text, extracted, problems)?)
        }
        (None, None) => {
            if !table.has_unknown_keys() && table.file.is_absent() && table.text.is_absent() {
                let hint = format!("accepted: one of {}", suggest::quoted(&["file", "text"]));
                problems.push(Diagnostic::at(wire.span(), "the part has no content").hint(hint));
            }
            return None;
        }
        (Some(_), Some(text)) => {
            problems.push(Diagnostic::at(text.span(), "`text` and `file` exclude each other"));
            return None;
        }
    };
    Some(Part { name, content, media_type: media_type? })
}
