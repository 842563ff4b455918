//! A certificate for a run: in place of one that an nginx.conf names and this machine does not have, or for the marks of
//! another configuration.

use std::io;
use std::path::{Path, PathBuf};

/// The names of its files in the folder of a visit.
const CERTIFICATE: &str = "placeholder.crt";
const KEY: &str = "placeholder.key";

/// The file of the certificate, or of its key, in `folder`. Both are made with the first of them.
///
/// # Errors
/// They cannot be written.
pub(super) fn placeholder(folder: &Path, is_key: bool) -> io::Result<PathBuf> {
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    if !key.exists() {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(io::Error::other)?;
        std::fs::write(&certificate, pair.cert.pem())?;
        std::fs::write(&key, pair.signing_key.serialize_pem())?;
    }
    Ok(if is_key { key } else { certificate })
}
