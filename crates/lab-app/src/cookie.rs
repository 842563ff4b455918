//! Cookies: the parser of Cookie fields, and the Set-Cookie lines of responses.
//!
//! Parsing and quoting follow `werkzeug.http.parse_cookie` and `dump_cookie` of 3.1.9.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use crate::url::{self, COOKIE_PATH};

/// A cookie to set: `response.set_cookie(name, value, …)`.
#[derive(Debug, Clone)]
pub struct Cookie {
    name: String,
    value: String,
    max_age: Option<Duration>,
    path: Option<String>,
    domain: Option<String>,
    secure: bool,
    httponly: bool,
    samesite: Option<SameSite>,
    partitioned: bool,
}

/// The requests from other sites that include a cookie (RFC 6265bis §5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    Strict,
    /// Only on top-level navigation.
    Lax,
    None,
}

impl Cookie {
    /// A session cookie for the whole host, with the path `/` and no other attribute.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            max_age: None,
            path: Some("/".to_owned()),
            domain: None,
            secure: false,
            httponly: false,
            samesite: None,
            partitioned: false,
        }
    }

    /// Sets Max-Age, in whole seconds, and Expires to match. Zero deletes the cookie.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Sets the path of the requests that include the cookie; `None` leaves it to the client.
    #[must_use]
    pub fn path(mut self, path: Option<&str>) -> Self {
        self.path = path.map(str::to_owned);
        self
    }

    /// Sets the domain, without a leading dot or a port.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Self {
        let host = domain.split(':').next().unwrap_or_default();
        self.domain = Some(host.trim_start_matches('.').to_owned()).filter(|domain| !domain.is_empty());
        self
    }

    /// Restricts the cookie to https.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// Hides the cookie from scripts.
    #[must_use]
    pub fn httponly(mut self) -> Self {
        self.httponly = true;
        self
    }

    /// Restricts the cookie on requests from other sites.
    #[must_use]
    pub fn samesite(mut self, samesite: SameSite) -> Self {
        self.samesite = Some(samesite);
        self
    }

    /// Stores the cookie separately for each top-level site, which requires `secure`.
    #[must_use]
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self.secure()
    }

    /// The value of the Set-Cookie field, with the attributes in werkzeug's order. Expires counts from `now`.
    #[must_use]
    pub fn field(&self, now: SystemTime) -> String {
        let mut field = format!("{}={}", self.name, quote(&self.value));
        let mut add = |name: &str, value: &str| {
            field.push_str("; ");
            field.push_str(name);
            if !value.is_empty() {
                field.push('=');
                field.push_str(value);
            }
        };
        if let Some(domain) = &self.domain {
            add("Domain", domain);
        }
        if let Some(max_age) = self.max_age {
            add("Expires", &httpdate::fmt_http_date(now + max_age));
            add("Max-Age", &max_age.as_secs().to_string());
        }
        if self.secure {
            add("Secure", "");
        }
        if self.httponly {
            add("HttpOnly", "");
        }
        if let Some(path) = &self.path {
            add("Path", &url::quote(path, COOKIE_PATH));
        }
        match self.samesite {
            Some(SameSite::Strict) => add("SameSite", "Strict"),
            Some(SameSite::Lax) => add("SameSite", "Lax"),
            Some(SameSite::None) => add("SameSite", "None"),
            None => {}
        }
        if self.partitioned {
            add("Partitioned", "");
        }
        field
    }
}

/// Appends the cookies of a Cookie field to `cookies`, in order. Malformed text is skipped up to the next `;`.
pub(super) fn parse(field: &str, cookies: &mut Vec<(String, String)>) {
    let mut rest = Some(field);
    while let Some(text) = rest {
        match parse_one(text) {
            Some((cookie, after)) => {
                cookies.push(cookie);
                rest = after;
            }
            None => rest = text.split_once(';').map(|(_, after)| after),
        }
    }
}

/// Parses one cookie and its `;`; returns the cookie and the text after it, `None` after the last.
fn parse_one(text: &str) -> Option<((String, String), Option<&str>)> {
    const BLANK: [char; 2] = [' ', '\t'];
    let text = text.trim_start_matches(BLANK);
    let end = text.find([' ', '\t', '=', '"', ';']).unwrap_or(text.len());
    let (name, after) = (text[..end].to_owned(), text[end..].trim_start_matches(BLANK));
    if name.is_empty() {
        return None;
    }
    let (value, after) = match after.strip_prefix('=') {
        None => (String::new(), after),
        Some(value) => {
            let value = value.trim_start_matches(BLANK);
            match quoted(value) {
                Some((inner, after)) => (unquote(inner), after),
                None => {
                    let end = value.find([' ', '\t', '"', ';']).unwrap_or(value.len());
                    (value[..end].to_owned(), &value[end..])
                }
            }
        }
    };
    let after = after.trim_start_matches(BLANK);
    match after.strip_prefix(';') {
        Some(after) => Some(((name, value), Some(after))),
        None if after.is_empty() => Some(((name, value), None)),
        None => None,
    }
}

/// A quoted value without its quotes, and the text after it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    for (index, character) in inner.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((&inner[..index], &inner[index + 1..])),
            _ => {}
        }
    }
    None
}

/// Decodes escapes: `\"`, and `\303` for a byte.
fn unquote(inner: &str) -> String {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.as_bytes();
    loop {
        let (byte, after) = match rest {
            [] => break,
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), after)
            }
            [b'\\', escaped, after @ ..] => (*escaped, after),
            [byte, after @ ..] => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value, quoted if it has bytes that RFC 6265 does not allow; these become octal escapes.
fn quote(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    if value.bytes().all(is_plain) {
        return value.to_owned();
    }
    let mut quoted = String::from('"');
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            // OK because writing to a String cannot fail
            0..=0x1f | b',' | b';' | 0x7f.. => write!(quoted, "\\{byte:03o}").unwrap_or_default(),
            _ => quoted.push(char::from(byte)),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
