//! Responses, and what handlers may return in place of one.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use http::{Method, StatusCode};

use crate::body::Body;
use crate::cookie::Cookie;
use crate::exception::HttpException;
use crate::json::jsonify;
use crate::markup::escape;
use crate::url::iri_to_uri;

/// A response. What cannot be sent (a header value with a line feed, say) makes it a 500, as raising does in Flask.
#[derive(Debug)]
pub struct Response {
    inner: http::Response<Body>,
    error: Option<ResponseError>,
}

/// What a response cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Not a final status.
    #[error("{0} is not the status of a response: 200 to 599 are")]
    Status(u16),
    /// Not a token (RFC 9110 §5.1).
    #[error("{0:?} is not the name of a header field: letters, digits and !#$%&'*+-.^_`|~ are accepted")]
    HeaderName(String),
    /// Characters that no field holds (RFC 9110 §5.5).
    #[error(
        "the value {value:?} of the header field {name} holds other characters than visible ASCII, spaces and tabs"
    )]
    HeaderValue {
        /// The field.
        name: String,
        /// Its value.
        value: String,
    },
}

/// What a handler may return: a response, text or bytes (as text/html), JSON, a pair or triple with a status and
/// headers in Flask's order, or a `Result` of any of them.
pub trait IntoResponse {
    /// The response, or the exception to answer with.
    ///
    /// # Errors
    /// What the handler raised, or a response that cannot be sent.
    fn into_response(self) -> Result<Response, HttpException>;
}

impl Response {
    /// 200 with this body, as `text/html; charset=utf-8`.
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

    /// Sets Content-Type to a media type; `charset=utf-8` is added to text, as werkzeug does.
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

    /// Sets Content-Type, or takes it away.
    #[must_use]
    pub(super) fn content_type_value(mut self, value: impl Into<Option<HeaderValue>>) -> Self {
        match value.into() {
            Some(value) => self.inner.headers_mut().insert(CONTENT_TYPE, value),
            None => self.inner.headers_mut().remove(CONTENT_TYPE),
        };
        self
    }

    /// Adds a header line; lines of one name stay apart and in order.
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

    /// Adds a Set-Cookie line of its own (RFC 6265 §3: they are never folded).
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

    /// The status.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        self.inner.status()
    }

    /// The header lines.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// The header lines, to be changed.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.inner.headers_mut()
    }

    /// The response as it is sent in answer to this method: lengths set, bodies and entity headers left out where
    /// HTTP has none (`get_wsgi_headers` and `get_app_iter`; RFC 9110 §8.6, §9.3.2, §15.3.5, §15.4.5).
    pub(super) fn for_method(self, method: &Method) -> http::Response<Body> {
        let mut response = self.inner;
        match response.status() {
            StatusCode::NO_CONTENT => {
                response.headers_mut().remove(CONTENT_LENGTH);
                *response.body_mut() = Body::empty();
            }
            // RFC 9110 §15.3.6, where werkzeug sends what it was given.
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
                    // Of a streamed body not even the length is known, and HEAD must not say that it is 0.
                    let unknown = response.body().len().is_none();
                    *response.body_mut() = if unknown { Body::from_chunks([Bytes::new()]) } else { Body::empty() };
                }
            }
        }
        response
    }
}

/// A redirect with a page for those who do not follow it, `redirect(location, code)`; Flask's default code is 302.
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

/// What a 304 does not repeat (werkzeug's `remove_entity_headers`).
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

impl IntoResponse for Response {
    fn into_response(self) -> Result<Response, HttpException> {
        match self.error {
            Some(error) => Err(error.into()),
            None => Ok(self),
        }
    }
}

impl<T: IntoResponse, E: Into<HttpException>> IntoResponse for Result<T, E> {
    fn into_response(self) -> Result<Response, HttpException> {
        self.map_err(Into::into)?.into_response()
    }
}

impl<T: IntoResponse> IntoResponse for (T, u16) {
    fn into_response(self) -> Result<Response, HttpException> {
        self.0.into_response()?.status(self.1).into_response()
    }
}

impl<T: IntoResponse, const N: usize> IntoResponse for (T, u16, [(&str, &str); N]) {
    fn into_response(self) -> Result<Response, HttpException> {
        let response = (self.0, self.1).into_response()?;
        self.2.into_iter().fold(response, |response, (name, value)| response.header(name, value)).into_response()
    }
}

impl IntoResponse for HttpException {
    fn into_response(self) -> Result<Response, HttpException> {
        Err(self)
    }
}

impl IntoResponse for serde_json::Value {
    fn into_response(self) -> Result<Response, HttpException> {
        jsonify(&self)
    }
}

macro_rules! bodies {
    ($($body:ty),*) => {$(
        impl IntoResponse for $body {
            fn into_response(self) -> Result<Response, HttpException> {
                Ok(Response::new(self))
            }
        }
    )*};
}

bodies!(&'static str, String, Vec<u8>, Bytes, Body);
