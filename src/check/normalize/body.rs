//! Bodies: content codings, boundaries of multipart bodies, and tokens in forms.

use std::borrow::Cow;
use std::io::Read as _;
use std::sync::LazyLock;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use regex::{Captures, Regex};

use crate::check::observed::Observed;

/// What stands for the boundary of a multipart body.
pub(super) const BOUNDARY: &str = "{boundary}";

/// More than a response of an application has; a small body can decode to any size.
const LARGEST_DECODED: u64 = 64 << 20;

/// Tags that carry a CSRF token: by Flask-WTF, Django, Rails, ASP.NET and common middleware.
static TOKEN_TAG: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)<(?:input|meta)\b[^>]*\bname\s*=\s*["']?(?:csrf[-_]?token|csrfmiddlewaretoken|_csrf(?:_token)?|_token|authenticity_token|__RequestVerificationToken|xsrf[-_]token)\b[^>]*>"#,
    )
    .expect("a valid expression")
});
/// The attribute with the token.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\b(value|content)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+)"#).expect("a valid expression")
});

/// A body as text, as [`Observed`] has it.
pub(super) struct Content {
    pub(super) text: String,
    pub(super) is_binary: bool,
}

/// The boundary in the value of a `Content-Type` field (RFC 2046, section 5.1.1).
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (media_type, parameters) = content_type.split_once(';')?;
    if !media_type.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    value.filter(|value| !value.is_empty())
}

/// The normalised body, and whether it differs from the one that arrived.
pub(super) fn normalize(observed: &Observed, boundary: Option<&str>) -> (Content, bool) {
    let (content, is_decoded) = match decoded(observed) {
        Some(bytes) => (Content::from_bytes(bytes), true),
        None => (Content { text: observed.body.clone(), is_binary: observed.is_binary }, false),
    };
    let mut text = Cow::Borrowed(content.text.as_str());
    if let Some(boundary) = boundary
        && text.contains(boundary)
    {
        text = Cow::Owned(text.replace(boundary, BOUNDARY));
    }
    let without_tokens = TOKEN_TAG.replace_all(&text, |tag: &Captures<'_>| {
        TOKEN.replace(&tag[0], |attribute: &Captures<'_>| format!("{}=\"{{csrf}}\"", &attribute[1])).into_owned()
    });
    let is_changed = is_decoded || *without_tokens != content.text;
    let text = without_tokens.into_owned();
    (Content { text, is_binary: content.is_binary }, is_changed)
}

/// The content of a compressed body; `None` if it is not compressed, or cannot be decoded.
fn decoded(observed: &Observed) -> Option<Vec<u8>> {
    let mut codings = observed.lines("content-encoding");
    let (Some(coding), None) = (codings.next(), codings.next()) else { return None };
    let bytes = observed.body_bytes();
    let read = |reader: &mut dyn std::io::Read| {
        let mut content = Vec::new();
        reader.take(LARGEST_DECODED).read_to_end(&mut content).ok().map(|_| content)
    };
    match coding.trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => read(&mut MultiGzDecoder::new(&*bytes)),
        // RFC 9110, section 8.4.1.2: zlib's format, which some servers leave out.
        "deflate" => read(&mut ZlibDecoder::new(&*bytes)).or_else(|| read(&mut DeflateDecoder::new(&*bytes))),
        _ => None,
    }
}

impl Content {
    fn from_bytes(bytes: Vec<u8>) -> Content {
        match String::from_utf8(bytes) {
            Ok(text) => Content { text, is_binary: false },
            // Each character stands for a byte, as in [`Observed`].
            Err(error) => Content { text: error.into_bytes().into_iter().map(char::from).collect(), is_binary: true },
        }
    }
}
