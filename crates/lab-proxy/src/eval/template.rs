//! Writes templates: for a value, a rewritten path, or a line of a log.

use super::Scope;
use crate::routing::uri;
use crate::variables::template::TemplatePart;
use crate::variables::{LogEscape, Template, Variable};

impl Template {
    /// Appends the text. A variable without a value is empty.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        if self.looks_up_first {
            self.look_up(scope);
        }
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => out.extend_from_slice(text),
                TemplatePart::Variable(variable) => _ = scope.write(variable, out),
            }
        }
    }

    fn look_up(&self, scope: &Scope<'_>) {
        for part in &self.parts {
            if let TemplatePart::Variable(variable @ Variable::Defined(_)) = part {
                scope.write(variable, &mut Vec::new());
            }
        }
    }

    #[must_use]
    pub fn value(&self, scope: &Scope<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(scope, &mut out);
        out
    }

    /// Appends the text. Captures are escaped like arguments, as nginx's `rewrite` does.
    pub fn write_escaping_captures(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        if self.looks_up_first {
            self.look_up(scope);
        }
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => out.extend_from_slice(text),
                TemplatePart::Variable(variable @ Variable::Capture(_)) => {
                    let mut raw = Vec::new();
                    scope.write(variable, &mut raw);
                    uri::escape_argument(&raw, out);
                }
                TemplatePart::Variable(variable) => _ = scope.write(variable, out),
            }
        }
    }

    /// Appends the text to a line of a log.
    pub fn write_log(&self, scope: &Scope<'_>, escape: LogEscape, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => out.extend_from_slice(text),
                TemplatePart::Variable(variable) => {
                    let start = out.len();
                    if !scope.write(variable, out) && escape == LogEscape::Default {
                        out.push(b'-');
                    }
                    match escape {
                        LogEscape::Default => escape_from(out, start),
                        LogEscape::Json => escape_json_from(out, start),
                        LogEscape::None => {}
                    }
                }
            }
        }
    }
}

/// Escapes `out` from `start` on, as nginx does for `escape=default`.
fn escape_from(out: &mut Vec<u8>, start: usize) {
    let needs = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f..);
    if !out[start..].iter().any(needs) {
        return;
    }
    let raw = out.split_off(start);
    for byte in raw {
        if needs(&byte) {
            out.extend_from_slice(&[b'\\', b'x', uri::hex_digit(byte >> 4), uri::hex_digit(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
}

/// Escapes `out` from `start` on, as nginx does for `escape=json` and in its listings (RFC 8259 §7). Bytes beyond ASCII stay.
pub(crate) fn escape_json_from(out: &mut Vec<u8>, start: usize) {
    let needs = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    if !out[start..].iter().any(needs) {
        return;
    }
    let raw = out.split_off(start);
    for byte in raw {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[uri::hex_digit(byte >> 4), uri::hex_digit(byte & 15)]);
            }
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_values_are_escaped() {
        let mut out = b"\"kept\" ".to_vec();
        out.extend_from_slice(b"a\"b\\c\nd\xffe");
        escape_from(&mut out, 7);
        assert_eq!(out, br#""kept" a\x22b\x5Cc\x0Ad\xFFe"#);
        let mut out = b"\"kept\" ".to_vec();
        out.extend_from_slice(b"a\"b\\c\nd\xff\x01\x08");
        escape_json_from(&mut out, 7);
        assert_eq!(out, b"\"kept\" a\\\"b\\\\c\\nd\xff\\u0001\\b");
    }
}
