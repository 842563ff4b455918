//! The files of TLS that a configuration names. Some are on the server that it is for, and not on this machine.

use std::path::Path;

use super::{RelocateError, Relocation};
use lab_nginx_conf::{Arg, Directive};

/// Directives whose argument is a file of TLS. Some exist with the prefix `proxy_` too.
const TLS_FILE_DIRECTIVES: [&str; 9] = [
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_client_certificate",
    "ssl_crl",
    "ssl_dhparam",
    "ssl_password_file",
    "ssl_session_ticket_key",
    "ssl_stapling_file",
    "ssl_trusted_certificate",
];

/// Those without which a server sends the same responses.
const DISPENSABLE: [&str; 4] =
    ["ssl_dhparam", "ssl_session_ticket_key", "ssl_stapling_file", "ssl_trusted_certificate"];

/// Whether a directive's argument is a file of TLS.
pub(crate) fn names_tls_file(name: &str) -> bool {
    TLS_FILE_DIRECTIVES.contains(&name.strip_prefix("proxy_").unwrap_or(name))
}

/// The file of a server's certificate, or of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateFile<'a> {
    /// Absolute.
    pub path: &'a Path,
    pub is_key: bool,
    /// Where it is named.
    pub file: &'a Path,
    pub line: usize,
}

/// Whether an argument is no path: a variable, the text of the file itself, or a key in hardware.
fn is_no_path(arg: &Arg) -> bool {
    arg.value.contains('$') || arg.value.starts_with("data:") || arg.value.starts_with("engine:")
}

impl Relocation<'_, '_> {
    /// The file of a certificate. One that is not here, such as that of a certificate authority on another machine, has a
    /// placeholder.
    pub(super) fn certificate(&mut self, arg: &Arg, is_key: bool, line: usize) -> Result<(), RelocateError> {
        if is_no_path(arg) {
            return Ok(());
        }
        let path = self.home.join(&arg.value);
        let named = CertificateFile { path: &path, is_key, file: &self.file, line };
        match (self.target.placeholder)(&named).map_err(RelocateError::Certificate)? {
            Some(placeholder) => self.replace(arg, &placeholder.display().to_string()),
            None => self.file(arg),
        }
        Ok(())
    }

    /// Any other file of TLS. Without it, nginx does not start.
    pub(super) fn tls_file(&mut self, directive: &Directive, arg: &Arg) {
        let path = self.home.join(&arg.value);
        let is_dispensable = DISPENSABLE.contains(&directive.name.as_str()) && !is_no_path(arg);
        if !is_dispensable || (self.target.is_here)(&path) {
            self.file(arg);
            return;
        }
        self.omit(directive, path.display().to_string());
    }
}
