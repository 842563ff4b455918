//! Cookies (RFC 6265, section 4.1).

use std::time::SystemTime;

use super::date;

/// Random and signed values are longer than this, and have digits.
const SHORTEST_OPAQUE: usize = 16;

/// A cookie with its name and its attributes, without a random or signed value.
pub(super) fn normalize(cookie: &str, date: Option<SystemTime>) -> String {
    let mut attributes = cookie.split(';').skip(1).filter_map(|attribute| attribute.split_once('='));
    let max_age = attributes.find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"));
    // Both say the same, and `Max-Age` counts (RFC 6265, section 5.3).
    let max_age = max_age.and_then(|(_, seconds)| seconds.trim().parse().ok());
    let mut parts = cookie.split(';');
    let pair = parts.next().unwrap_or_default();
    let mut normalized = match pair.split_once('=') {
        Some((name, value)) if is_opaque(value) => format!("{name}={{value}}"),
        _ => pair.to_owned(),
    };
    for attribute in parts {
        normalized.push(';');
        let expires = attribute.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("expires"));
        match expires.and_then(|(name, value)| Some((name, date::relative(value.trim(), date, max_age)?))) {
            Some((name, relative)) => {
                normalized.push_str(name);
                normalized.push('=');
                normalized.push_str(&relative);
            }
            None => normalized.push_str(attribute),
        }
    }
    normalized
}

fn is_opaque(value: &str) -> bool {
    value.len() >= SHORTEST_OPAQUE
        && !value.contains(' ')
        && value.contains(|character: char| character.is_ascii_digit())
}
