//! Bodies: content codings, boundaries of multipart bodies, and tokens in forms.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::check::content_coding::{self, Content};
use crate::check::observed::Observed;

/// What stands for the boundary of a multipart body.
pub(super) const BOUNDARY: &str = "{boundary}";

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
    // What cannot be decoded stays as it arrived.
    let (content, is_decoded) = match content_coding::decoded(observed) {
        Ok(Some(content)) => (content, true),
        Ok(None) | Err(_) => (Content { text: observed.body.clone(), is_binary: observed.is_binary }, false),
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
