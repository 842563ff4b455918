//! `secure_link` and its family: links that only the application can make.

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// How `$secure_link` checks a request.
#[derive(Debug, Clone)]
pub enum SecureLink {
    /// `secure_link` and `secure_link_md5`: a hash of the request, perhaps with an expiry.
    Hash {
        /// The hash in base64url, then perhaps a comma and a time in seconds since 1970.
        link: Template,
        /// The text whose hash it has to be.
        text: Template,
    },
    /// `secure_link_secret`: the second segment of the path is a hash of the rest and this word.
    Secret(Box<str>),
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecureLinkLevel {
    link: Option<Template>,
    text: Option<Template>,
    secret: Option<Box<str>>,
}

impl SecureLinkLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "secure_link" => self.link = Some(reader.template(directive, directive.first())?),
            "secure_link_md5" => self.text = Some(reader.template(directive, directive.first())?),
            _ => self.secret = Some(directive.first().into()),
        }
        if self.secret.is_some() && (self.link.is_some() || self.text.is_some()) {
            let message = "\"secure_link_secret\" cannot be mixed with \"secure_link\" and \"secure_link_md5\"";
            return Err(directive.error(ConfErrorKind::Conflict(message.to_owned())));
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &SecureLinkLevel) -> SecureLinkLevel {
        if self.secret.is_some() {
            return self;
        }
        let (link, text) = (self.link.or_else(|| outer.link.clone()), self.text.or_else(|| outer.text.clone()));
        let secret = outer.secret.clone().filter(|_| link.is_none() && text.is_none());
        SecureLinkLevel { link, text, secret }
    }

    pub(crate) fn resolve(&self) -> Option<SecureLink> {
        if let Some(secret) = &self.secret {
            return Some(SecureLink::Secret(secret.clone()));
        }
        Some(SecureLink::Hash { link: self.link.clone()?, text: self.text.clone()? })
    }
}
