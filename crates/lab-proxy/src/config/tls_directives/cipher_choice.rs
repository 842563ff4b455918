//! Cipher suites and groups by OpenSSL's names.

use std::sync::Arc;

use lab_net::tls::{CipherList, GroupList, KeyExchangeGroup, SupportedCipherSuite};

use crate::config::position::Position;
use crate::config::reader::ConfigReader;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// The cipher suites that a list selects.
#[derive(Debug, Clone)]
pub(super) struct CipherChoice {
    suites: Vec<SupportedCipherSuite>,
    /// The error if TLS 1.2 is the only version.
    none_left: Option<Arc<str>>,
    directive: Position,
}

/// `ssl_ecdh_curve`: none for `auto`.
pub(super) type GroupChoice = Option<Vec<KeyExchangeGroup>>;

impl CipherChoice {
    pub(super) fn read(directive: &Directive, text: &str, reader: &mut ConfigReader<'_>) -> CipherChoice {
        let CipherList { mut suites, unsupported } = CipherList::parse(text);
        let words = unsupported.join(", ");
        if suites.is_empty() && !unsupported.is_empty() {
            let message =
                format!("\"{}\" has only {words}, which lab does not have. It offers its own", directive.name);
            reader.warn(directive, message);
            suites = CipherList::parse("ALL").suites;
        } else if !unsupported.is_empty() {
            reader.warn(directive, format!("\"{}\" has no cipher suite of lab for {words}", directive.name));
        }
        let none_left = suites.is_empty().then(|| {
            format!(
                "SSL_CTX_set_cipher_list(\"{text}\") failed: no cipher match; lab has ECDHE with AES-GCM or CHACHA20"
            )
        });
        CipherChoice { suites, none_left: none_left.map(Into::into), directive: Position::of(directive) }
    }

    pub(super) fn suites(self) -> Vec<SupportedCipherSuite> {
        self.suites
    }

    /// The error if no suite of TLS 1.2 is selected, which matters without TLS 1.3.
    pub(super) fn emptiness(&self) -> Option<ConfError> {
        let message = self.none_left.as_ref()?;
        Some(self.directive.error(ConfErrorKind::Conflict(message.to_string())))
    }
}

pub(super) fn read_groups(
    directive: &Directive,
    text: &str,
    reader: &mut ConfigReader<'_>,
) -> Result<GroupChoice, ConfError> {
    const ACCEPTED: &str = "auto, or X25519, prime256v1, secp384r1, X25519MLKEM768, separated by colons";
    if text == "auto" {
        return Ok(None);
    }
    let GroupList { groups, unsupported } =
        GroupList::parse(text).map_err(|unknown| directive.invalid(&unknown, ACCEPTED))?;
    let names = unsupported.join(", ");
    if groups.is_empty() {
        let message = format!("\"{}\" has only {names}, which lab does not have. It offers its own", directive.name);
        reader.warn(directive, message);
        return Ok(None);
    }
    if !unsupported.is_empty() {
        reader.warn(directive, format!("\"{}\" leaves out {names}, which lab does not have", directive.name));
    }
    Ok(Some(groups))
}
