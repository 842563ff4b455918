//! Incremental parsers of heads.
//!
//! A parser receives the whole text since the message began, each time it has grown, and searches each byte for a line
//! end only once. It refuses a malformed line when the line is complete, or when it exceeds its limit.

use memchr::memchr;

use super::limits::Limits;
use crate::message::head::{RequestHead, ResponseHead, Version};
use crate::message::headers::{Field, Headers, Span};
use crate::message::refusal::Refusal;
use crate::message::syntax::{is_field_value, is_token, token_length, trim};

/// Parses request heads strictly, as a server must.
#[derive(Debug, Default)]
pub struct RequestParser {
    lines: Lines,
    start_line: Option<(Span, Span, Version)>,
    section: FieldSection,
}

/// Parses response heads as strictly, with two exceptions: it removes white space before a colon (RFC 9112 §5.1), and
/// accepts a status line without the space after its code (RFC 9112 §4).
#[derive(Debug, Default)]
pub struct ResponseParser {
    lines: Lines,
    start_line: Option<(Version, u16, Span)>,
    section: FieldSection,
}

impl RequestParser {
    /// Continues with `text`, which begins with the text of the previous call. Returns the complete head and its length
    /// in bytes; then the parser is ready for the next head.
    ///
    /// Skips one empty line before the request line (RFC 9112 §2.2).
    pub fn advance(&mut self, text: &[u8], limits: &Limits) -> Result<Option<(RequestHead, usize)>, Refusal> {
        let (method, target, version) = match self.start_line {
            Some(start_line) => start_line,
            None => {
                let Some(line) = self.lines.start_line(text, limits)? else { return Ok(None) };
                let start_line = line.parse(text, request_line)?;
                *self.start_line.insert(start_line)
            }
        };
        let Some(length) = self.section.advance(&mut self.lines, text, limits, Colon::Strict)? else { return Ok(None) };
        let headers = Headers { text: text[..length].to_vec(), fields: std::mem::take(&mut self.section.fields) };
        *self = RequestParser::default();
        Ok(Some((RequestHead { method, target, version, headers }, length)))
    }
}

impl ResponseParser {
    /// As [`RequestParser::advance`].
    pub fn advance(&mut self, text: &[u8], limits: &Limits) -> Result<Option<(ResponseHead, usize)>, Refusal> {
        let (version, status, reason) = match self.start_line {
            Some(start_line) => start_line,
            None => {
                let Some(line) = self.lines.next(text, limits.start_line, Refusal::StartLineTooLong, limits)? else {
                    return Ok(None);
                };
                let start_line = line.parse(text, status_line)?;
                *self.start_line.insert(start_line)
            }
        };
        let Some(length) = self.section.advance(&mut self.lines, text, limits, Colon::Lenient)? else {
            return Ok(None);
        };
        let headers = Headers { text: text[..length].to_vec(), fields: std::mem::take(&mut self.section.fields) };
        *self = ResponseParser::default();
        Ok(Some((ResponseHead { version, status, reason, headers }, length)))
    }
}

/// The treatment of white space before a colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colon {
    Strict,
    Lenient,
}

/// Field lines up to the empty line: the rest of a head, or a trailer section.
#[derive(Debug, Default)]
pub(crate) struct FieldSection {
    pub(crate) fields: Vec<Field>,
}

impl FieldSection {
    /// Returns the length of the text once the section is complete.
    pub(crate) fn advance(
        &mut self,
        lines: &mut Lines,
        text: &[u8],
        limits: &Limits,
        colon: Colon,
    ) -> Result<Option<usize>, Refusal> {
        while let Some(line) = lines.next(text, limits.field, Refusal::FieldTooLong, limits)? {
            if line.is_empty() {
                return Ok(Some(lines.start));
            }
            if self.fields.len() == limits.fields {
                return Err(Refusal::TooManyFields);
            }
            if self.fields.is_empty() {
                self.fields.reserve(16.min(limits.fields));
            }
            let first = self.fields.is_empty();
            self.fields.push(line.parse(text, |bytes, at| field_line(bytes, at, first, colon))?);
        }
        Ok(None)
    }
}

/// Splits text into lines that end with CRLF.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The start of the first incomplete line.
    start: usize,
    /// The end of the text that was searched for a line end.
    searched: usize,
}

/// The range of a complete line without its end.
struct Line {
    start: usize,
    end: usize,
}

impl Line {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Passes the line and its offset in the text to `parse`. If the line has a CR, that is the reason of any refusal.
    fn parse<T>(&self, text: &[u8], parse: impl FnOnce(&[u8], usize) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let line = &text[self.start..self.end];
        parse(line, self.start).map_err(|refusal| if memchr(b'\r', line).is_some() { Refusal::BareCr } else { refusal })
    }
}

impl Lines {
    /// The next line, if it is complete. `longest` limits the line, and `limits` the text up to its end.
    fn next(
        &mut self,
        text: &[u8],
        longest: usize,
        too_long: Refusal,
        limits: &Limits,
    ) -> Result<Option<Line>, Refusal> {
        let Some(found) = memchr(b'\n', &text[self.searched..]) else {
            self.searched = text.len();
            // The last byte may be the CR after a line of exactly the longest length.
            return match text.len() {
                length if length - self.start > longest + 1 => Err(too_long),
                length if length > limits.head => Err(Refusal::HeadTooLong),
                _ => Ok(None),
            };
        };
        let line_feed = self.searched + found;
        let ended = line_feed > self.start && text[line_feed - 1] == b'\r';
        let line = Line { start: self.start, end: line_feed - usize::from(ended) };
        self.start = line_feed + 1;
        self.searched = self.start;
        match line.end - line.start {
            length if length > longest => Err(too_long),
            _ if self.start > limits.head => Err(Refusal::HeadTooLong),
            _ if !ended && !limits.allows_bare_lf => Err(Refusal::BareLf),
            _ => Ok(Some(line)),
        }
    }

    /// The first line of a request. Skips one empty line before it.
    fn start_line(&mut self, text: &[u8], limits: &Limits) -> Result<Option<Line>, Refusal> {
        let first = self.start == 0;
        let line = self.next(text, limits.start_line, Refusal::StartLineTooLong, limits)?;
        match line {
            Some(line) if line.is_empty() && first => {
                self.next(text, limits.start_line, Refusal::StartLineTooLong, limits)
            }
            line => Ok(line),
        }
    }
}

/// `method SP request-target SP HTTP-version`, with single spaces (RFC 9112 §3).
fn request_line(line: &[u8], at: usize) -> Result<(Span, Span, Version), Refusal> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::RequestLine);
    };
    if !is_token(method) || method.iter().any(u8::is_ascii_lowercase) {
        return Err(Refusal::Method);
    }
    if target.is_empty() {
        return Err(Refusal::RequestLine);
    }
    if target.iter().any(|&byte| byte < 0x21 || byte == 0x7f) {
        return Err(Refusal::Target);
    }
    let version = parse_version(version).ok_or(Refusal::RequestLine)??;
    let target_at = at + method.len() + 1;
    Ok((Span::new(at, at + method.len()), Span::new(target_at, target_at + target.len()), version))
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4).
fn status_line(line: &[u8], at: usize) -> Result<(Version, u16, Span), Refusal> {
    let (version, rest) = line.split_at_checked(8).ok_or(Refusal::StatusLine)?;
    let version = parse_version(version).ok_or(Refusal::StatusLine)??;
    let [b' ', hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', reason @ ..] = rest else {
        return Err(Refusal::StatusLine);
    };
    let status = [hundreds, tens, ones].into_iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let reason = match reason {
        [] => Span::new(at + line.len(), at + line.len()),
        [b' ', reason @ ..] if is_field_value(reason) => Span::new(at + line.len() - reason.len(), at + line.len()),
        _ => return Err(Refusal::StatusLine),
    };
    Ok((version, status, reason))
}

/// `HTTP/` DIGIT `.` DIGIT: None if malformed, an error if the version is not supported.
fn parse_version(text: &[u8]) -> Option<Result<Version, Refusal>> {
    match text {
        b"HTTP/1.1" => Some(Ok(Version::Http11)),
        b"HTTP/1.0" => Some(Ok(Version::Http10)),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Some(Ok(Version::Http11)),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Some(Err(Refusal::Version)),
        _ => None,
    }
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 §5).
fn field_line(line: &[u8], at: usize, first: bool, colon: Colon) -> Result<Field, Refusal> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let name_length = token_length(line).ok_or(Refusal::FieldName)?;
    let spaces = line[name_length..].iter().take_while(|byte| is_space(byte)).count();
    match (name_length, spaces, line.get(name_length + spaces)) {
        (0, 1.., _) if first => return Err(Refusal::SpaceBeforeFirstField),
        (0, 1.., _) => return Err(Refusal::Folded),
        (1.., 0, Some(b':')) => {}
        (1.., 1.., Some(b':')) if colon == Colon::Lenient => {}
        (1.., 1.., Some(b':')) => return Err(Refusal::SpaceBeforeColon),
        _ => return Err(Refusal::FieldName),
    }
    let after_colon = name_length + spaces + 1;
    let raw = &line[after_colon..];
    let start = after_colon + raw.iter().take_while(|byte| is_space(byte)).count();
    let value = trim(raw);
    if !is_field_value(value) {
        return Err(Refusal::FieldValue);
    }
    Ok(Field { name: Span::new(at, at + name_length), value: Span::new(at + start, at + start + value.len()) })
}
