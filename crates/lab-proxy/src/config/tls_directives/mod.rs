//! Reads the directives about TLS, for clients and for upstreams.

mod cipher_choice;
mod conf_command;
mod handshake;
pub(crate) mod server;
pub(crate) mod upstream;

use crate::config::position::Position;
use crate::config::reader::ConfigReader;
use crate::config::tls::NamedFile;
use crate::config::tls::pem_source::{PemInput, PemSource};
use lab_nginx_conf::{ConfError, Directive};

/// Reads where the certificates or the key of a server come from.
fn pem_source(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<PemSource, ConfError> {
    let (value, position) = (directive.first(), Position::of(directive));
    if value.contains('$') {
        let template = reader.template(directive, value)?;
        return Ok(PemSource::Template { template, folder: reader.folder.to_owned(), position });
    }
    Ok(PemSource::Fixed(match PemInput::data(value) {
        Some(text) => PemInput::Text { text: text.to_owned(), position },
        None => PemInput::File(named_file(directive, reader)?),
    }))
}

/// Reads the name of a file. As in nginx, a relative path starts from the folder of the configuration file.
fn named_file(directive: &Directive, reader: &ConfigReader<'_>) -> Result<NamedFile, ConfError> {
    const ACCEPTED: &str = "a file";
    let text = directive.first();
    if text.contains('$') || text.starts_with("data:") {
        return Err(directive.unsupported("a value with variables, or one that begins with data:", ACCEPTED));
    }
    if text.starts_with("engine:") || text.starts_with("store:") {
        return Err(directive.unsupported("an OpenSSL engine", ACCEPTED));
    }
    if text.is_empty() {
        return Err(directive.invalid(text, ACCEPTED));
    }
    Ok(NamedFile::new(reader.folder.join(text), directive))
}
