//! `keepalive_disable`.

use lab_nginx_conf::{ConfError, Directive};

/// `keepalive_disable`: browsers whose connections are closed after a POST, or after every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisabledKeepAlive {
    /// `msie6`: old Internet Explorers, after a POST.
    pub msie6: bool,
    /// `safari`: Safari on macOS.
    pub safari: bool,
}

impl Default for DisabledKeepAlive {
    fn default() -> DisabledKeepAlive {
        DisabledKeepAlive { msie6: true, safari: false }
    }
}

impl DisabledKeepAlive {
    pub(super) fn read(directive: &Directive) -> Result<DisabledKeepAlive, ConfError> {
        let mut disabled = DisabledKeepAlive { msie6: false, safari: false };
        for word in directive.args.iter().map(|arg| arg.value.as_str()) {
            match word {
                "none" => {}
                "msie6" => disabled.msie6 = true,
                "safari" => disabled.safari = true,
                other => return Err(directive.invalid(other, "none, msie6, safari")),
            }
        }
        Ok(disabled)
    }

    /// Whether the connection of a request with this method and User-Agent is closed.
    #[must_use]
    pub fn applies(self, method: &[u8], agent: &[u8]) -> bool {
        let has = |text: &[u8]| memchr::memmem::find(agent, text).is_some();
        let is_msie6 = || {
            let version = memchr::memmem::find(agent, b"MSIE ").and_then(|at| agent.get(at + 5..at + 7));
            version.is_some_and(|version| matches!(version, [b'4' | b'5' | b'6', b'.'])) && !has(b"Opera")
        };
        let is_safari = || has(b"Mac OS X") && has(b"Safari/") && !has(b"Chrome/");
        (self.msie6 && method == b"POST" && is_msie6()) || (self.safari && is_safari())
    }
}
