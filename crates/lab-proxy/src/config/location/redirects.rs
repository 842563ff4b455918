//! How redirects that the proxy makes itself are written: `absolute_redirect`, `port_in_redirect`,
//! `server_name_in_redirect`.

use lab_nginx_conf::{ConfError, Directive};

/// The directives of one block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RedirectLevel {
    pub(super) absolute: Option<bool>,
    pub(super) port: Option<bool>,
    pub(super) server_name: Option<bool>,
}

impl RedirectLevel {
    pub(super) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        let value = Some(directive.flag()?);
        match directive.name.as_str() {
            "absolute_redirect" => self.absolute = value,
            "port_in_redirect" => self.port = value,
            _ => self.server_name = value,
        }
        Ok(())
    }

    pub(super) fn inherit(self, outer: RedirectLevel) -> RedirectLevel {
        RedirectLevel {
            absolute: self.absolute.or(outer.absolute),
            port: self.port.or(outer.port),
            server_name: self.server_name.or(outer.server_name),
        }
    }
}
