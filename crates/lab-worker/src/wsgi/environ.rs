//! The environ variables of a request (PEP 3333: "environ Variables"). Where the PEP leaves a choice, gunicorn's rules
//! apply: how repeated fields are joined, which fields with underscores pass, which peers may set the scheme.

use std::borrow::Cow;

use lab_http::message::target::{Form, Target};
use lab_http::{Refusal, RequestHead};

use crate::bootstrap::{HeaderMapPolicy, WorkerSettings};
use crate::trusted_peers::{PeerError, TrustedPeers};
use lab_http::message::extensions::ConnectionInfo;

/// How fields become variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    trusted: TrustedPeers,
    /// Field names, each with the value that means `https`.
    secure_scheme: Vec<(String, String)>,
    /// Field names with underscores that a trusted peer may send; None for all.
    forwarder_headers: Option<Vec<String>>,
    header_map: HeaderMapPolicy,
    /// SCRIPT_NAME unless a field sets it.
    script_name: Vec<u8>,
    /// The scheme unless a field sets it.
    is_https: bool,
}

/// The variables of one request. All values are bytes that become text as Latin-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables<'h> {
    /// `wsgi.url_scheme`: whether it is `https`.
    pub is_https: bool,
    /// SCRIPT_NAME, not decoded.
    pub script_name: Cow<'h, [u8]>,
    /// PATH_INFO: the path behind SCRIPT_NAME, percent-decoded.
    pub path_info: Cow<'h, [u8]>,
    /// QUERY_STRING, not decoded.
    pub query: &'h [u8],
    /// The fields that become variables, in order of their first line; see [`variable_name`].
    pub fields: Vec<(&'h [u8], Cow<'h, [u8]>)>,
}

/// Why a request cannot be handed to the application.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// SCRIPT_NAME is not a prefix of the path: the configurations of server and proxy do not match.
    #[error("the path {path:?} does not start with SCRIPT_NAME {script_name:?}")]
    ScriptName { path: String, script_name: String },
}

impl Policy {
    /// Makes the policy of a worker. `script_name` is the environment variable SCRIPT_NAME, which gunicorn reads as well.
    pub fn new(settings: &WorkerSettings, script_name: &str) -> Result<Policy, PeerError> {
        let has_all = settings.forwarder_headers.iter().any(|name| name == "*");
        Ok(Policy {
            trusted: TrustedPeers::new(&settings.forwarded_allow_ips)?,
            secure_scheme: settings.secure_scheme_headers.clone().into_iter().collect(),
            forwarder_headers: if has_all { None } else { Some(settings.forwarder_headers.clone()) },
            header_map: settings.header_map,
            script_name: script_name.as_bytes().to_vec(),
            is_https: settings.tls.is_some(),
        })
    }

    /// Whether the peer is trusted to set the scheme and the forwarded headers.
    #[must_use]
    pub fn trusts(&self, connection: &ConnectionInfo) -> bool {
        self.trusted.include(connection)
    }

    /// The variables of a request. `is_trusted` is the result of [`trusts`](Policy::trusts) for its connection.
    pub fn variables<'h>(
        &'h self,
        head: &'h RequestHead,
        target: &Target<'h>,
        is_trusted: bool,
    ) -> Result<Variables<'h>, EnvironError> {
        let mut fields: Vec<(&[u8], Cow<[u8]>)> = Vec::with_capacity(head.headers.len() + 1);
        let mut script_name = Cow::Borrowed(self.script_name.as_slice());
        let mut scheme = None;
        for (name, value) in head.headers.iter() {
            if is_trusted && let Some(is_https) = self.scheme_from_field(name, value) {
                match scheme {
                    Some(before) if before != is_https => return Err(Refusal::SchemeAmbiguous.into()),
                    _ => scheme = Some(is_https),
                }
            }
            if name.contains(&b'_') && !self.passes(name, is_trusted)? {
                continue;
            }
            if name.eq_ignore_ascii_case(b"SCRIPT_NAME") {
                script_name = Cow::Borrowed(value);
            }
            match fields.iter_mut().find(|(before, _)| is_same_variable(before, name)) {
                None => fields.push((name, Cow::Borrowed(value))),
                // gunicorn refuses repeated fields that hold a single value, and joins all others.
                Some(_) if name.eq_ignore_ascii_case(b"content-type") => return Err(Refusal::FieldRepeated.into()),
                Some((_, joined)) => {
                    let joined = joined.to_mut();
                    joined.push(b',');
                    joined.extend_from_slice(value);
                }
            }
        }
        if let (Form::Absolute, Some(host)) = (target.form, target.host) {
            match fields.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
                Some((_, value)) => *value = Cow::Borrowed(host),
                None => fields.push((b"Host", Cow::Borrowed(host))),
            }
        }
        let path = target.path.strip_prefix(&*script_name).ok_or_else(|| EnvironError::ScriptName {
            path: target.path.escape_ascii().to_string(),
            script_name: script_name.escape_ascii().to_string(),
        })?;
        Ok(Variables {
            is_https: scheme.unwrap_or(self.is_https),
            script_name,
            path_info: percent_decode(path),
            query: target.query.unwrap_or_default(),
            fields,
        })
    }

    /// Whether a field sets the scheme to `https`; None if it does not set the scheme.
    fn scheme_from_field(&self, name: &[u8], value: &[u8]) -> Option<bool> {
        let has_name = |(own, _): &&(String, String)| own.as_bytes().eq_ignore_ascii_case(name);
        self.secure_scheme.iter().find(has_name).map(|(_, https)| https.as_bytes() == value)
    }

    /// Whether a field with an underscore in its name becomes a variable.
    fn passes(&self, name: &[u8], is_trusted: bool) -> Result<bool, Refusal> {
        let is_forwarder_header = || match &self.forwarder_headers {
            None => true,
            Some(names) => names.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name)),
        };
        if is_trusted && is_forwarder_header() {
            return Ok(true);
        }
        match self.header_map {
            HeaderMapPolicy::Drop => Ok(false),
            HeaderMapPolicy::Refuse => Err(Refusal::FieldNameAmbiguous),
            HeaderMapPolicy::Dangerous => Ok(true),
        }
    }
}

/// The variable of a field: `HTTP_` and its name in upper case with `-` as `_`, except for the two that CGI names
/// differently (RFC 3875 §4.1.2, §4.1.3).
#[must_use]
pub fn variable_name(field: &[u8]) -> String {
    let upper = |byte: u8| if byte == b'-' { '_' } else { char::from(byte.to_ascii_uppercase()) };
    let name: String = field.iter().copied().map(upper).collect();
    // CONTENT_LENGTH with an underscore is a different field, and must not pass for Content-Length.
    if has_cgi_name(field) { name } else { format!("HTTP_{name}") }
}

/// Whether two field names become the same variable ([`variable_name`]).
fn is_same_variable(one: &[u8], other: &[u8]) -> bool {
    let fold = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    // Content_Length becomes HTTP_CONTENT_LENGTH, and Content-Length does not.
    one.len() == other.len()
        && one.iter().map(fold).eq(other.iter().map(fold))
        && has_cgi_name(one) == has_cgi_name(other)
}

/// Whether the variable of a field has no `HTTP_` in its name.
fn has_cgi_name(field: &[u8]) -> bool {
    field.eq_ignore_ascii_case(b"content-type") || field.eq_ignore_ascii_case(b"content-length")
}

/// Decodes `%XX` and keeps everything else (Python's `urllib.parse.unquote_to_bytes`).
fn percent_decode(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', text) else { return Cow::Borrowed(text) };
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = text[..first].to_vec();
    let mut rest = &text[first..];
    while let Some((&byte, behind)) = rest.split_first() {
        match (byte, digit(behind.first()), digit(behind.get(1))) {
            (b'%', Some(high), Some(low)) => {
                // OK because two hexadecimal digits are less than 256.
                decoded.push(u8::try_from(high * 16 + low).expect("a byte"));
                rest = &behind[2..];
            }
            _ => {
                decoded.push(byte);
                rest = behind;
            }
        }
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests;
