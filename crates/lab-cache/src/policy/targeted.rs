//! Targeted fields (RFC 9213), such as `CDN-Cache-Control`: directives for one kind of cache, as a dictionary of
//! structured fields (RFC 9651).

use lab_http::Headers;

use super::control::{MAX_DELTA, ResponseControl};

/// The directives of the first of these fields that a response has in a valid form. `Cache-Control` and `Expires` then have
/// no effect.
#[must_use]
pub fn control(fields: &Headers, names: &[String]) -> Option<ResponseControl> {
    names.iter().find_map(|name| {
        let lines: Vec<&[u8]> = fields.get_all(name).collect();
        let members = dictionary(&lines.join(&b','))?;
        (!members.is_empty()).then(|| control_of(&members))
    })
}

/// The value of a member, as far as directives have it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    True,
    Integer(i64),
    Text(Vec<u8>),
    Other,
}

fn control_of(members: &[(Vec<u8>, Value)]) -> ResponseControl {
    // later members replace earlier ones of the same name
    let value_of = |name: &str| members.iter().rev().find(|(own, _)| own == name.as_bytes()).map(|(_, value)| value);
    let has = |name: &str| value_of(name) == Some(&Value::True);
    let seconds = |name: &str| match value_of(name) {
        Some(Value::Integer(seconds)) if *seconds >= 0 => {
            Some(u32::try_from(*seconds).unwrap_or(MAX_DELTA).min(MAX_DELTA))
        }
        _ => None,
    };
    let mut control = ResponseControl {
        no_store: has("no-store"),
        public: has("public"),
        must_revalidate: has("must-revalidate"),
        proxy_revalidate: has("proxy-revalidate"),
        must_understand: has("must-understand"),
        max_age: seconds("max-age"),
        s_maxage: seconds("s-maxage"),
        stale_while_revalidate: seconds("stale-while-revalidate"),
        stale_if_error: seconds("stale-if-error"),
        ..ResponseControl::default()
    };
    for (name, scope) in [("no-cache", &mut control.no_cache), ("private", &mut control.private)] {
        match value_of(name) {
            Some(Value::True) => scope.add(None),
            Some(Value::Text(names)) => scope.add(Some(names)),
            _ => {}
        }
    }
    control
}

/// Parses a dictionary. None if it is malformed.
fn dictionary(text: &[u8]) -> Option<Vec<(Vec<u8>, Value)>> {
    let mut rest = text.trim_ascii();
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = key(rest)?;
        let (value, behind) = match behind.strip_prefix(b"=") {
            Some(behind) => item(behind)?,
            None => (Value::True, behind),
        };
        members.push((name, value));
        rest = parameters(behind)?.trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        rest = rest.strip_prefix(b",")?.trim_ascii_start();
        // a comma at the end is an error
        (!rest.is_empty()).then_some(())?;
    }
    Some(members)
}

fn key(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'*';
    text.first().filter(|byte| is_first(byte))?;
    let is_part = |byte: &u8| is_first(byte) || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.');
    let end = text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len());
    Some((text[..end].to_vec(), &text[end..]))
}

/// Skips the parameters of an item.
fn parameters(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    while let Some(behind) = rest.strip_prefix(b";") {
        let (_, behind) = key(behind.trim_ascii_start())?;
        rest = match behind.strip_prefix(b"=") {
            Some(behind) => item(behind)?.1,
            None => behind,
        };
    }
    Some(rest)
}

/// Parses a number, a string, a token or a boolean. Lists in parentheses and bytes are no values of directives.
fn item(text: &[u8]) -> Option<(Value, &[u8])> {
    match text.first()? {
        b'"' => string(&text[1..]),
        b'?' => match text.get(1)? {
            b'1' => Some((Value::True, &text[2..])),
            b'0' => Some((Value::Other, &text[2..])),
            _ => None,
        },
        b'-' | b'0'..=b'9' => {
            let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
            let end = text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len());
            let number = std::str::from_utf8(&text[..end]).ok()?;
            let value = match number.contains('.') {
                true => number.parse::<f64>().is_ok().then_some(Value::Other)?,
                false if end <= 16 => Value::Integer(number.parse().ok()?),
                false => return None,
            };
            Some((value, &text[end..]))
        }
        first if first.is_ascii_alphabetic() || *first == b'*' => {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(byte);
            let end = text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len());
            Some((Value::Text(text[..end].to_vec()), &text[end..]))
        }
        _ => None,
    }
}

fn string(text: &[u8]) -> Option<(Value, &[u8])> {
    let mut plain = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((position, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((Value::Text(plain), &text[position + 1..])),
            b'\\' => plain.push(*bytes.next().map(|(_, byte)| byte).filter(|byte| matches!(byte, b'"' | b'\\'))?),
            0x20..=0x7e => plain.push(*byte),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&str, &str)]) -> Option<ResponseControl> {
        let fields: Headers = lines.iter().copied().collect();
        control(&fields, &["CDN-Cache-Control".to_owned()])
    }

    #[test]
    fn valid_dictionaries_replace_cache_control() {
        for (value, max_age) in [
            ("max-age=60", Some(60)),
            ("max-age=60;a=b, foo", Some(60)),
            ("foo=\"max-age=1\", max-age=60", Some(60)),
            ("max-age=1, max-age=60", Some(60)),
            ("max-age=99999999999", Some(MAX_DELTA)),
            ("max-age=60.5", None),
            ("max-age=\"60\"", None),
            ("max-age=-1", None),
            ("public", None),
        ] {
            assert_eq!(read(&[("CDN-Cache-Control", value)]).map(|control| control.max_age), Some(max_age), "{value}");
        }
        let control =
            read(&[("CDN-Cache-Control", "no-store, private=\"a\""), ("cdn-cache-control", "no-cache")]).unwrap();
        assert!(control.no_store && control.private.contains(b"A") && control.no_cache.is_whole());
        assert!(!read(&[("CDN-Cache-Control", "no-store=?0, public=?1")]).unwrap().no_store);
    }

    #[test]
    fn malformed_fields_are_ignored() {
        for value in ["", "max-age=", "MAX-AGE=60", "max-age=60,", "max-age=60,,foo", "max-age 60", "a=(1 2)", "a=\"b"]
        {
            assert_eq!(read(&[("CDN-Cache-Control", value)]), None, "{value}");
        }
        assert_eq!(read(&[("Cache-Control", "max-age=60")]), None);
    }
}
