//! Writes the head of a request in the uwsgi protocol: a packet of variables, which the body follows as it is.

use crate::config::proxy::pass::ProxyPass;
use crate::config::proxy::uwsgi::UwsgiConfig;
use crate::eval::Scope;
use crate::routing::request::Request;
use crate::upstream::request_head::{is_condition, validators};

/// Appends the packet, or nothing if the variables are too long for one.
pub(crate) fn write(
    request: &Request<'_>,
    pass: &ProxyPass,
    uwsgi: &UwsgiConfig,
    scope: &Scope<'_>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(&[uwsgi.modifiers.0, 0, 0, uwsgi.modifiers.1]);
    for param in &uwsgi.params {
        let value = param.value.value(scope);
        if !(param.if_not_empty && value.is_empty()) {
            push(param.name.as_bytes(), &value, out);
        }
    }
    let passed = if pass.request.passes_fields { Some(request.head.headers.iter()) } else { None };
    let validators = validators(scope).map(|(name, value)| (name.as_bytes(), value));
    let is_storable = scope.outcome.is_storable();
    let fields = passed.into_iter().flatten().filter(|(name, _)| !(is_storable && is_condition(name)));
    for (name, value) in fields.chain(validators) {
        let key = [b"HTTP_", &*variable_name(name)].concat();
        // as in nginx: a parameter replaces the field of the same name
        if !uwsgi.params.iter().any(|param| param.name.as_bytes() == key) {
            push(&key, value, out);
        }
    }
    let size = out.len() - start - 4;
    match u16::try_from(size) {
        Ok(size) => out[start + 1..start + 3].copy_from_slice(&size.to_le_bytes()),
        Err(_) => out.truncate(start),
    }
}

/// A key or value, after its length.
fn push(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    for text in [key, value] {
        // a longer text makes the packet too long, which is noticed at its end
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(text);
    }
}

/// `X-Real-IP` as `X_REAL_IP`.
fn variable_name(name: &[u8]) -> Vec<u8> {
    name.iter().map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }).collect()
}
