//! `userid` and its family: a cookie that recognises a browser.

use crate::config::reader::ConfigReader;
use lab_nginx_conf::{ConfError, Directive, parse_number, parse_time};

/// The userid module of a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserIdConfig {
    /// `userid`
    pub mode: UserIdMode,
    /// `userid_name`
    pub name: String,
    /// What follows the value in `Set-Cookie`, without the expiry: `userid_domain`, `userid_path`, `userid_flags`.
    pub attributes: String,
    /// `userid_expires`
    pub expires: CookieExpiry,
    /// `userid_p3p`
    pub p3p: Option<String>,
    /// `userid_mark`: a cookie without this letter is sent again.
    pub mark: Option<u8>,
    /// `userid_service`: the number of the server, in place of its address.
    pub service: Option<u32>,
    /// The slot of `$uid_reset`, if the configuration sets it. With a value, the cookie is replaced.
    pub reset: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserIdMode {
    /// `log`: the cookie is read, and not set.
    Log,
    /// `v1`: the identifier's numbers are in the machine's byte order.
    V1,
    /// `on`
    V2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieExpiry {
    /// `off`: with the browser's session.
    Session,
    /// `max`: never.
    Never,
    /// After this many seconds.
    After(u64),
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserIdLevel {
    /// None for `off`.
    mode: Option<Option<UserIdMode>>,
    name: Option<String>,
    domain: Option<Option<String>>,
    path: Option<String>,
    flags: Option<Vec<String>>,
    expires: Option<CookieExpiry>,
    p3p: Option<Option<String>>,
    mark: Option<Option<u8>>,
    service: Option<u32>,
    reset: Option<usize>,
}

impl UserIdLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &ConfigReader<'_>) -> Result<(), ConfError> {
        let value = directive.first();
        if value.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            let accepted = "a value without control characters";
            return Err(directive.invalid(&value.escape_debug().to_string(), accepted));
        }
        let or_none = || Some(value.to_owned()).filter(|value| value != "none");
        match directive.name.as_str() {
            "userid" => {
                self.reset = reader.variables.slot("uid_reset");
                self.mode = Some(match value {
                    "off" => None,
                    "log" => Some(UserIdMode::Log),
                    "v1" => Some(UserIdMode::V1),
                    "on" => Some(UserIdMode::V2),
                    other => return Err(directive.invalid(other, "on, v1, log, off")),
                });
            }
            "userid_name" => self.name = Some(value.to_owned()),
            "userid_domain" => self.domain = Some(or_none()),
            "userid_path" => self.path = Some(value.to_owned()),
            "userid_p3p" => self.p3p = Some(or_none()),
            "userid_expires" => {
                let time = || parse_time(value).map(|time| CookieExpiry::After(time.as_secs()));
                self.expires = Some(match value {
                    "off" => CookieExpiry::Session,
                    "max" => CookieExpiry::Never,
                    _ => time().ok_or_else(|| directive.invalid(value, "a time such as 365d, max, off"))?,
                });
            }
            "userid_mark" => {
                self.mark = Some(match value.as_bytes() {
                    b"off" => None,
                    [mark] if mark.is_ascii_alphanumeric() || *mark == b'=' => Some(*mark),
                    _ => return Err(directive.invalid(value, "off, or a single letter, digit or =")),
                });
            }
            "userid_service" => {
                let number = parse_number(value).filter(|_| !value.is_empty());
                self.service = Some(number.ok_or_else(|| directive.invalid(value, "a number"))?);
            }
            _ => self.flags = Some(flags(directive)?),
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &UserIdLevel) -> UserIdLevel {
        UserIdLevel {
            mode: self.mode.or(outer.mode),
            name: self.name.or_else(|| outer.name.clone()),
            domain: self.domain.or_else(|| outer.domain.clone()),
            path: self.path.or_else(|| outer.path.clone()),
            flags: self.flags.or_else(|| outer.flags.clone()),
            expires: self.expires.or(outer.expires),
            p3p: self.p3p.or_else(|| outer.p3p.clone()),
            mark: self.mark.or(outer.mark),
            service: self.service.or(outer.service),
            reset: self.reset.or(outer.reset),
        }
    }

    /// None if the module is off.
    pub(crate) fn resolve(&self) -> Option<Box<UserIdConfig>> {
        let mode = self.mode.flatten()?;
        let domain = self.domain.clone().flatten().map(|domain| format!("; domain={domain}")).unwrap_or_default();
        let path = self.path.as_deref().unwrap_or("/");
        let flags: String = self.flags.iter().flatten().map(|flag| format!("; {flag}")).collect();
        Some(Box::new(UserIdConfig {
            mode,
            name: self.name.clone().unwrap_or_else(|| "uid".to_owned()),
            attributes: format!("{domain}; path={path}{flags}"),
            expires: self.expires.unwrap_or(CookieExpiry::Session),
            p3p: self.p3p.clone().flatten(),
            mark: self.mark.flatten(),
            service: self.service,
            reset: self.reset,
        }))
    }
}

/// Reads `userid_flags`, in nginx's order.
fn flags(directive: &Directive) -> Result<Vec<String>, ConfError> {
    const FLAGS: [&str; 5] = ["secure", "httponly", "samesite=strict", "samesite=lax", "samesite=none"];
    let given: Vec<&str> = directive.args.iter().map(|arg| arg.value.as_str()).collect();
    if given == ["off"] {
        return Ok(Vec::new());
    }
    if let Some(unknown) = given.iter().find(|flag| !FLAGS.contains(flag)) {
        return Err(
            directive.invalid(unknown, "off, or secure, httponly, samesite=strict, samesite=lax, samesite=none")
        );
    }
    Ok(FLAGS.iter().filter(|flag| given.contains(flag)).map(|flag| (*flag).to_owned()).collect())
}
