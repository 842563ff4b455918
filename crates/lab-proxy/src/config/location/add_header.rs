//! `add_header` and `add_trailer`.

use lab_http::Headers;

use crate::config::field_value::field_value;
use crate::config::proxy::fields::FieldNames;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// The `add_header` or `add_trailer` lines of a block.
#[derive(Debug, Clone, Default)]
pub struct AddedFields {
    pub lines: Vec<AddedField>,
    /// Names whose own fields `add_header` replaces. As in nginx: `Last-Modified` and `ETag`.
    pub replaced: FieldNames,
}

/// One `add_header` or `add_trailer`.
#[derive(Debug, Clone)]
pub struct AddedField {
    pub name: String,
    /// A line with an empty value is not added.
    pub value: Template,
    /// `always`: added to every response; otherwise only to successful ones and redirects.
    pub is_always: bool,
}

impl AddedFields {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        let (name, value) = (directive.first(), directive.arg(1).unwrap_or_default());
        const FRAMING: [&str; 3] = ["Content-Length", "Transfer-Encoding", "Connection"];
        if FRAMING.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            // many preflight responses have `add_header Content-Length 0`, whose length the proxy knows
            let message =
                format!("\"{name}\" in \"{}\" directive is not sent: the proxy frames messages itself", directive.name);
            reader.warn(directive, message);
            return Ok(());
        }
        if !Headers::is_clean(name.as_bytes(), b"") {
            return Err(directive.invalid(name, "the name of a field"));
        }
        let value = field_value(directive, name, value, reader)?;
        let is_always = match directive.arg(2) {
            None => false,
            Some("always") => true,
            Some(other) => return Err(directive.invalid(other, "always")),
        };
        if ["Last-Modified", "ETag"].iter().any(|own| own.eq_ignore_ascii_case(name)) {
            self.replaced.insert(name);
        }
        self.lines.push(AddedField { name: name.to_owned(), value: reader.template(directive, &value)?, is_always });
        Ok(())
    }

    /// The lines that apply to a response with this status.
    pub fn for_status(&self, status: u16) -> impl Iterator<Item = &AddedField> {
        let is_success = matches!(status, 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308);
        self.lines.iter().filter(move |line| is_success || line.is_always)
    }
}
