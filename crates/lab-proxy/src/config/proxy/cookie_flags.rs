//! `proxy_cookie_flags`: attributes that are added to an upstream's cookies, or removed from them.

use super::attribute_match::AttributeMatch;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// The flags of the cookies with one name.
#[derive(Debug, Clone)]
pub struct CookieFlagRule {
    pub(crate) cookie: AttributeMatch,
    /// `secure`, `nosamesite` and the like, perhaps with variables.
    pub(crate) flags: Vec<Template>,
}

/// One flag of a rule. Each applies to one attribute of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookieFlag {
    Secure,
    NoSecure,
    HttpOnly,
    NoHttpOnly,
    /// `samesite=`, with its value.
    SameSite(&'static str),
    NoSameSite,
}

impl CookieFlag {
    pub(crate) fn from_name(name: &[u8]) -> Option<CookieFlag> {
        Some(match name {
            b"secure" => CookieFlag::Secure,
            b"nosecure" => CookieFlag::NoSecure,
            b"httponly" => CookieFlag::HttpOnly,
            b"nohttponly" => CookieFlag::NoHttpOnly,
            b"samesite=strict" => CookieFlag::SameSite("Strict"),
            b"samesite=lax" => CookieFlag::SameSite("Lax"),
            b"samesite=none" => CookieFlag::SameSite("None"),
            b"nosamesite" => CookieFlag::NoSameSite,
            _ => return None,
        })
    }
}

impl CookieFlagRule {
    /// Reads one directive. None for `off`.
    pub(crate) fn read(
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
    ) -> Result<Option<CookieFlagRule>, ConfError> {
        const FLAGS: &str = "secure, httponly, samesite=strict, samesite=lax, samesite=none, nosecure, nohttponly, \
                             nosamesite";
        let name = directive.first();
        if directive.args.len() == 1 && name == "off" {
            return Ok(None);
        }
        let cookie = match name.strip_prefix('~') {
            // as in nginx, the case of a cookie's name never matters
            Some(pattern) => AttributeMatch::Pattern(reader.pattern(directive, pattern, true)?),
            None => AttributeMatch::Text(reader.template(directive, name)?),
        };
        if directive.args.len() == 1 {
            return Err(directive.invalid(name, "off, or a cookie and flags for it"));
        }
        let mut flags = Vec::new();
        for flag in directive.args.iter().skip(1).map(|arg| arg.value.as_str()) {
            if !flag.contains('$') && CookieFlag::from_name(flag.as_bytes()).is_none() {
                return Err(directive.invalid(flag, FLAGS));
            }
            flags.push(reader.template(directive, flag)?);
        }
        Ok(Some(CookieFlagRule { cookie, flags }))
    }
}
