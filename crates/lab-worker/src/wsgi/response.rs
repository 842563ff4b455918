//! What an application may answer (PEP 3333: "The start_response() Callable"), and the head it becomes.

use lab_http::connection::is_hop_by_hop;
use lab_http::{Headers, write};

use crate::response::{Asked, Framing, Own, end_of_head, framing};

/// A response whose `start_response` was called. The head is kept as it will be sent, up to the server's own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    status: u16,
    length: Option<u64>,
    own: Own,
    head: Vec<u8>,
}

/// What an application may not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The status is not three digits, a space and a reason.
    #[error("the status {0:?} is not like \"200 OK\"")]
    Status(String),
    /// An interim status is not a response.
    #[error("the status {0} is not a final one")]
    Interim(u16),
    /// A name that would break the head.
    #[error("the field name {0:?} is not a token")]
    Name(String),
    /// A value that would break the head. The value itself is not told: it may be a secret.
    #[error("the value of the field {0:?} has a control character")]
    Value(String),
    /// A field of the connection, which is the server's (PEP 3333: "Other HTTP Features").
    #[error("the field {0:?} is hop-by-hop, and only the server's to set")]
    HopByHop(String),
    /// Content-Length is no number.
    #[error("the Content-Length {0:?} is not a number")]
    ContentLength(String),
    /// Content-Length is there twice.
    #[error("there is more than one Content-Length")]
    ContentLengthRepeated,
}

impl Started {
    /// With a status such as `200 OK`.
    pub fn new(status: &[u8]) -> Result<Started, StartError> {
        let wrong = || StartError::Status(status.escape_ascii().to_string());
        let [hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', reason @ ..] = status else {
            return Err(wrong());
        };
        let code = [hundreds, tens, ones].into_iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        if !matches!(reason, [] | [b' ', ..]) || !Headers::is_clean(b"reason", reason) {
            return Err(wrong());
        }
        if code < 200 {
            return Err(StartError::Interim(code));
        }
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(b"HTTP/1.1 ");
        head.extend_from_slice(status);
        if reason.is_empty() {
            head.push(b' ');
        }
        head.extend_from_slice(b"\r\n");
        Ok(Started { status: code, length: None, own: Own::default(), head })
    }

    /// Adds a field, written as the application wrote it; white space around the value is taken off.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), StartError> {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let value = value.trim_ascii();
        if !Headers::is_clean(name, value) {
            let name_is_clean = Headers::is_clean(name, b"");
            return Err(if name_is_clean { StartError::Value(text(name)) } else { StartError::Name(text(name)) });
        }
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(StartError::ContentLengthRepeated);
                }
                self.length = Some(number(value).ok_or_else(|| StartError::ContentLength(text(value)))?);
                return Ok(());
            }
            6 if name.eq_ignore_ascii_case(b"server") => self.own.server = true,
            4 if name.eq_ignore_ascii_case(b"date") => self.own.date = true,
            _ if is_hop_by_hop(name) => return Err(StartError::HopByHop(text(name))),
            _ => {}
        }
        write::field(&mut self.head, name, value);
        Ok(())
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The Content-Length the application gave.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The framing of the response, where the content is `size` bytes if that is known.
    #[must_use]
    pub fn framing(&self, asked: Asked, size: Option<u64>) -> Framing {
        framing(asked, self.status, self.length, size)
    }

    /// Appends the whole head.
    pub fn write(&self, out: &mut Vec<u8>, asked: Asked, persistent: bool, framing: Framing) {
        out.extend_from_slice(&self.head);
        end_of_head(out, asked, persistent, framing, self.own);
    }

    /// The fields the application gave, as (name, value), its Content-Length left out.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.head.split(|&byte| byte == b'\n').skip(1);
        lines.filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use lab_http::Version;

    use super::*;

    const ASKED: Asked = Asked { head: false, version: Version::Http11 };

    #[test]
    fn a_status_is_three_digits_and_a_reason() {
        for status in ["200 OK", "200", "299 ", "404 N\u{f6}t Found", "200 a\tb"] {
            assert!(Started::new(status.as_bytes()).is_ok(), "{status:?}");
        }
        for status in ["", "20 OK", "200OK", "2000 OK", "abc", "200 a\r\nX: y", "200 a\n", " 200 OK", "099 x"] {
            let found = Started::new(status.as_bytes());
            assert!(matches!(found, Err(StartError::Status(_))), "{status:?}: {found:?}");
        }
        assert_eq!(Started::new(b"101 Switching Protocols"), Err(StartError::Interim(101)));
    }

    #[test]
    fn fields_that_break_the_head_are_refused() {
        let field = |name: &str, value: &str| Started::new(b"200 OK").unwrap().field(name.as_bytes(), value.as_bytes());
        assert_eq!(field("X-A", "b\r\nX-C: d"), Err(StartError::Value("X-A".to_owned())));
        assert_eq!(field("X-A", "b\0"), Err(StartError::Value("X-A".to_owned())));
        assert_eq!(field("X A", "b"), Err(StartError::Name("X A".to_owned())));
        assert_eq!(field("", "b"), Err(StartError::Name(String::new())));
        assert_eq!(field("X-A:", "b"), Err(StartError::Name("X-A:".to_owned())));
        for name in ["Connection", "transfer-encoding", "Keep-Alive", "Upgrade", "TE", "Trailer", "Proxy-Connection"] {
            assert_eq!(field(name, "x"), Err(StartError::HopByHop(name.to_owned())));
        }
        assert_eq!(field("Content-Length", "+5"), Err(StartError::ContentLength("+5".to_owned())));
        assert_eq!(field("Content-Length", ""), Err(StartError::ContentLength(String::new())));
        let mut started = Started::new(b"200 OK").unwrap();
        started.field(b"content-length", b"5").unwrap();
        assert_eq!(started.field(b"Content-Length", b"5"), Err(StartError::ContentLengthRepeated));
    }

    #[test]
    fn a_head_is_written_as_the_application_wrote_it() {
        let mut started = Started::new(b"200 Fine").unwrap();
        let fields = [("content-TYPE", "text/plain"), ("Set-Cookie", "a"), ("set-cookie", " b\t"), ("Date", "today")];
        for (name, value) in fields {
            started.field(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let framing = started.framing(ASKED, Some(3));
        let mut out = Vec::new();
        started.write(&mut out, ASKED, true, framing);
        assert_eq!(
            out.escape_ascii().to_string(),
            "HTTP/1.1 200 Fine\\r\\ncontent-TYPE: text/plain\\r\\nSet-Cookie: a\\r\\nset-cookie: b\\r\\n\
             Date: today\\r\\nServer: lab\\r\\nContent-Length: 3\\r\\n\\r\\n"
        );
        let names: Vec<_> = started.fields().map(|(name, value)| [name, b"=", value].concat()).collect();
        assert_eq!(names.concat(), b"content-TYPE=text/plainSet-Cookie=aset-cookie=bDate=today");
    }
}
