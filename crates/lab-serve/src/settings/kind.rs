//! The kinds of values, and their validation: gunicorn's validators.

use std::net::IpAddr;
use std::path::Path;

use super::SettingsContext;
use super::value::Value;
use crate::address::parse_host_and_port;

/// The kind of a setting's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    /// An integer, 0 or more.
    Natural,
    /// A string or `None`.
    Text,
    /// A list of strings.
    Texts,
    /// A list of existing files and of patterns.
    Files,
    /// Comma-separated addresses and networks, or `*`.
    Addresses,
    /// Comma-separated names.
    Names,
    Pairs,
    /// A class, by its name.
    Class,
    /// A user by name or number.
    User,
    /// A group by name or number.
    Group,
    /// An existing folder.
    Folder,
    /// `HOST:PORT` or `unix://PATH`.
    Statsd,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `off`, `v1`, `v2`, `auto`, or a truth value.
    ProxyProtocol,
    /// Comma-separated `h1` and `h2`.
    Protocols,
    Hook,
    /// Any value.
    Any,
}

impl Kind {
    /// Validates a value and converts it to its normal form.
    ///
    /// # Errors
    /// The value is not of this kind. The error says what would be accepted.
    pub fn validate(self, given: Value, context: &SettingsContext) -> Result<Value, String> {
        match self {
            Kind::Bool => truth(given),
            Kind::Natural => natural(&given),
            Kind::Text => text(given),
            Kind::Texts => texts(given),
            Kind::Files => files(given, context),
            Kind::Addresses => addresses(given),
            Kind::Names => names(given),
            Kind::Pairs => match given {
                Value::Pairs(_) => Ok(given),
                _ => Err("must be a dictionary".to_owned()),
            },
            Kind::Class => match given {
                Value::Callable(name) => Ok(Value::Text(name)),
                _ => text(given),
            },
            Kind::User => id(given, context.user, "user", |name| (context.user_id)(name)),
            Kind::Group => id(given, context.group, "group", |name| (context.group_id)(name)),
            Kind::Folder => folder(given, context),
            Kind::Statsd => statsd(given),
            Kind::Choice(words) => choice(given, words),
            Kind::ProxyProtocol => proxy_protocol(given),
            Kind::Protocols => protocols(given),
            Kind::Hook => match given {
                Value::Callable(_) | Value::Text(_) => Ok(given),
                _ => Err("must be a function".to_owned()),
            },
            Kind::Any => Ok(given),
        }
    }
}

fn truth(given: Value) -> Result<Value, String> {
    match &given {
        Value::None | Value::Bool(_) => Ok(given),
        Value::Text(text) if text.trim().eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Value::Text(text) if text.trim().eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        _ => Err("must be True or False".to_owned()),
    }
}

fn natural(given: &Value) -> Result<Value, String> {
    let number = match given {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Int(value) => Some(*value),
        Value::Text(text) => int(text),
        _ => None,
    };
    number.filter(|number| *number >= 0).map(Value::Int).ok_or_else(|| "must be a number, 0 or more".to_owned())
}

/// Python's `int(text, 0)`: decimal, or with `0x`, `0o` or `0b`. A decimal with a leading zero is invalid.
#[must_use]
pub(super) fn int(text: &str) -> Option<i64> {
    let text = text.trim().replace('_', "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ => (10, lower.as_str()),
    };
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_plain || (radix == 10 && digits.len() > 1 && digits.starts_with('0') && !digits.trim_matches('0').is_empty())
    {
        return None;
    }
    i64::from_str_radix(digits, radix).ok().map(|number| sign * number)
}

fn text(given: Value) -> Result<Value, String> {
    match given {
        Value::None => Ok(Value::None),
        Value::Text(text) => Ok(Value::text(text.trim())),
        _ => Err("must be a string".to_owned()),
    }
}

fn texts(given: Value) -> Result<Value, String> {
    let items = match given {
        given if !given.is_truthy() => Vec::new(),
        Value::Text(_) => vec![given],
        Value::List(items) | Value::Tuple(items) => items,
        _ => return Err("must be a list of strings".to_owned()),
    };
    items.into_iter().map(text).collect::<Result<_, _>>().map(Value::List)
}

/// Whether a path is a glob pattern.
#[must_use]
pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

fn files(given: Value, context: &SettingsContext) -> Result<Value, String> {
    let given = texts(given)?;
    if let Value::List(items) = &given {
        for item in items {
            if let Value::Text(path) = item
                && !is_pattern(path)
                && !context.folder.join(path).exists()
            {
                return Err(format!("there is no file {path:?}"));
            }
        }
    }
    Ok(given)
}

fn split(given: Value) -> Result<Vec<String>, String> {
    match text(given)? {
        Value::Text(text) if !text.is_empty() => {
            Ok(text.split(',').filter(|part| !part.is_empty()).map(|part| part.trim().to_owned()).collect())
        }
        _ => Ok(Vec::new()),
    }
}

fn names(given: Value) -> Result<Value, String> {
    split(given).map(Value::texts)
}

fn addresses(given: Value) -> Result<Value, String> {
    let parts = split(given)?;
    for part in parts.iter().filter(|part| *part != "*") {
        let strict = "must be comma-separated addresses and networks, or *";
        let (address, bits) = match part.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (part.as_str(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| format!("{strict}; {part:?} is neither"))?;
        let Some(bits) = bits else { continue };
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse::<u32>().ok().filter(|bits| *bits <= width);
        let bits = bits.ok_or_else(|| format!("{strict}; {part:?} is neither"))?;
        let value = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let host_bits = if bits == width { 0 } else { value & (u128::MAX >> (128 - (width - bits))) };
        if host_bits != 0 {
            return Err(format!("{part:?} has host bits set, so it is not a network"));
        }
    }
    Ok(Value::texts(parts))
}

fn id(given: Value, own: u32, what: &str, lookup: impl Fn(&str) -> Option<u32>) -> Result<Value, String> {
    match given {
        Value::None => Ok(Value::Int(i64::from(own))),
        Value::Int(id) if u32::try_from(id).is_ok() => Ok(Value::Int(id)),
        Value::Text(name) => match name.parse::<u32>() {
            Ok(id) => Ok(Value::Int(i64::from(id))),
            Err(_) => {
                lookup(&name).map(|id| Value::Int(i64::from(id))).ok_or_else(|| format!("there is no {what} {name:?}"))
            }
        },
        _ => Err(format!("must be a {what} by name or number")),
    }
}

fn folder(given: Value, context: &SettingsContext) -> Result<Value, String> {
    let Value::Text(path) = text(given)? else { return Err("must be a folder".to_owned()) };
    let full = normalize(&context.folder.join(&path));
    if Path::new(&full).exists() { Ok(Value::Text(full)) } else { Err(format!("there is no folder {path:?}")) }
}

/// Removes `.`, `..` and empty parts from a path (Python's `normpath`).
fn normalize(path: &Path) -> String {
    let mut parts = Vec::new();
    for part in path.to_string_lossy().split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part.to_owned()),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A path stays a string; a host becomes a tuple with its port, 8125 by default.
fn statsd(given: Value) -> Result<Value, String> {
    let Value::Text(address) = text(given)? else { return Ok(Value::None) };
    let is_host_named_unix = address.strip_prefix("unix:").is_some_and(|port| port.parse::<u16>().is_ok());
    if let Some(path) = address.strip_prefix("unix:").filter(|_| !is_host_named_unix) {
        return Ok(Value::text(path.strip_prefix("//").unwrap_or(path)));
    }
    let accepted = || "must be HOST:PORT or unix://PATH".to_owned();
    let (host, port) = parse_host_and_port(&address, 8125).ok_or_else(accepted)?;
    Ok(Value::Tuple(vec![Value::Text(host), Value::Int(i64::from(port))]))
}

fn choice(given: Value, words: &[&'static str]) -> Result<Value, String> {
    let accepted = || format!("must be one of {}", words.join(", "));
    let word = match given {
        Value::None => words.first().copied().unwrap_or_default().to_owned(),
        // gunicorn accepts a boolean for http2_cleartext.
        Value::Bool(value) if words.first() == Some(&"off") => {
            if value { words.get(1) } else { words.first() }.copied().unwrap_or_default().to_owned()
        }
        Value::Text(word) => word.trim().to_lowercase(),
        _ => return Err(accepted()),
    };
    if words.contains(&word.as_str()) { Ok(Value::Text(word)) } else { Err(accepted()) }
}

fn proxy_protocol(given: Value) -> Result<Value, String> {
    let word = match given {
        Value::None | Value::Bool(false) => "off".to_owned(),
        Value::Bool(true) => "auto".to_owned(),
        Value::Text(word) => word.trim().to_lowercase(),
        _ => String::new(),
    };
    let normal = match word.as_str() {
        "false" | "off" | "0" | "none" => "off",
        "true" | "auto" | "1" => "auto",
        "v1" => "v1",
        "v2" => "v2",
        _ => return Err("must be one of off, v1, v2, auto".to_owned()),
    };
    Ok(Value::text(normal))
}

fn protocols(given: Value) -> Result<Value, String> {
    const ACCEPTED: &str = "must be h1, h2, or both, separated by a comma";
    let parts: Vec<String> = split(given)?.into_iter().map(|part| part.to_lowercase()).collect();
    if let Some(unknown) = parts.iter().find(|part| !matches!(part.as_str(), "h1" | "h2")) {
        return Err(format!("{ACCEPTED}; {unknown:?} is neither"));
    }
    if let Some(repeated) = parts.iter().enumerate().find(|(at, part)| parts[..*at].contains(part)) {
        return Err(format!("{ACCEPTED}; {:?} is repeated", repeated.1));
    }
    Ok(if parts.is_empty() { Value::texts(["h1"]) } else { Value::texts(parts) })
}

#[cfg(test)]
mod tests {
    use super::super::resolve::test_context;
    use super::*;

    fn validated(kind: Kind, json: &str) -> String {
        let given = Value::from_json(&serde_json::from_str(json).unwrap());
        match kind.validate(given, &test_context()) {
            Ok(value) => value.to_string(),
            Err(accepted) => format!("! {accepted}"),
        }
    }

    #[test]
    fn values_are_validated_as_by_gunicorn() {
        let cases = [
            (Kind::Bool, r#"" TRUE ""#, "True"),
            (Kind::Bool, "1", "! must be True or False"),
            (Kind::Natural, r#""0x10""#, "16"),
            (Kind::Natural, r#""010""#, "! must be a number, 0 or more"),
            (Kind::Natural, r#""00""#, "0"),
            (Kind::Natural, "true", "1"),
            (Kind::Natural, "-1", "! must be a number, 0 or more"),
            (Kind::Natural, "0.5", "! must be a number, 0 or more"),
            (Kind::Text, r#"" a ""#, "a"),
            (Kind::Text, "1", "! must be a string"),
            (Kind::Texts, r#""a""#, "['a']"),
            (Kind::Texts, r#"{"$tuple": ["a", " b"]}"#, "['a', 'b']"),
            (Kind::Texts, "null", "[]"),
            (Kind::Files, r#"["/nowhere", "*.x"]"#, "! there is no file \"/nowhere\""),
            (Kind::Files, r#""/etc/*.nothing""#, "['/etc/*.nothing']"),
            (Kind::Addresses, r#""127.0.0.1, 10.0.0.0/8,::1""#, "['127.0.0.1', '10.0.0.0/8', '::1']"),
            (Kind::Addresses, r#""*""#, "['*']"),
            (Kind::Addresses, r#""10.0.0.1/8""#, "! \"10.0.0.1/8\" has host bits set, so it is not a network"),
            (Kind::Addresses, r#""fe80::/64""#, "['fe80::/64']"),
            (
                Kind::Addresses,
                r#""localhost""#,
                "! must be comma-separated addresses and networks, or *; \"localhost\" is neither",
            ),
            (Kind::Class, r#"{"$callable": "m.Worker"}"#, "m.Worker"),
            (Kind::User, r#""nobody""#, "65534"),
            (Kind::User, r#""12""#, "12"),
            (Kind::User, r#""nemo""#, "! there is no user \"nemo\""),
            (Kind::Group, "null", "1000"),
            (Kind::Folder, r#""/usr/../etc/.""#, "/etc"),
            (Kind::Folder, r#""/nowhere""#, "! there is no folder \"/nowhere\""),
            (Kind::Statsd, r#""localhost""#, "('localhost', 8125)"),
            (Kind::Statsd, r#""[::1]:9""#, "('::1', 9)"),
            (Kind::Statsd, r#""unix:1""#, "('unix', 1)"),
            (Kind::Statsd, r#""unix:///run/statsd""#, "/run/statsd"),
            (Kind::Choice(&["drop", "refuse"]), r#"" Refuse""#, "refuse"),
            (Kind::Choice(&["drop", "refuse"]), r#""x""#, "! must be one of drop, refuse"),
            (Kind::ProxyProtocol, "true", "auto"),
            (Kind::ProxyProtocol, r#""V1""#, "v1"),
            (Kind::ProxyProtocol, r#""v3""#, "! must be one of off, v1, v2, auto"),
            (Kind::Protocols, r#""h1,h2""#, "['h1', 'h2']"),
        ];
        for (kind, given, expected) in cases {
            assert_eq!(validated(kind, given), expected, "{kind:?} {given}");
        }
    }
}
