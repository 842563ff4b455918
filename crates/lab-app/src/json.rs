//! JSON as Flask's default provider writes it: sorted keys, no spaces, ASCII only, a line feed at the end.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

use crate::exception::HttpException;
use crate::response::Response;

/// A JSON response, as `flask.jsonify` makes it.
///
/// Known difference: floats have Rust's shortest form (`1e16`), not Python's (`1e+16`).
///
/// # Errors
/// A value that JSON cannot represent (a map whose keys are not strings); it becomes a 500.
pub fn jsonify(value: &(impl Serialize + ?Sized)) -> Result<Response, HttpException> {
    let mut value = serde_json::to_value(value)?;
    value.sort_all_objects();
    let mut text = Vec::with_capacity(256);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Ascii))?;
    text.push(b'\n');
    Ok(Response::new(text).mimetype("application/json"))
}

/// Compact JSON with everything outside printable ASCII as `\uXXXX` (Python's `ensure_ascii`).
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let is_plain = |character: char| matches!(character, ' '..='~');
        let mut rest = fragment;
        while let Some(index) = rest.find(|character| !is_plain(character)) {
            writer.write_all(&rest.as_bytes()[..index])?;
            let mut characters = rest[index..].chars();
            for unit in characters.next().into_iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}
