//! `proxy_cookie_domain` and `proxy_cookie_path`: how attributes of an upstream's `Set-Cookie` are rewritten.

use crate::config::reader::ConfigReader;
use crate::eval::pattern::Pattern;
use crate::eval::{Scope, Template};
use lab_nginx_conf::{ConfError, Directive};

/// One replacement of a cookie's attribute.
#[derive(Debug, Clone)]
pub struct CookieRule {
    from: From,
    to: Template,
}

#[derive(Debug, Clone)]
enum From {
    Text(Template),
    Pattern(Pattern),
}

/// The rules of a location.
#[derive(Debug, Clone, Default)]
pub struct CookieRules {
    /// `proxy_cookie_domain`
    pub domains: Vec<CookieRule>,
    /// `proxy_cookie_path`
    pub paths: Vec<CookieRule>,
}

/// One directive; none for `off`.
pub(crate) type Written = Option<CookieRule>;

impl CookieRule {
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Written, ConfError> {
        const ACCEPTED: &str = "off, or a text and what replaces it";
        let (first, is_domain) = (directive.first(), directive.name == "proxy_cookie_domain");
        let Some(to) = directive.arg(1) else {
            return if first == "off" { Ok(None) } else { Err(directive.invalid(first, ACCEPTED)) };
        };
        let from = match first.strip_prefix('~') {
            Some(pattern) => {
                let without_case = pattern.strip_prefix('*').filter(|_| !is_domain);
                let pattern = without_case.unwrap_or(pattern);
                // as in nginx, the case of a domain never matters
                From::Pattern(reader.pattern(directive, pattern, is_domain || without_case.is_some())?)
            }
            None => From::Text(reader.template(directive, first)?),
        };
        Ok(Some(CookieRule { from, to: reader.template(directive, to)? }))
    }

    /// The new domain, if the rule matches: all of the old one is replaced but a leading dot.
    fn domain(&self, scope: &Scope<'_>, domain: &[u8]) -> Option<Vec<u8>> {
        let dot = if domain.starts_with(b".") { 1 } else { 0 };
        match &self.from {
            From::Text(text) if !text.value(scope).eq_ignore_ascii_case(&domain[dot..]) => None,
            From::Text(_) => Some([&domain[..dot], &self.to.value(scope)].concat()),
            From::Pattern(pattern) => self.matched(pattern, scope, domain),
        }
    }

    /// The new path, if the rule matches the start of the old one.
    fn path(&self, scope: &Scope<'_>, path: &[u8]) -> Option<Vec<u8>> {
        match &self.from {
            From::Text(text) => {
                let rest = path.strip_prefix(&*text.value(scope))?;
                Some([&self.to.value(scope), rest].concat())
            }
            From::Pattern(pattern) => self.matched(pattern, scope, path),
        }
    }

    fn matched(&self, pattern: &Pattern, scope: &Scope<'_>, text: &[u8]) -> Option<Vec<u8>> {
        pattern.matches(text, &scope.route.values).then(|| self.to.value(scope))
    }
}

impl CookieRules {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.paths.is_empty()
    }

    /// Rewrites one `Set-Cookie` by the first rule that matches each attribute. Without a match, the value stays byte
    /// for byte the same.
    #[must_use]
    pub fn rewrite(&self, scope: &Scope<'_>, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(value.len());
        let mut is_changed = false;
        for (index, attribute) in value.split(|&byte| byte == b';').map(<[u8]>::trim_ascii).enumerate() {
            if index > 0 {
                out.extend_from_slice(b"; ");
            }
            let name_end = memchr::memchr(b'=', attribute).filter(|_| index > 0);
            let replaced = name_end.and_then(|end| self.replaced(scope, &attribute[..end], &attribute[end + 1..]));
            match (name_end, replaced) {
                (Some(end), Some(replaced)) => {
                    is_changed = true;
                    out.extend_from_slice(&attribute[..=end]);
                    // a variable may contain whatever a client escaped
                    out.extend(replaced.into_iter().filter(|byte| *byte >= 0x20 && *byte != 0x7f && *byte != b';'));
                }
                _ => out.extend_from_slice(attribute),
            }
        }
        if is_changed { out } else { value.to_vec() }
    }

    fn replaced(&self, scope: &Scope<'_>, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let (name, value) = (name.trim_ascii(), value.trim_ascii());
        if name.eq_ignore_ascii_case(b"domain") {
            self.domains.iter().find_map(|rule| rule.domain(scope, value))
        } else if name.eq_ignore_ascii_case(b"path") {
            self.paths.iter().find_map(|rule| rule.path(scope, value))
        } else {
            None
        }
    }
}
