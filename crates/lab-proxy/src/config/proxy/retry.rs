//! `proxy_next_upstream`: which failures of a server send the request to another one.

use std::time::Duration;

use super::setting;
use lab_nginx_conf::{ConfError, Directive};

/// When a request is sent to another server of its upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// `error`: the server cannot be reached, or closes the connection before its head is complete.
    pub on_error: bool,
    /// `timeout`: it takes too long to connect or to respond.
    pub on_timeout: bool,
    /// `invalid_header`: its head is empty or invalid.
    pub on_invalid_header: bool,
    /// `http_500`, `http_502`, …: a bit for each index into [`STATUSES`].
    statuses: u8,
    /// `non_idempotent`: also requests that are unsafe to repeat (RFC 9110 §9.2.2).
    pub non_idempotent: bool,
    /// `proxy_next_upstream_tries`: how many servers are tried, the first included; 0 for no limit.
    pub tries: usize,
    /// `proxy_next_upstream_timeout`: how long other servers are tried; zero for no limit.
    pub timeout: Duration,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetryLevel {
    flags: Option<RetryPolicy>,
    tries: Option<usize>,
    timeout: Option<Duration>,
}

/// The statuses that may count as failures.
const STATUSES: [u16; 7] = [500, 502, 503, 504, 403, 404, 429];

impl RetryPolicy {
    /// No failure counts.
    pub(crate) const NEVER: RetryPolicy = RetryPolicy {
        on_error: false,
        on_timeout: false,
        on_invalid_header: false,
        statuses: 0,
        non_idempotent: false,
        tries: 0,
        timeout: Duration::ZERO,
    };

    /// The failures of both; none if one of them is `off`.
    fn union(self, other: RetryPolicy) -> RetryPolicy {
        if [self, other].contains(&RetryPolicy::NEVER) {
            return RetryPolicy::NEVER;
        }
        RetryPolicy {
            on_error: self.on_error || other.on_error,
            on_timeout: self.on_timeout || other.on_timeout,
            on_invalid_header: self.on_invalid_header || other.on_invalid_header,
            statuses: self.statuses | other.statuses,
            non_idempotent: self.non_idempotent || other.non_idempotent,
            ..self
        }
    }

    /// Whether a response with this status sends the request to another server.
    #[must_use]
    pub fn on_status(&self, status: u16) -> bool {
        self.statuses != 0 && bit(status).is_some_and(|bit| self.statuses & bit != 0)
    }
}

impl Default for RetryPolicy {
    /// nginx's default: `error timeout`.
    fn default() -> RetryPolicy {
        RetryPolicy { on_error: true, on_timeout: true, ..RetryPolicy::NEVER }
    }
}

fn bit(status: u16) -> Option<u8> {
    STATUSES.iter().position(|own| *own == status).map(|place| 1 << place)
}

impl RetryLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match setting(directive) {
            // as in nginx: several directives add up
            "next_upstream" => {
                let own = read_flags(directive)?;
                self.flags = Some(self.flags.map_or(own, |before| before.union(own)));
            }
            "next_upstream_tries" => self.tries = Some(directive.number()?),
            "next_upstream_timeout" => self.timeout = Some(directive.time()?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &RetryLevel) -> RetryLevel {
        RetryLevel {
            flags: self.flags.or(outer.flags),
            tries: self.tries.or(outer.tries),
            timeout: self.timeout.or(outer.timeout),
        }
    }

    pub(crate) fn resolve(&self) -> RetryPolicy {
        RetryPolicy {
            tries: self.tries.unwrap_or(0),
            timeout: self.timeout.unwrap_or(Duration::ZERO),
            ..self.flags.unwrap_or_default()
        }
    }
}

fn read_flags(directive: &Directive) -> Result<RetryPolicy, ConfError> {
    const ACCEPTED: &str = "error, timeout, invalid_header, http_500, http_502, http_503, http_504, http_403, http_404, \
                            http_429, non_idempotent, off";
    let words = || directive.args.iter().map(|arg| arg.value.as_str());
    let mut retry = read_failures(directive, words().filter(|word| *word != "non_idempotent"), ACCEPTED)?;
    retry.non_idempotent = words().any(|word| word == "non_idempotent") && !words().any(|word| word == "off");
    Ok(retry)
}

/// Reads the names of failures.
pub(super) fn read_failures<'w>(
    directive: &Directive,
    words: impl Iterator<Item = &'w str>,
    accepted: &'static str,
) -> Result<RetryPolicy, ConfError> {
    let mut policy = RetryPolicy::NEVER;
    let mut is_off = false;
    for word in words {
        match word {
            "error" => policy.on_error = true,
            "timeout" => policy.on_timeout = true,
            "invalid_header" => policy.on_invalid_header = true,
            "off" => is_off = true,
            _ => {
                let status = word.strip_prefix("http_").and_then(|status| status.parse().ok());
                policy.statuses |= status.and_then(bit).ok_or_else(|| directive.invalid(word, accepted))?;
            }
        }
    }
    Ok(if is_off { RetryPolicy::NEVER } else { policy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_statuses_count() {
        let retry = RetryPolicy { statuses: bit(502).unwrap() | bit(404).unwrap(), ..RetryPolicy::default() };
        let counted: Vec<u16> = (100..600).filter(|status| retry.on_status(*status)).collect();
        assert_eq!(counted, [404, 502]);
        assert!(!RetryPolicy::default().on_status(502));
    }
}
