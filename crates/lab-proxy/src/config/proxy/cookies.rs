//! `proxy_cookie_domain`, `proxy_cookie_path` and `proxy_cookie_flags`: how attributes of an upstream's `Set-Cookie` are
//! rewritten.

use super::attribute_match::AttributeMatch;
use super::cookie_flags::CookieFlagRule;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// One replacement of a cookie's attribute.
#[derive(Debug, Clone)]
pub struct CookieRule {
    pub(crate) from: AttributeMatch,
    pub(crate) to: Template,
}

/// The rules of a location.
#[derive(Debug, Clone, Default)]
pub struct CookieRules {
    /// `proxy_cookie_domain`
    pub domains: Vec<CookieRule>,
    /// `proxy_cookie_path`
    pub paths: Vec<CookieRule>,
    /// `proxy_cookie_flags`
    pub flags: Vec<CookieFlagRule>,
}

impl CookieRule {
    /// Reads one directive. None for `off`.
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Option<CookieRule>, ConfError> {
        const ACCEPTED: &str = "off, or a text and what replaces it";
        let (first, is_domain) = (directive.first(), directive.name.ends_with("cookie_domain"));
        let Some(to) = directive.arg(1) else {
            return if first == "off" { Ok(None) } else { Err(directive.invalid(first, ACCEPTED)) };
        };
        let from = match first.strip_prefix('~') {
            Some(pattern) => {
                let without_case = pattern.strip_prefix('*').filter(|_| !is_domain);
                let pattern = without_case.unwrap_or(pattern);
                // as in nginx, the case of a domain never matters
                AttributeMatch::Pattern(reader.pattern(directive, pattern, is_domain || without_case.is_some())?)
            }
            None => AttributeMatch::Text(reader.template(directive, without_dot(first, is_domain))?),
        };
        let to = without_dot(to, is_domain);
        Ok(Some(CookieRule { from, to: reader.template(directive, to)? }))
    }
}

/// As in nginx, a dot at the start of a domain does not count.
fn without_dot(text: &str, is_domain: bool) -> &str {
    text.strip_prefix('.').filter(|_| is_domain).unwrap_or(text)
}

impl CookieRules {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.paths.is_empty() && self.flags.is_empty()
    }
}
