//! `uwsgi_pass` and what only it has.

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive, parse_number};

/// How requests are written for a uWSGI server.
#[derive(Debug, Clone, Default)]
pub struct UwsgiConfig {
    /// `uwsgi_param`
    pub params: Vec<UwsgiParam>,
    /// `uwsgi_modifier1`, `uwsgi_modifier2`
    pub modifiers: (u8, u8),
}

/// One `uwsgi_param`.
#[derive(Debug, Clone)]
pub struct UwsgiParam {
    pub name: String,
    pub value: Template,
    /// Whether it is left out if its value is empty.
    pub if_not_empty: bool,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct UwsgiLevel {
    params: Option<Vec<UwsgiParam>>,
    modifier1: Option<u8>,
    modifier2: Option<u8>,
}

impl UwsgiLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        let modifier = || {
            let number = parse_number(directive.first()).filter(|_| !directive.first().is_empty());
            number.ok_or_else(|| directive.invalid(directive.first(), "a number from 0 to 255"))
        };
        match directive.name.as_str() {
            "uwsgi_param" => {
                let if_not_empty = match directive.arg(2) {
                    None => false,
                    Some("if_not_empty") => true,
                    Some(other) => return Err(directive.invalid(other, "if_not_empty")),
                };
                let value = reader.template(directive, directive.arg(1).unwrap_or_default())?;
                let name = directive.first().to_owned();
                self.params.get_or_insert_default().push(UwsgiParam { name, value, if_not_empty });
            }
            "uwsgi_modifier1" => self.modifier1 = Some(modifier()?),
            "uwsgi_modifier2" => self.modifier2 = Some(modifier()?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &UwsgiLevel) -> UwsgiLevel {
        UwsgiLevel {
            params: self.params.or_else(|| outer.params.clone()),
            modifier1: self.modifier1.or(outer.modifier1),
            modifier2: self.modifier2.or(outer.modifier2),
        }
    }

    pub(crate) fn resolve(&self) -> UwsgiConfig {
        UwsgiConfig {
            params: self.params.clone().unwrap_or_default(),
            modifiers: (self.modifier1.unwrap_or(0), self.modifier2.unwrap_or(0)),
        }
    }
}
