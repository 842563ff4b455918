//! Certificates and keys from PEM files.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer};

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
    #[error("no revocation list in {}; accepted: PEM, with one X509 CRL or several", .0.display())]
    NoRevocationList(PathBuf),
    #[error("cannot open the private key in {}: {problem}", file.display())]
    Encrypted { file: PathBuf, problem: &'static str },
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
            CertificateError::NoRevocationList(_) => "there is no revocation list in it, in PEM".to_owned(),
            CertificateError::Encrypted { problem, .. } => (*problem).to_owned(),
            CertificateError::Root { source, .. } => source.to_string(),
        }
    }
}

/// All certificates of a file, at least one.
///
/// # Errors
/// The file cannot be read, is not PEM, or has no certificate.
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable { file: file.to_owned(), wanted: "certificates", source };
    let text = std::fs::read(file).map_err(|error| unreadable(pem::Error::Io(error)))?;
    parse_certificates(&text, file)
}

/// All certificates of a PEM text, at least one. Errors call it `name`.
///
/// # Errors
/// It is not PEM, or has no certificate.
pub fn parse_certificates(text: &[u8], name: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    match CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>() {
        Ok(found) if found.is_empty() => Err(CertificateError::NoCertificate(name.to_owned())),
        Ok(found) => Ok(found),
        Err(source) => Err(CertificateError::Unreadable { file: name.to_owned(), wanted: "certificates", source }),
    }
}

/// The end of a certificate's validity.
#[derive(Debug, Clone)]
pub struct Expiry {
    pub time: SystemTime,
    /// The same, as a date.
    pub text: String,
}

/// When the first certificate of a file expires.
///
/// # Errors
/// As for [`read_certificates`]; or it is malformed.
pub fn expiry(file: &Path) -> Result<Expiry, CertificateError> {
    let certificates = read_certificates(file)?;
    let no_certificate = || CertificateError::NoCertificate(file.to_owned());
    let first = certificates.first().ok_or_else(no_certificate)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(first).map_err(|_| no_certificate())?;
    let end = parsed.validity().not_after;
    // A validity that ends before 1970 has ended.
    let seconds = u64::try_from(end.timestamp()).unwrap_or(0);
    Ok(Expiry { time: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), text: end.to_string() })
}

/// The first private key of a file.
///
/// # Errors
/// The file cannot be read, is not PEM, or has no key.
pub fn read_private_key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| key_error(error, file))
}

fn key_error(error: pem::Error, name: &Path) -> CertificateError {
    match error {
        pem::Error::NoItemsFound => CertificateError::NoPrivateKey(name.to_owned()),
        source => CertificateError::Unreadable { file: name.to_owned(), wanted: "a private key", source },
    }
}

/// As [`read_private_key`], for a key that may be encrypted with one of the passwords.
///
/// # Errors
/// As for [`read_private_key`]; none of the passwords opens the key; or it is encrypted in an older form than PKCS #8.
pub fn read_private_key_with(file: &Path, passwords: &[String]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = std::fs::read(file).map_err(|error| key_error(pem::Error::Io(error), file))?;
    parse_private_key(&text, file, passwords)
}

/// The first private key of a PEM text, which may be encrypted with one of the passwords. Errors call the text `name`.
///
/// # Errors
/// As for [`read_private_key_with`].
pub fn parse_private_key(
    text: &[u8],
    name: &Path,
    passwords: &[String],
) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let encrypted = |problem| CertificateError::Encrypted { file: name.to_owned(), problem };
    if text.windows(TRADITIONAL_ENCRYPTION.len()).any(|window| window == TRADITIONAL_ENCRYPTION) {
        return Err(encrypted("it is encrypted in an older form than PKCS #8"));
    }
    let Some(der) = encrypted_key(text) else {
        return PrivateKeyDer::from_pem_slice(text).map_err(|error| key_error(error, name));
    };
    let key = EncryptedPrivateKeyInfo::try_from(der.as_bytes())
        .map_err(|_| encrypted("its encryption is not that of PKCS #8"))?;
    let opened = passwords.iter().find_map(|password| key.decrypt(password).ok());
    let opened = opened.ok_or_else(|| encrypted("no password opens it"))?;
    Ok(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec()).into())
}

/// In the head of a key that OpenSSL has encrypted by its own rules.
const TRADITIONAL_ENCRYPTION: &[u8] = b"Proc-Type: 4,ENCRYPTED";

/// The content of a section `ENCRYPTED PRIVATE KEY`, if there is one.
fn encrypted_key(text: &[u8]) -> Option<SecretDocument> {
    let text = std::str::from_utf8(text).ok()?;
    let start = text.find("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let length = text[start..].find(END)? + END.len();
    SecretDocument::from_pem(&text[start..start + length]).ok().map(|(_, document)| document)
}

const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// All revocation lists of a file, at least one.
///
/// # Errors
/// The file cannot be read, is not PEM, or has no revocation list.
pub fn read_revocations(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, CertificateError> {
    let read = || CertificateRevocationListDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(found) if found.is_empty() => Err(CertificateError::NoRevocationList(file.to_owned())),
        Ok(found) => Ok(found),
        Err(source) => Err(CertificateError::Unreadable { file: file.to_owned(), wanted: "revocation lists", source }),
    }
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

#[cfg(test)]
mod tests {
    use pkcs8::PrivateKeyInfo;
    use pkcs8::der::pem::LineEnding;
    use pkcs8::pkcs5::pbes2;

    use super::*;

    #[test]
    fn encrypted_key_opens_with_one_of_the_passwords() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_der();
        let parameters = pbes2::Parameters::pbkdf2_sha256_aes256cbc(1000, b"salt of a test", &[7; 16]).unwrap();
        let info = PrivateKeyInfo::try_from(key.as_slice()).unwrap();
        let encrypted = info.encrypt_with_params(parameters, "secret").unwrap();
        let pem = encrypted.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, pem.as_bytes()).unwrap();
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let opened = read_private_key_with(file.path(), &words(&["wrong", "secret"])).unwrap();
        assert_eq!(opened.secret_der(), key);
        let error = read_private_key_with(file.path(), &words(&["wrong"])).unwrap_err();
        assert_eq!(error.reason(), "no password opens it");
        let plain = SecretDocument::try_from(key.as_slice()).unwrap().to_pem("PRIVATE KEY", LineEnding::LF).unwrap();
        std::fs::write(&file, plain.as_bytes()).unwrap();
        assert_eq!(read_private_key_with(file.path(), &[]).unwrap().secret_der(), key);
    }
}
