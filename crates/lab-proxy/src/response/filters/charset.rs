//! `charset`: names the charset in `Content-Type`.

use crate::config::logs::Severity;
use crate::context::RequestContext;
use crate::response::Head;

/// Adds the charset of the location, or that of the upstream's `X-Accel-Charset`.
pub(super) fn apply(context: &RequestContext<'_>, head: &mut Head, accel: Option<&[u8]>) {
    if accel.is_none() && context.config().charset.name.is_none() {
        return;
    }
    let position = head.fields().iter().position(|(name, _)| name.eq_ignore_ascii_case(b"content-type"));
    let Some(position) = position else { return };
    let value = head.fields().get("content-type").unwrap_or_default().to_vec();
    let own = charset_of(&value);
    let Some(name) = charset(context, &value, own, accel) else { return };
    if name.is_empty()
        || matches!(head.status, 301 | 302)
        || head.fields().contains("content-encoding") && own.is_some()
    {
        return;
    }
    if let Some(own) = own.filter(|own| !own.eq_ignore_ascii_case(&name)) {
        let [own, name] = [own, &name].map(|text| text.escape_ascii().to_string());
        let message = format!("no \"charset_map\" between the charsets \"{own}\" and \"{name}\"");
        context.log_error(Severity::Error, &message, None);
        return;
    }
    let end = if own.is_some() { memchr::memchr(b';', &value).unwrap_or(value.len()) } else { value.len() };
    let media_type = value[..end].trim_ascii_end();
    // as in nginx: a type with other parameters gets no charset
    if media_type.contains(&b';') {
        return;
    }
    head.fields_mut().set_value(position, [media_type, b"; charset=", &name].concat());
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
    let mut name = applies.then(|| name.value(&context.scope()))?;
    crate::context::replace_control_characters(&mut name);
    Some(name)
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
