//! Certificates and keys from PEM files.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A file does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot read {}", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("no {wanted} in {}", file.display())]
    Missing { file: PathBuf, wanted: &'static str },
    /// A certificate that cannot vouch for another.
    #[error("cannot trust a certificate in {}", file.display())]
    Root {
        file: PathBuf,
        #[source]
        source: rustls::Error,
    },
}

impl CertificateError {
    /// What is wrong with the file, without its name.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            CertificateError::Unreadable { source: pem::Error::Io(error), .. } => error.to_string(),
            CertificateError::Unreadable { source, .. } => source.to_string(),
            CertificateError::Missing { wanted, .. } => format!("there is no {wanted} in it, in PEM"),
            CertificateError::Root { source, .. } => source.to_string(),
        }
    }

    fn new(file: &Path, wanted: &'static str, source: pem::Error) -> CertificateError {
        let file = file.to_owned();
        match source {
            pem::Error::NoItemsFound => CertificateError::Missing { file, wanted },
            source => CertificateError::Unreadable { file, source },
        }
    }
}

/// All certificates of a file, at least one.
///
/// # Errors
/// The file cannot be read, is not PEM, or has no certificate.
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let read = || {
        let found = CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) }
    };
    read().map_err(|error| CertificateError::new(file, "certificate", error))
}

/// The first private key of a file.
///
/// # Errors
/// The file cannot be read, is not PEM, or has no key.
pub fn read_private_key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| CertificateError::new(file, "private key", error))
}

/// The certificates of a file as authorities.
///
/// # Errors
/// The file cannot be read, is not PEM, has no certificate, or has one that cannot be an authority.
pub fn read_roots(file: &Path) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(file)? {
        let failed = |source| CertificateError::Root { file: file.to_owned(), source };
        roots.add(certificate).map_err(failed)?;
    }
    Ok(roots)
}
