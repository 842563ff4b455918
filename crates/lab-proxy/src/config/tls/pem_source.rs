//! Where the certificates and keys of a server come from.

use std::borrow::Cow;
use std::path::PathBuf;

use super::{CertificateFiles, NamedFile};
use crate::config::position::Position;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind};

/// What a value begins with that is the PEM text itself.
const DATA: &str = "data:";

/// The value of `ssl_certificate` or `ssl_certificate_key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemSource {
    Fixed(PemInput),
    /// With variables, so that each handshake has a value of its own.
    Template {
        template: Template,
        /// What relative paths start from.
        folder: PathBuf,
        position: Position,
    },
}

/// A value without variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PemInput {
    File(NamedFile),
    /// The text itself, behind `data:`.
    Text {
        text: String,
        position: Position,
    },
}

/// A certificate chain with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSource {
    pub certificate: PemSource,
    pub key: PemSource,
}

/// The same without variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInput {
    pub certificate: PemInput,
    pub key: PemInput,
}

impl PemInput {
    /// `folder` is what relative paths start from.
    fn new(value: &str, folder: &std::path::Path, position: &Position) -> PemInput {
        let position = position.clone();
        match PemInput::data(value) {
            Some(text) => PemInput::Text { text: text.to_owned(), position },
            None => PemInput::File(NamedFile { path: folder.join(value), position }),
        }
    }

    /// The PEM text in a value, if it is one.
    pub(crate) fn data(value: &str) -> Option<&str> {
        value.strip_prefix(DATA)
    }

    /// The name in messages.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            PemInput::File(file) => file.path.to_string_lossy(),
            PemInput::Text { .. } => Cow::Borrowed(DATA),
        }
    }

    /// An error at the directive.
    #[must_use]
    pub fn error(&self, message: String) -> ConfError {
        match self {
            PemInput::File(file) => file.error(message),
            PemInput::Text { position, .. } => position.error(ConfErrorKind::UnusableFile(message)),
        }
    }
}

impl PemSource {
    /// The name in messages.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            PemSource::Fixed(input) => input.name(),
            PemSource::Template { .. } => Cow::Borrowed("(with variables)"),
        }
    }

    /// `evaluate` gives the value of a template.
    fn evaluate(&self, evaluate: &dyn Fn(&Template) -> Vec<u8>) -> PemInput {
        match self {
            PemSource::Fixed(input) => input.clone(),
            PemSource::Template { template, folder, position } => {
                PemInput::new(&String::from_utf8_lossy(&evaluate(template)), folder, position)
            }
        }
    }
}

impl CertificateSource {
    /// The values, if they have no variables.
    #[must_use]
    pub fn fixed(&self) -> Option<CertificateInput> {
        match (&self.certificate, &self.key) {
            (PemSource::Fixed(certificate), PemSource::Fixed(key)) => {
                Some(CertificateInput { certificate: certificate.clone(), key: key.clone() })
            }
            _ => None,
        }
    }

    /// The values for one handshake. `evaluate` gives the value of a template.
    #[must_use]
    pub fn evaluate(&self, evaluate: &dyn Fn(&Template) -> Vec<u8>) -> CertificateInput {
        CertificateInput { certificate: self.certificate.evaluate(evaluate), key: self.key.evaluate(evaluate) }
    }
}

impl From<CertificateFiles> for CertificateInput {
    fn from(files: CertificateFiles) -> CertificateInput {
        CertificateInput { certificate: PemInput::File(files.certificate), key: PemInput::File(files.key) }
    }
}
