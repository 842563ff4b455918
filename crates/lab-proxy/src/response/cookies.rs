//! Rewrites `Set-Cookie` by `proxy_cookie_domain` and `proxy_cookie_path`.

use crate::config::proxy::cookies::{AttributeMatch, CookieRule, CookieRules};
use crate::eval::Scope;
use crate::variables::pattern::Pattern;

impl CookieRules {
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
                    // a variable may contain bytes that a client escaped
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
