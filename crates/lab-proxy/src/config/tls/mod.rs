//! TLS: the values of `ssl_*` for clients and of `proxy_ssl_*` for upstreams. Files are only named; `crate::tls` reads
//! them.

pub mod pem_source;
pub mod server;
pub mod upstream;

use std::path::PathBuf;

use crate::config::position::Position;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// A file, with the position of the directive that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    pub path: PathBuf,
    position: Position,
}

impl NamedFile {
    pub(crate) fn new(path: PathBuf, directive: &Directive) -> NamedFile {
        NamedFile { path, position: Position::of(directive) }
    }

    /// An error at the directive.
    #[must_use]
    pub fn error(&self, message: String) -> ConfError {
        self.position.error(ConfErrorKind::UnusableFile(message))
    }
}

/// A certificate chain with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: NamedFile,
    pub key: NamedFile,
}
