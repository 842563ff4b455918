//! Rewrites `Set-Cookie` by `proxy_cookie_domain`, `proxy_cookie_path` and `proxy_cookie_flags`.

use crate::config::proxy::attribute_match::AttributeMatch;
use crate::config::proxy::cookie_flags::{CookieFlag, CookieFlagRule};
use crate::config::proxy::cookies::{CookieRule, CookieRules};
use crate::eval::Scope;
use crate::variables::pattern::Pattern;

/// A part of a `Set-Cookie`: the cookie itself, or one of its attributes.
struct Attribute {
    name: Vec<u8>,
    value: Option<Vec<u8>>,
}

impl CookieRules {
    /// Rewrites one `Set-Cookie` by the first rule that matches the cookie and each attribute. Without a match, the value
    /// stays byte for byte the same.
    #[must_use]
    pub fn rewrite(&self, scope: &Scope<'_>, value: &[u8]) -> Vec<u8> {
        let mut attributes: Vec<Attribute> = value.split(|&byte| byte == b';').map(Attribute::parse).collect();
        // as in nginx: a name without a value is no cookie
        if attributes[0].value.is_none() {
            return value.to_vec();
        }
        let mut is_changed = false;
        for attribute in &mut attributes[1..] {
            let replaced = attribute.value.as_ref().and_then(|value| self.replaced(scope, &attribute.name, value));
            if let Some(mut replaced) = replaced {
                // a variable may contain bytes that a client escaped
                replaced.retain(|byte| *byte >= 0x20 && *byte != 0x7f && *byte != b';');
                attribute.value = Some(replaced);
                is_changed = true;
            }
        }
        if let Some(flags) = self.flags(scope, &attributes[0].name) {
            apply_flags(flags, &mut attributes);
            is_changed = true;
        }
        if !is_changed {
            return value.to_vec();
        }
        let mut out = Vec::with_capacity(value.len());
        for (index, attribute) in attributes.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b"; ");
            }
            attribute.write(&mut out);
        }
        out
    }

    fn replaced(&self, scope: &Scope<'_>, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        if name.eq_ignore_ascii_case(b"domain") {
            self.domains.iter().find_map(|rule| rule.domain(scope, value))
        } else if name.eq_ignore_ascii_case(b"path") {
            self.paths.iter().find_map(|rule| rule.path(scope, value))
        } else {
            None
        }
    }

    /// The flags for a cookie, unless there are none.
    fn flags(&self, scope: &Scope<'_>, cookie: &[u8]) -> Option<Vec<CookieFlag>> {
        let rule = self.flags.iter().find(|rule| rule.matches(scope, cookie))?;
        let flags = rule.flags.iter().filter_map(|flag| CookieFlag::from_name(&flag.value(scope)));
        Some(flags.collect()).filter(|flags: &Vec<CookieFlag>| !flags.is_empty())
    }
}

impl Attribute {
    fn parse(text: &[u8]) -> Attribute {
        match memchr::memchr(b'=', text) {
            Some(end) => Attribute {
                name: text[..end].trim_ascii().to_vec(),
                value: Some(text[end + 1..].trim_ascii().to_vec()),
            },
            None => Attribute { name: text.trim_ascii().to_vec(), value: None },
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.name);
        if let Some(value) = &self.value {
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
}

/// Changes the attributes that a cookie has, and adds those that it lacks.
fn apply_flags(mut flags: Vec<CookieFlag>, attributes: &mut Vec<Attribute>) {
    use CookieFlag::{HttpOnly, NoHttpOnly, NoSameSite, NoSecure, SameSite, Secure};
    let mut index = 1;
    while index < attributes.len() {
        let name = attributes[index].name.to_ascii_lowercase();
        let is_removed = match &*name {
            b"secure" => !take(&mut flags, Secure) && flags.contains(&NoSecure),
            b"httponly" => !take(&mut flags, HttpOnly) && flags.contains(&NoHttpOnly),
            b"samesite" => match take_same_site(&mut flags) {
                Some(value) => {
                    attributes[index].name = b"SameSite".to_vec();
                    attributes[index].value = Some(value.as_bytes().to_vec());
                    false
                }
                None => flags.contains(&NoSameSite),
            },
            _ => false,
        };
        if is_removed {
            attributes.remove(index);
        } else {
            index += 1;
        }
    }
    let mut add = |name: &str, value: Option<&str>| {
        let value = value.map(|value| value.as_bytes().to_vec());
        attributes.push(Attribute { name: name.as_bytes().to_vec(), value });
    };
    if flags.contains(&Secure) {
        add("Secure", None);
    }
    if flags.contains(&HttpOnly) {
        add("HttpOnly", None);
    }
    if let Some(value) = take_same_site(&mut flags) {
        add("SameSite", Some(value));
    }

    fn take(flags: &mut Vec<CookieFlag>, flag: CookieFlag) -> bool {
        let count = flags.len();
        flags.retain(|own| *own != flag);
        flags.len() < count
    }

    /// The strictest value that no attribute has got yet.
    fn take_same_site(flags: &mut Vec<CookieFlag>) -> Option<&'static str> {
        ["Strict", "Lax", "None"].into_iter().find(|value| take(flags, SameSite(value)))
    }
}

impl CookieFlagRule {
    fn matches(&self, scope: &Scope<'_>, cookie: &[u8]) -> bool {
        match &self.cookie {
            AttributeMatch::Text(text) => text.value(scope).eq_ignore_ascii_case(cookie),
            AttributeMatch::Pattern(pattern) => pattern.matches(cookie, &scope.route.values),
        }
    }
}

impl CookieRule {
    /// The new domain, if the rule matches: all of the old one is replaced but a leading dot.
    fn domain(&self, scope: &Scope<'_>, domain: &[u8]) -> Option<Vec<u8>> {
        let dot = if domain.starts_with(b".") { 1 } else { 0 };
        match &self.from {
            AttributeMatch::Text(text) if !text.value(scope).eq_ignore_ascii_case(&domain[dot..]) => None,
            AttributeMatch::Text(_) => Some([&domain[..dot], &self.to.value(scope)].concat()),
            AttributeMatch::Pattern(pattern) => self.matched(pattern, scope, domain),
        }
    }

    /// The new path, if the rule matches the start of the old one.
    fn path(&self, scope: &Scope<'_>, path: &[u8]) -> Option<Vec<u8>> {
        match &self.from {
            AttributeMatch::Text(text) => {
                let rest = path.strip_prefix(&*text.value(scope))?;
                Some([&self.to.value(scope), rest].concat())
            }
            AttributeMatch::Pattern(pattern) => self.matched(pattern, scope, path),
        }
    }

    fn matched(&self, pattern: &Pattern, scope: &Scope<'_>, text: &[u8]) -> Option<Vec<u8>> {
        pattern.matches(text, &scope.route.values).then(|| self.to.value(scope))
    }
}
