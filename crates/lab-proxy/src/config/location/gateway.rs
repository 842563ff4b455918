//! What `proxy_*` and `uwsgi_*` directives have in common, as blocks inherit it.

use crate::config::proxy::buffering::BufferingLevel;
use crate::config::proxy::pass::ProxyLevel;
use crate::config::proxy::retry::RetryLevel;
use crate::config::reader::ConfigReader;
use lab_nginx_conf::{ConfError, Directive};

/// What `proxy_*` and `uwsgi_*` directives have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct GatewayLevel {
    pub(super) intercept_errors: Option<bool>,
    pub(super) ignore_client_abort: Option<bool>,
    pub(super) retry: RetryLevel,
    pub(super) buffering: BufferingLevel,
    pub(crate) pass: ProxyLevel,
}

impl GatewayLevel {
    pub(super) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        match &directive.name["proxy_".len()..] {
            "intercept_errors" => self.intercept_errors = Some(directive.flag()?),
            "ignore_client_abort" => self.ignore_client_abort = Some(directive.flag()?),
            _ => {
                self.retry.read(directive)?;
                self.buffering.read(directive, reader)?;
                self.pass.read(directive, reader)?;
            }
        }
        Ok(())
    }

    pub(super) fn inherit(self, outer: &GatewayLevel) -> GatewayLevel {
        GatewayLevel {
            intercept_errors: self.intercept_errors.or(outer.intercept_errors),
            ignore_client_abort: self.ignore_client_abort.or(outer.ignore_client_abort),
            retry: self.retry.inherit(&outer.retry),
            buffering: self.buffering.inherit(&outer.buffering),
            pass: self.pass.inherit(&outer.pass),
        }
    }
}
