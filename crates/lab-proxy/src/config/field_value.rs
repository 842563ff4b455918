//! Values of fields in a configuration.

use std::borrow::Cow;

use lab_http::Headers;

use super::reader::ConfigReader;
use lab_nginx_conf::{ConfError, Directive};

/// The value of the field `name`. Policies are often written on several lines: line breaks, which end a field, become spaces.
///
/// # Errors
/// It has other control characters.
pub(crate) fn field_value<'v>(
    directive: &Directive,
    name: &str,
    value: &'v str,
    reader: &mut ConfigReader<'_>,
) -> Result<Cow<'v, str>, ConfError> {
    let value = match value.contains(['\r', '\n']) {
        true => Cow::Owned(value.split(['\r', '\n']).map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()),
        false => Cow::Borrowed(value),
    };
    if !Headers::is_clean(name.as_bytes(), value.as_bytes()) {
        return Err(directive.invalid(&value.escape_debug().to_string(), "a value without control characters"));
    }
    if let Cow::Owned(_) = &value {
        let message = format!("\"{name}\" in \"{}\" directive has line breaks, which become spaces", directive.name);
        reader.warn(directive, message);
    }
    Ok(value)
}
