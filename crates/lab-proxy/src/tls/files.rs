//! Certificates, keys and revocation lists in the files that directives name.

use std::fs;

use lab_net::tls::{
    CertificateDer, CertificateError, ChainVerifier, PrivateKeyDer, is_key_mismatch, read_certificates,
    read_private_key_with, read_revocations,
};

use crate::config::tls::{CertificateFiles, NamedFile};
use lab_nginx_conf::ConfError;

pub(super) type KeyPair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a chain and its key.
pub(super) fn read_key_pair(files: &CertificateFiles, passwords: Option<&NamedFile>) -> Result<KeyPair, ConfError> {
    let chain = read_certificates(&files.certificate.path)
        .map_err(|error| files.certificate.error(describe("cannot load certificate", &files.certificate, &error)))?;
    // as in nginx: one password in each line, which are tried in turn
    let passwords = passwords.map(read_text).transpose()?.unwrap_or_default();
    let passwords: Vec<String> = passwords.lines().map(str::to_owned).collect();
    let key = read_private_key_with(&files.key.path, &passwords)
        .map_err(|error| files.key.error(describe("cannot load certificate key", &files.key, &error)))?;
    Ok((chain, key))
}

/// The error of a chain and a key that cannot be used together.
pub(super) fn pair_error(files: &CertificateFiles, error: &lab_net::tls::Error) -> ConfError {
    let path = files.key.path.display();
    if is_key_mismatch(error) {
        return files.key.error(format!("SSL_CTX_use_PrivateKey(\"{path}\") failed: key values mismatch"));
    }
    let path = files.certificate.path.display();
    files.certificate.error(format!("cannot use certificate \"{path}\": {error}"))
}

/// Reads the authorities of all `files`, with a list of revoked certificates.
pub(super) fn read_verifier(
    files: &[&NamedFile],
    revocations: Option<&NamedFile>,
    depth: usize,
) -> Result<ChainVerifier, ConfError> {
    let mut roots = Vec::new();
    for file in files {
        roots.extend(read_authorities(file)?);
    }
    let lists = match revocations {
        None => Vec::new(),
        Some(file) => {
            read_revocations(&file.path).map_err(|error| file.error(describe("cannot load CRL", file, &error)))?
        }
    };
    ChainVerifier::new(roots, &lists, depth).map_err(|error| {
        let file = revocations.or(files.first().copied());
        match file {
            Some(file) => file.error(format!("cannot use \"{}\": {error}", file.path.display())),
            // OK because without files there is nothing that could be invalid
            None => unreachable!("a verifier without files failed: {error}"),
        }
    })
}

pub(super) fn read_authorities(file: &NamedFile) -> Result<Vec<CertificateDer<'static>>, ConfError> {
    read_certificates(&file.path).map_err(|error| file.error(describe("cannot load certificate", file, &error)))
}

/// The content of a file that is not PEM.
pub(super) fn read_bytes(file: &NamedFile) -> Result<Vec<u8>, ConfError> {
    let path = file.path.display();
    fs::read(&file.path).map_err(|error| file.error(format!("cannot read \"{path}\": {error}")))
}

fn read_text(file: &NamedFile) -> Result<String, ConfError> {
    String::from_utf8(read_bytes(file)?).map_err(|_| file.error(format!("\"{}\" is no text", file.path.display())))
}

fn describe(what: &str, file: &NamedFile, error: &CertificateError) -> String {
    format!("{what} \"{}\": {}", file.path.display(), error.reason())
}
