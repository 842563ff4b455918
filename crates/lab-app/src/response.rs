//! Responses.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use http::{Method, StatusCode};

use crate::body::Body;
use crate::cookie::Cookie;
use crate::markup::escape;
use crate::url::iri_to_uri;

/// A response. If it cannot be sent, for example because a header value has a line feed, it becomes a 500, like an
/// exception in Flask.
#[derive(Debug)]
pub struct Response {
    inner: http::Response<Body>,
    error: Option<ResponseError>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Not a final status.
    #[error("{0} is not the status of a response: 200 to 599 are")]
    Status(u16),
    /// Not a token (RFC 9110 §5.1).
    #[error("{0:?} is not the name of a header field: letters, digits and !#$%&'*+-.^_`|~ are accepted")]
    HeaderName(String),
    /// Characters that no field value allows (RFC 9110 §5.5).
    #[error(
        "the value {value:?} of the header field {name} holds other characters than visible ASCII, spaces and tabs"
    )]
    HeaderValue { name: String, value: String },
}

impl Response {
    /// Status 200 with this body, as `text/html; charset=utf-8`.
    #[must_use]
    pub fn new(body: impl Into<Body>) -> Self {
        let mut inner = http::Response::new(body.into());
        inner.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        if let Some(length) = inner.body().len().filter(|length| *length > 0) {
            inner.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        Self { inner, error: None }
    }

    /// Sets the status: 200 to 599.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(status) if (200..600).contains(&status.as_u16()) => *self.inner.status_mut() = status,
            _ => self.error = Some(ResponseError::Status(status)),
        }
        self
    }

    /// Sets Content-Type to a media type, with `charset=utf-8` for text, as werkzeug does.
    #[must_use]
    pub fn mimetype(self, mimetype: &str) -> Self {
        match mimetype {
            "text/plain" => self.content_type_value(HeaderValue::from_static("text/plain; charset=utf-8")),
            "application/json" => self.content_type_value(HeaderValue::from_static("application/json")),
            "application/octet-stream" => self.content_type_value(HeaderValue::from_static("application/octet-stream")),
            _ if is_text(mimetype) => self.content_type(&format!("{mimetype}; charset=utf-8")),
            _ => self.content_type(mimetype),
        }
    }

    /// Sets Content-Type to exactly this.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        match HeaderValue::from_str(content_type) {
            Ok(value) => self.content_type_value(value),
            Err(_) => {
                self.error =
                    Some(ResponseError::HeaderValue { name: CONTENT_TYPE.to_string(), value: content_type.to_owned() });
                self
            }
        }
    }

    /// Sets or removes Content-Type.
    #[must_use]
    pub(super) fn content_type_value(mut self, value: impl Into<Option<HeaderValue>>) -> Self {
        match value.into() {
            Some(value) => self.inner.headers_mut().insert(CONTENT_TYPE, value),
            None => self.inner.headers_mut().remove(CONTENT_TYPE),
        };
        self
    }

    /// Adds a header line. Lines of one name stay separate and in order.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => {
                self.inner.headers_mut().append(name, value);
            }
            (Err(_), _) => self.error = Some(ResponseError::HeaderName(name.to_owned())),
            (_, Err(_)) => {
                self.error = Some(ResponseError::HeaderValue { name: name.to_owned(), value: value.to_owned() });
            }
        }
        self
    }

    /// Adds a separate Set-Cookie line (RFC 6265 §3 forbids folding).
    #[must_use]
    pub fn set_cookie(self, cookie: &Cookie) -> Self {
        self.header(SET_COOKIE.as_str(), &cookie.field(SystemTime::now()))
    }

    /// Adds the Set-Cookie line that deletes a cookie of this name and the path `/`.
    #[must_use]
    pub fn delete_cookie(self, name: &str) -> Self {
        let deletion = Cookie::new(name, "").max_age(std::time::Duration::ZERO);
        self.header(SET_COOKIE.as_str(), &deletion.field(SystemTime::UNIX_EPOCH))
    }

    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        self.inner.status()
    }

    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// The reason why the response cannot be sent.
    pub(super) fn error(&self) -> Option<&ResponseError> {
        self.error.as_ref()
    }

    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.inner.headers_mut()
    }

    /// The response to a request with this method: with its length, and without the body and entity fields where HTTP
    /// forbids them (`get_wsgi_headers` and `get_app_iter`; RFC 9110 §8.6, §9.3.2, §15.3.5, §15.4.5).
    pub(super) fn for_method(self, method: &Method) -> http::Response<Body> {
        let mut response = self.inner;
        match response.status() {
            StatusCode::NO_CONTENT => {
                response.headers_mut().remove(CONTENT_LENGTH);
                *response.body_mut() = Body::empty();
            }
            // RFC 9110 §15.3.6; werkzeug sends the body anyway.
            StatusCode::RESET_CONTENT => {
                response.headers_mut().insert(CONTENT_LENGTH, 0.into());
                *response.body_mut() = Body::empty();
            }
            StatusCode::NOT_MODIFIED => {
                remove_entity_headers(response.headers_mut());
                *response.body_mut() = Body::empty();
            }
            _ => {
                if let (Some(length), false) = (response.body().len(), response.headers().contains_key(CONTENT_LENGTH))
                {
                    response.headers_mut().insert(CONTENT_LENGTH, length.into());
                }
                if *method == Method::HEAD {
                    // The length of a streamed body is unknown, and HEAD must not claim 0.
                    let unknown = response.body().len().is_none();
                    *response.body_mut() = if unknown { Body::from_chunks([Bytes::new()]) } else { Body::empty() };
                }
            }
        }
        response
    }
}

/// A redirect with a page for clients that do not follow it: `redirect(location, code)`. Flask's default code is 302.
///
/// As in werkzeug since 2.1, a relative location stays relative.
#[must_use]
pub fn redirect(location: &str, code: u16) -> Response {
    let link = escape(location);
    let page = format!(
        "<!doctype html>\n<html lang=en>\n<title>Redirect</title>\n<h1>Redirect</h1>\n\
         <p>This page is at <a href=\"{link}\">{link}</a>.\n"
    );
    Response::new(page).status(code).header(LOCATION.as_str(), &iri_to_uri(location))
}

fn is_text(mimetype: &str) -> bool {
    mimetype.starts_with("text/")
        || mimetype.ends_with("+xml")
        || matches!(
            mimetype,
            "application/javascript" | "application/ecmascript" | "application/sql" | "application/xml"
        )
}

/// Removes the fields that a 304 does not repeat (werkzeug's `remove_entity_headers`).
fn remove_entity_headers(headers: &mut HeaderMap) {
    const ENTITY: [&str; 8] = [
        "allow",
        "content-encoding",
        "content-language",
        "content-length",
        "content-md5",
        "content-range",
        "content-type",
        "last-modified",
    ];
    for name in ENTITY {
        headers.remove(name);
    }
}
