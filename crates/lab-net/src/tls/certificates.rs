//! Certificates and keys from PEM files.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A file does not contain the expected certificates or key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot read {wanted} from {}", file.display())]
    Unreadable {
        file: PathBuf,
        wanted: &'static str,
        #[source]
        source: pem::Error,
    },
    #[error("no certificate in {}; accepted: PEM, with one CERTIFICATE or several", .0.display())]
    NoCertificate(PathBuf),
    #[error("no private key in {}; accepted: PEM", .0.display())]
    NoPrivateKey(PathBuf),
    /// A certificate that cannot be an authority.
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
            CertificateError::NoCertificate(_) => "there is no certificate in it, in PEM".to_owned(),
            CertificateError::NoPrivateKey(_) => "there is no private key in it, in PEM".to_owned(),
            CertificateError::Root { source, .. } => source.to_string(),
        }
    }
}

/// All certificates of a file, at least one.
///
/// # Errors
/// The file cannot be read, is not PEM, or has no certificate.
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(found) if found.is_empty() => Err(CertificateError::NoCertificate(file.to_owned())),
        Ok(found) => Ok(found),
        Err(source) => Err(CertificateError::Unreadable { file: file.to_owned(), wanted: "certificates", source }),
    }
}

/// The first private key of a file.
///
/// # Errors
/// The file cannot be read, is not PEM, or has no key.
pub fn read_private_key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoPrivateKey(file.to_owned()),
        source => CertificateError::Unreadable { file: file.to_owned(), wanted: "a private key", source },
    })
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
