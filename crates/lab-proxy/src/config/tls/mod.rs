//! TLS: the values of `ssl_*` for clients and of `proxy_ssl_*` for upstreams. Files are only named; `crate::tls` reads
//! them.

pub mod server;
pub mod upstream;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// A file, with the position of the directive that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    pub path: PathBuf,
    file: Arc<Path>,
    line: usize,
}

impl NamedFile {
    pub(crate) fn new(path: PathBuf, directive: &Directive) -> NamedFile {
        NamedFile { path, file: Arc::clone(&directive.file), line: directive.line }
    }

    /// An error at the directive.
    #[must_use]
    pub fn error(&self, message: String) -> ConfError {
        ConfError::new(&self.file, self.line, ConfErrorKind::UnusableFile(message))
    }
}

/// A certificate chain with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: NamedFile,
    pub key: NamedFile,
}
