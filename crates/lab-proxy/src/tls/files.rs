//! Certificates, keys and revocation lists in the files that directives name.

use std::fs;
use std::path::Path;

use lab_net::tls::{
    CertificateDer, CertificateError, ChainVerifier, PrivateKeyDer, is_key_mismatch, parse_certificates,
    parse_private_key, read_certificates, read_private_key_with, read_revocations,
};

use crate::config::tls::NamedFile;
use crate::config::tls::pem_source::{CertificateInput, PemInput};
use lab_nginx_conf::ConfError;

pub(super) type KeyPair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a chain and its key.
pub(super) fn read_key_pair(source: &CertificateInput, passwords: Option<&NamedFile>) -> Result<KeyPair, ConfError> {
    let CertificateInput { certificate, key } = source;
    let read = match certificate {
        PemInput::File(file) => read_certificates(&file.path),
        PemInput::Text { text, .. } => parse_certificates(text.as_bytes(), Path::new("data:")),
    };
    let failed = |error| certificate.error(describe("cannot load certificate", &certificate.name(), &error));
    let chain = read.map_err(failed)?;
    // as in nginx: one password in each line, which are tried in turn
    let passwords = passwords.map(read_text).transpose()?.unwrap_or_default();
    let passwords: Vec<String> = passwords.lines().map(str::to_owned).collect();
    let read = match key {
        PemInput::File(file) => read_private_key_with(&file.path, &passwords),
        PemInput::Text { text, .. } => parse_private_key(text.as_bytes(), Path::new("data:"), &passwords),
    };
    let failed = |error| key.error(describe("cannot load certificate key", &key.name(), &error));
    Ok((chain, read.map_err(failed)?))
}

/// The error of a chain and a key that cannot be used together.
pub(super) fn pair_error(source: &CertificateInput, error: &lab_net::tls::Error) -> ConfError {
    let CertificateInput { certificate, key } = source;
    if is_key_mismatch(error) {
        return key.error(format!("SSL_CTX_use_PrivateKey(\"{}\") failed: key values mismatch", key.name()));
    }
    certificate.error(format!("cannot use certificate \"{}\": {error}", certificate.name()))
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
            let failed = |error| file.error(describe("cannot load CRL", &file.path.to_string_lossy(), &error));
            read_revocations(&file.path).map_err(failed)?
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
    let failed = |error| file.error(describe("cannot load certificate", &file.path.to_string_lossy(), &error));
    read_certificates(&file.path).map_err(failed)
}

/// The content of a file that is not PEM.
pub(super) fn read_bytes(file: &NamedFile) -> Result<Vec<u8>, ConfError> {
    let path = file.path.display();
    fs::read(&file.path).map_err(|error| file.error(format!("cannot read \"{path}\": {error}")))
}

fn read_text(file: &NamedFile) -> Result<String, ConfError> {
    String::from_utf8(read_bytes(file)?).map_err(|_| file.error(format!("\"{}\" is no text", file.path.display())))
}

fn describe(what: &str, name: &str, error: &CertificateError) -> String {
    format!("{what} \"{name}\": {}", error.reason())
}
