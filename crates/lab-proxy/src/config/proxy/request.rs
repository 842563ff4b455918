//! `proxy_method`, `proxy_set_body`, `proxy_pass_request_headers` and `proxy_pass_request_body`: how a request to an
//! upstream differs from the client's.

use super::setting;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

#[derive(Debug)]
pub struct RequestConfig {
    /// `proxy_method`: the method in place of the client's.
    pub method: Option<Template>,
    /// `proxy_set_body`: the body in place of the client's.
    pub body: Option<Template>,
    /// `proxy_pass_request_headers`: whether the client's fields are passed on.
    pub passes_fields: bool,
    /// `proxy_pass_request_body`: whether the client's body is passed on.
    pub passes_body: bool,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestLevel {
    method: Option<Template>,
    body: Option<Template>,
    passes_fields: Option<bool>,
    passes_body: Option<bool>,
}

impl RequestLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        match setting(directive) {
            "method" => self.method = Some(reader.template(directive, directive.first())?),
            "set_body" => self.body = Some(reader.template(directive, directive.first())?),
            "pass_request_headers" => self.passes_fields = Some(directive.flag()?),
            "pass_request_body" => self.passes_body = Some(directive.flag()?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &RequestLevel) -> RequestLevel {
        RequestLevel {
            method: self.method.or_else(|| outer.method.clone()),
            body: self.body.or_else(|| outer.body.clone()),
            passes_fields: self.passes_fields.or(outer.passes_fields),
            passes_body: self.passes_body.or(outer.passes_body),
        }
    }

    pub(crate) fn resolve(&self) -> RequestConfig {
        RequestConfig {
            method: self.method.clone().filter(|method| method.constant() != Some(b"")),
            body: self.body.clone(),
            passes_fields: self.passes_fields.unwrap_or(true),
            passes_body: self.passes_body.unwrap_or(true),
        }
    }
}
