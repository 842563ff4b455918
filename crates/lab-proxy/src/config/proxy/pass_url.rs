//! The URLs of `proxy_pass` and `uwsgi_pass`.

/// The parts of a `proxy_pass` URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassUrl<'u> {
    /// Host and port as written.
    pub authority: &'u str,
    /// The rest, from the first `/` or `?`.
    pub uri: Option<&'u str>,
    /// Whether the scheme is `https`.
    pub is_tls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassUrlError {
    /// uwsgi over TLS is not supported.
    SecureUwsgi,
    /// Not of the form `http://HOST` or `https://HOST`.
    Malformed,
}

/// Splits a URL: while the configuration is read, or for each request if it has variables.
///
/// # Errors
/// It is neither an `http` nor an `https` URL.
pub fn parse(url: &str) -> Result<PassUrl<'_>, PassUrlError> {
    let behind = |scheme: &str| {
        let (start, rest) = url.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let (rest, is_tls) = match (behind("https://"), behind("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return Err(PassUrlError::Malformed),
    };
    let (authority, uri) = split_authority(rest);
    if authority.is_empty() { Err(PassUrlError::Malformed) } else { Ok(PassUrl { authority, uri, is_tls }) }
}

/// As [`parse`], for `uwsgi_pass`: an address, perhaps after `uwsgi://`.
///
/// # Errors
/// There is no address, or it asks for TLS.
pub fn parse_uwsgi(url: &str) -> Result<PassUrl<'_>, PassUrlError> {
    if url.starts_with("suwsgi://") {
        return Err(PassUrlError::SecureUwsgi);
    }
    let authority = url.strip_prefix("uwsgi://").unwrap_or(url);
    let is_unix = authority.starts_with("unix:");
    if authority.is_empty() || (authority.contains('/') && !is_unix) {
        return Err(PassUrlError::Malformed);
    }
    Ok(PassUrl { authority, uri: None, is_tls: false })
}

/// Splits what follows `http://` into address and URI. The path of a unix socket ends at a colon.
fn split_authority(rest: &str) -> (&str, Option<&str>) {
    let end = match rest.strip_prefix("unix:") {
        Some(path) => path.find(':').map(|colon| colon + "unix:".len()),
        None => rest.find(['/', '?', '#']),
    };
    match end {
        Some(end) => (&rest[..end], Some(rest[end..].trim_start_matches(':')).filter(|uri| !uri.is_empty())),
        None => (rest, None),
    }
}

impl<'u> PassUrl<'u> {
    /// `$proxy_host`. As in nginx, it leaves out the default port.
    #[must_use]
    pub fn host(&self) -> &'u str {
        // as in nginx: a socket's path is no value for a Host field
        if self.authority.starts_with("unix:") {
            return "localhost";
        }
        let default_port = if self.is_tls { ":443" } else { ":80" };
        self.authority.strip_suffix(default_port).unwrap_or(self.authority)
    }

    /// `$proxy_port`
    #[must_use]
    pub fn port(&self) -> u16 {
        self.authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(self.default_port())
    }

    /// The port of a URL without one.
    #[must_use]
    pub fn default_port(&self) -> u16 {
        if self.is_tls { 443 } else { 80 }
    }
}
