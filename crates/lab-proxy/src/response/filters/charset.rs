//! `charset`: names the charset in `Content-Type`, and converts content that is in another one by `charset_map`.

use std::borrow::Cow;
use std::sync::Arc;

use super::recoding::Recoding;
use crate::config::charset_map::CharsetTable;
use crate::config::logs::Severity;
use crate::context::{RequestContext, replace_control_characters};
use crate::response::Response;
use crate::variables::Template;

/// Adds the charset of the location, or that of the upstream's `X-Accel-Charset`. Returns what converts the content, if
/// that is in another charset.
pub(super) fn apply(context: &RequestContext<'_>, response: &mut Response, accel: Option<&[u8]>) -> Option<Recoding> {
    let rules = &context.config().charset;
    if accel.is_none() && rules.name.is_none() {
        return None;
    }
    let head = &mut response.head;
    let position = head.fields().iter().position(|(name, _)| name.eq_ignore_ascii_case(b"content-type"))?;
    let value = head.fields().get("content-type").unwrap_or_default().to_vec();
    let own = charset_of(&value);
    let name = charset(context, &value, own, accel).filter(|name| !name.is_empty())?;
    if matches!(head.status, 301 | 302) || head.fields().contains("content-encoding") && own.is_some() {
        return None;
    }
    let source =
        own.map(Cow::Borrowed).or_else(|| rules.source.as_ref().map(|source| Cow::Owned(text(context, source))));
    let table = match source.filter(|source| !source.eq_ignore_ascii_case(&name)) {
        // compressed content stays as it is
        Some(_) if head.fields().contains("content-encoding") => return None,
        Some(source) => Some(conversion(context, &source, &name)?),
        None => None,
    };
    let end = if own.is_some() { memchr::memchr(b';', &value).unwrap_or(value.len()) } else { value.len() };
    let media_type = value[..end].trim_ascii_end();
    // as in nginx: a type with other parameters gets no charset
    if media_type.contains(&b';') {
        return None;
    }
    head.fields_mut().set_value(position, [media_type, b"; charset=", &name].concat());
    let recoding = Recoding::new(table?);
    if !recoding.keeps_length() {
        head.fields_mut().remove("Content-Length");
        response.ranges = None;
    }
    (!context.is_head()).then_some(recoding)
}

/// The conversion between two charsets. That there is none is logged.
fn conversion(context: &RequestContext<'_>, from: &[u8], to: &[u8]) -> Option<Arc<CharsetTable>> {
    let table = context.worker.config.charset_maps.find(from, to);
    if table.is_none() {
        let [from, to] = [from, to].map(|text| text.escape_ascii().to_string());
        let message = format!("no \"charset_map\" between the charsets \"{from}\" and \"{to}\"");
        context.log_error(Severity::Error, &message, None);
    }
    table.map(Arc::clone)
}

/// The value of a directive, as a field may have it.
fn text(context: &RequestContext<'_>, template: &Template) -> Vec<u8> {
    let mut text = template.value(&context.scope());
    replace_control_characters(&mut text);
    text
}

/// The charset that the configuration asks for.
fn charset(context: &RequestContext<'_>, value: &[u8], own: Option<&[u8]>, accel: Option<&[u8]>) -> Option<Vec<u8>> {
    let rules = &context.config().charset;
    if let Some(accel) = accel.filter(|accel| !accel.is_empty()) {
        let known = context.worker.config.charsets.iter().any(|name| accel.eq_ignore_ascii_case(name.as_bytes()));
        if !known {
            let message = format!("unknown charset \"{}\" to override", accel.escape_ascii());
            context.log_error(Severity::Error, &message, None);
        }
        return known.then(|| accel.to_vec());
    }
    let name = rules.name.as_ref()?;
    let applies = if own.is_some() { rules.overrides } else { rules.types.contains(Some(value)) };
    applies.then(|| text(context, name))
}

/// The `charset` parameter of a media type, without quotes.
fn charset_of(value: &[u8]) -> Option<&[u8]> {
    value.split(|&byte| byte == b';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim_ascii().split_at_checked("charset=".len())?;
        let value = name.eq_ignore_ascii_case(b"charset=").then_some(value)?;
        let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        Some(unquoted.unwrap_or(value))
    })
}
