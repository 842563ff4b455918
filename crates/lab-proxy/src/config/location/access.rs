//! `allow` and `deny`, `auth_basic`, `auth_request`, `satisfy`: who may have the responses of a location.

use std::time::Duration;

use super::root::prefix_bytes;
use crate::config::network::Network;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// The access modules of a location.
#[derive(Debug, Clone)]
pub struct AccessConfig {
    /// `allow` and `deny`; the first that applies decides.
    pub rules: Vec<AccessRule>,
    /// `satisfy any`: whether one of the modules is enough.
    pub any: bool,
    pub basic: Option<BasicAuth>,
    pub request: Option<AuthRequest>,
    /// `auth_delay`: how long a response with 401 waits, against guessing.
    pub delay: Duration,
}

/// One `allow` or `deny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessRule {
    /// None for `all`.
    pub network: Option<Network>,
    pub allows: bool,
}

/// `auth_basic` and `auth_basic_user_file`
#[derive(Debug, Clone)]
pub struct BasicAuth {
    /// A value of `off` switches it off.
    pub realm: Template,
    pub file: Template,
    /// The folder that a relative file starts from.
    pub prefix: Vec<u8>,
}

/// `auth_request` and `auth_request_set`
#[derive(Debug, Clone)]
pub struct AuthRequest {
    /// The path of the subrequest.
    pub uri: String,
    /// Variables, by their slots, that get values from the subrequest.
    pub set: Vec<(usize, Template)>,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccessLevel {
    rules: Option<Vec<AccessRule>>,
    any: Option<bool>,
    realm: Option<Option<Template>>,
    file: Option<(Template, Vec<u8>)>,
    request: Option<Option<String>>,
    set: Option<Vec<(usize, Template)>>,
    delay: Option<Duration>,
}

impl AccessLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "allow" | "deny" => self.rules.get_or_insert_default().push(AccessRule::read(directive)?),
            "satisfy" => {
                self.any = Some(match directive.first() {
                    "all" => false,
                    "any" => true,
                    other => return Err(directive.invalid(other, "all, any")),
                });
            }
            "auth_basic" if directive.first() == "off" => self.realm = Some(None),
            "auth_basic" => self.realm = Some(Some(reader.template(directive, directive.first())?)),
            "auth_basic_user_file" => {
                self.file = Some((reader.template(directive, directive.first())?, prefix_bytes(reader)));
            }
            "auth_delay" => self.delay = Some(directive.time()?),
            "auth_request" if directive.first() == "off" => self.request = Some(None),
            "auth_request" => self.request = Some(Some(directive.first().to_owned())),
            "auth_request_set" => {
                let name = directive.first().trim_start_matches('$');
                // OK because the variables were collected from the same directives
                let slot = reader.variables.slot(name).expect("the variable is defined");
                let value = reader.template(directive, directive.arg(1).unwrap_or_default())?;
                self.set.get_or_insert_default().push((slot, value));
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &AccessLevel) -> AccessLevel {
        AccessLevel {
            rules: self.rules.or_else(|| outer.rules.clone()),
            any: self.any.or(outer.any),
            realm: self.realm.or_else(|| outer.realm.clone()),
            file: self.file.or_else(|| outer.file.clone()),
            request: self.request.or_else(|| outer.request.clone()),
            set: self.set.or_else(|| outer.set.clone()),
            delay: self.delay.or(outer.delay),
        }
    }

    /// None if everybody has access.
    pub(crate) fn resolve(&self) -> Option<Box<AccessConfig>> {
        // as in nginx: without a file nothing is checked
        let basic = self.realm.clone().flatten().zip(self.file.clone());
        let access = AccessConfig {
            rules: self.rules.clone().unwrap_or_default(),
            any: self.any.unwrap_or(false),
            basic: basic.map(|(realm, (file, prefix))| BasicAuth { realm, file, prefix }),
            request: self.request.clone().flatten().map(|uri| {
                let set = self.set.clone().unwrap_or_default();
                AuthRequest { uri, set }
            }),
            delay: self.delay.unwrap_or_default(),
        };
        let is_open = access.rules.is_empty() && access.basic.is_none() && access.request.is_none();
        (!is_open).then(|| Box::new(access))
    }
}

impl AccessRule {
    fn read(directive: &Directive) -> Result<AccessRule, ConfError> {
        const ACCEPTED: &str = "an address, a range such as 10.0.0.0/8 or fd00::/8, unix: or all";
        let text = directive.first();
        let network = match text {
            "all" => None,
            _ => Some(Network::parse(text).ok_or_else(|| directive.invalid(text, ACCEPTED))?),
        };
        Ok(AccessRule { network, allows: directive.name == "allow" })
    }
}
