//! `resolver`, `resolver_timeout`: how names are looked up that depend on the request.

use std::time::Duration;

use crate::config::address::resolve;
use lab_nginx_conf::{ConfError, Directive, parse_time};

/// How names are looked up while a request waits. The system's resolver is used, not the listed name servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolver {
    /// `resolver_timeout`: how long a lookup may take.
    pub timeout: Duration,
    /// `valid=`: how long a result is kept.
    pub valid: Duration,
    /// `ipv6=`: whether IPv6 addresses are used.
    pub ipv6: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ResolverDirective {
    valid: Duration,
    ipv6: bool,
}

/// The system does not report how long a result is valid.
const DEFAULT_VALID: Duration = Duration::from_secs(5);
const ACCEPTED: &str = "addresses of name servers, then valid=TIME, ipv6=on|off";

impl ResolverDirective {
    pub(crate) fn read(directive: &Directive) -> Result<ResolverDirective, ConfError> {
        let mut resolver = ResolverDirective { valid: DEFAULT_VALID, ipv6: true };
        let mut has_server = false;
        for word in directive.args.iter().map(|arg| arg.value.as_str()) {
            match word.split_once('=') {
                Some(("valid", time)) => {
                    resolver.valid = parse_time(time).ok_or_else(|| directive.invalid(word, ACCEPTED))?;
                }
                Some(("ipv6", "on")) => resolver.ipv6 = true,
                Some(("ipv6", "off")) => resolver.ipv6 = false,
                Some(_) => return Err(directive.unsupported(format!("parameter \"{word}\""), ACCEPTED)),
                None => {
                    // not used, but it must be an address
                    resolve(directive, word, 53)?;
                    has_server = true;
                }
            }
        }
        if has_server { Ok(resolver) } else { Err(directive.invalid(directive.first(), ACCEPTED)) }
    }

    pub(crate) fn resolve(self, timeout: Option<Duration>) -> Resolver {
        let timeout = timeout.unwrap_or(Duration::from_secs(30));
        Resolver { timeout, valid: self.valid, ipv6: self.ipv6 }
    }
}
