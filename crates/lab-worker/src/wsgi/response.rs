//! Validates what an application passes to `start_response` (PEP 3333: "The start_response() Callable") and writes the
//! head.

use lab_http::Headers;
use lab_http::h1::connection::is_hop_by_hop;
use lab_http::h1::write;

use crate::response::{AppFields, Framing, RequestMeta, choose_framing, write_head_end};

/// The head an application gave to `start_response`, already in wire format up to the server's own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsgiResponseHead {
    status: u16,
    content_length: Option<u64>,
    app_fields: AppFields,
    head: Vec<u8>,
}

/// A head that an application must not give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseHeadError {
    /// The status is not three digits, a space and a reason.
    #[error("the status {0:?} is not like \"200 OK\"")]
    Status(String),
    /// An interim status would not end the request.
    #[error("the status {0} is not a final one")]
    Interim(u16),
    /// The name would break the head.
    #[error("the field name {0:?} is not a token")]
    Name(String),
    /// The value would break the head. The message omits it because it may be a secret.
    #[error("the value of the field {0:?} has a control character")]
    Value(String),
    /// Applications must not set hop-by-hop fields (PEP 3333: "Other HTTP Features").
    #[error("the field {0:?} is hop-by-hop, and only the server's to set")]
    HopByHop(String),
    #[error("the Content-Length {0:?} is not a number")]
    ContentLength(String),
    #[error("there is more than one Content-Length")]
    ContentLengthRepeated,
}

impl WsgiResponseHead {
    /// Starts a head with a status such as `200 OK`.
    pub fn new(status: &[u8]) -> Result<WsgiResponseHead, ResponseHeadError> {
        let wrong = || ResponseHeadError::Status(status.escape_ascii().to_string());
        let [hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', reason @ ..] = status else {
            return Err(wrong());
        };
        let code = [hundreds, tens, ones].into_iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        if !matches!(reason, [] | [b' ', ..]) || !Headers::is_clean(b"reason", reason) {
            return Err(wrong());
        }
        if code < 200 {
            return Err(ResponseHeadError::Interim(code));
        }
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(b"HTTP/1.1 ");
        head.extend_from_slice(status);
        if reason.is_empty() {
            head.push(b' ');
        }
        head.extend_from_slice(b"\r\n");
        Ok(WsgiResponseHead { status: code, content_length: None, app_fields: AppFields::default(), head })
    }

    /// Adds a field in the application's spelling, without white space around the value.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseHeadError> {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let value = value.trim_ascii();
        if !Headers::is_clean(name, value) {
            let name_is_clean = Headers::is_clean(name, b"");
            return Err(if name_is_clean {
                ResponseHeadError::Value(text(name))
            } else {
                ResponseHeadError::Name(text(name))
            });
        }
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.content_length.is_some() {
                    return Err(ResponseHeadError::ContentLengthRepeated);
                }
                self.content_length = Some(number(value).ok_or_else(|| ResponseHeadError::ContentLength(text(value)))?);
                return Ok(());
            }
            6 if name.eq_ignore_ascii_case(b"server") => self.app_fields.has_server = true,
            4 if name.eq_ignore_ascii_case(b"date") => self.app_fields.has_date = true,
            _ if is_hop_by_hop(name) => return Err(ResponseHeadError::HopByHop(text(name))),
            _ => {}
        }
        write::field(&mut self.head, name, value);
        Ok(())
    }

    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The status as the application gave it, with its reason.
    #[must_use]
    pub fn status_text(&self) -> &[u8] {
        let line = self.head.split(|&byte| byte == b'\r').next().unwrap_or_default();
        line.strip_prefix(b"HTTP/1.1 ").unwrap_or(line)
    }

    /// The Content-Length the application gave.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Chooses the framing of the response. `size` is the length of the whole content, if known.
    #[must_use]
    pub fn framing(&self, meta: RequestMeta, size: Option<u64>) -> Framing {
        choose_framing(meta, self.status, self.content_length, size)
    }

    pub fn write(&self, out: &mut Vec<u8>, meta: RequestMeta, keep_alive: bool, framing: Framing) {
        out.extend_from_slice(&self.head);
        write_head_end(out, meta, keep_alive, framing, self.app_fields);
    }

    /// The fields the application gave, as (name, value), without its Content-Length.
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

    const META: RequestMeta = RequestMeta { is_head: false, version: Version::Http11 };

    #[test]
    fn status_is_three_digits_and_a_reason() {
        for status in ["200 OK", "200", "299 ", "404 N\u{f6}t Found", "200 a\tb"] {
            assert!(WsgiResponseHead::new(status.as_bytes()).is_ok(), "{status:?}");
        }
        for status in ["", "20 OK", "200OK", "2000 OK", "abc", "200 a\r\nX: y", "200 a\n", " 200 OK", "099 x"] {
            let found = WsgiResponseHead::new(status.as_bytes());
            assert!(matches!(found, Err(ResponseHeadError::Status(_))), "{status:?}: {found:?}");
        }
        assert_eq!(WsgiResponseHead::new(b"101 Switching Protocols"), Err(ResponseHeadError::Interim(101)));
    }

    #[test]
    fn fields_that_break_the_head_are_refused() {
        let field = |name: &str, value: &str| {
            WsgiResponseHead::new(b"200 OK").unwrap().field(name.as_bytes(), value.as_bytes())
        };
        assert_eq!(field("X-A", "b\r\nX-C: d"), Err(ResponseHeadError::Value("X-A".to_owned())));
        assert_eq!(field("X-A", "b\0"), Err(ResponseHeadError::Value("X-A".to_owned())));
        assert_eq!(field("X A", "b"), Err(ResponseHeadError::Name("X A".to_owned())));
        assert_eq!(field("", "b"), Err(ResponseHeadError::Name(String::new())));
        assert_eq!(field("X-A:", "b"), Err(ResponseHeadError::Name("X-A:".to_owned())));
        for name in ["Connection", "transfer-encoding", "Keep-Alive", "Upgrade", "TE", "Trailer", "Proxy-Connection"] {
            assert_eq!(field(name, "x"), Err(ResponseHeadError::HopByHop(name.to_owned())));
        }
        assert_eq!(field("Content-Length", "+5"), Err(ResponseHeadError::ContentLength("+5".to_owned())));
        assert_eq!(field("Content-Length", ""), Err(ResponseHeadError::ContentLength(String::new())));
        let mut head = WsgiResponseHead::new(b"200 OK").unwrap();
        head.field(b"content-length", b"5").unwrap();
        assert_eq!(head.field(b"Content-Length", b"5"), Err(ResponseHeadError::ContentLengthRepeated));
    }

    #[test]
    fn head_keeps_the_applications_spelling() {
        let mut head = WsgiResponseHead::new(b"200 Fine").unwrap();
        let fields = [("content-TYPE", "text/plain"), ("Set-Cookie", "a"), ("set-cookie", " b\t"), ("Date", "today")];
        for (name, value) in fields {
            head.field(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let framing = head.framing(META, Some(3));
        let mut out = Vec::new();
        head.write(&mut out, META, true, framing);
        assert_eq!(
            out.escape_ascii().to_string(),
            "HTTP/1.1 200 Fine\\r\\ncontent-TYPE: text/plain\\r\\nSet-Cookie: a\\r\\nset-cookie: b\\r\\n\
             Date: today\\r\\nServer: lab\\r\\nContent-Length: 3\\r\\n\\r\\n"
        );
        assert_eq!(head.status_text(), b"200 Fine");
        let names: Vec<_> = head.fields().map(|(name, value)| [name, b"=", value].concat()).collect();
        assert_eq!(names.concat(), b"content-TYPE=text/plainSet-Cookie=aset-cookie=bDate=today");
    }
}
