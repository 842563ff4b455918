//! HTTP exceptions that handlers raise, and their pages.

use std::borrow::Cow;
use std::fmt;

use http::header::{ALLOW, CONTENT_LENGTH, HeaderValue};
use http::{Method, StatusCode};

use crate::body::BoxError;
use crate::markup::escape;
use crate::response::Response;

/// An error that becomes a page (`werkzeug.exceptions.HTTPException`) unless an error handler of the app responds.
///
/// Every error type converts into one with status 500, so handlers can use `?`. The type does not implement
/// [`std::error::Error`], because that conversion would conflict with `From<Self>`.
#[derive(Debug)]
pub struct HttpException {
    status: StatusCode,
    description: Cow<'static, str>,
    allow: Option<HeaderValue>,
    original: Option<BoxError>,
}

/// The reason for a 500 that the handler did not request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the handler panicked: {0}")]
    Panicked(String),
    #[error("the error handler raised {0}")]
    ErrorHandler(String),
    #[error("abort({0}): not an error status; 400 to 599 are accepted")]
    NotAnErrorStatus(u16),
}

/// The exception for an error status, `abort(404)`; return it as `Err`.
///
/// As in werkzeug, a status outside 400 to 599 is a bug in the handler, so it becomes a 500.
#[must_use]
pub fn abort(status: u16) -> HttpException {
    match StatusCode::from_u16(status) {
        Ok(status) if status.is_client_error() || status.is_server_error() => HttpException::new(status),
        _ => Failure::NotAnErrorStatus(status).into(),
    }
}

impl HttpException {
    pub(super) fn new(status: StatusCode) -> Self {
        let description = Cow::Borrowed(description(status));
        Self { status, description, allow: None, original: None }
    }

    /// 405 with the allowed methods (RFC 9110 §15.5.6).
    pub(super) fn method_not_allowed(methods: &[Method]) -> Self {
        let mut exception = Self::new(StatusCode::METHOD_NOT_ALLOWED);
        exception.allow = Some(allow(methods));
        exception
    }

    /// The same exception with another text on its page: `abort(404, description=…)`.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = description.into();
        self
    }

    /// The status (`code`).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// werkzeug's name of the status.
    #[must_use]
    pub fn name(&self) -> &'static str {
        name(self.status)
    }

    /// The text on its page, not escaped.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The error behind a 500 (`original_exception`).
    #[must_use]
    pub fn original(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.original.as_deref()
    }

    /// The page, with werkzeug's layout.
    #[must_use]
    pub fn response(&self) -> Response {
        let (code, name) = (self.status.as_u16(), escape(self.name()));
        let description = escape(&self.description).replace('\n', "<br>");
        let page = format!(
            "<!doctype html>\n<html lang=en>\n<title>{code} {name}</title>\n<h1>{name}</h1>\n<p>{description}</p>\n"
        );
        let mut response = Response::new(page).status(code);
        if let Some(allow) = &self.allow {
            // Content-Length is added again after Allow, which is werkzeug's order.
            response.headers_mut().remove(CONTENT_LENGTH);
            response.headers_mut().insert(ALLOW, allow.clone());
        }
        response
    }
}

impl fmt::Display for HttpException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.name(), self.description)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for HttpException {
    fn from(error: E) -> Self {
        Self { original: Some(Box::new(error)), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR) }
    }
}

/// The value of an Allow field.
pub(super) fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    // OK because method names are tokens, which every field value allows
    HeaderValue::from_str(&names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// werkzeug's name of a status, which sometimes differs from the `http` crate's.
fn name(status: StatusCode) -> &'static str {
    match status.as_u16() {
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        416 => "Requested Range Not Satisfiable",
        449 => "Retry With",
        _ => status.canonical_reason().unwrap_or("Unknown Error"),
    }
}

/// The text on the page of a status, in lab's own words; only the layout is werkzeug's. Statuses that the framework
/// itself never raises have no text.
fn description(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "This request cannot be understood.",
        404 => "There is no page at this URL. Check its spelling.",
        405 => "This URL does not answer this method.",
        413 => "The body is larger than this application accepts.",
        415 => "This application does not read bodies of this media type.",
        500 => "The application failed while answering this request.",
        _ => "",
    }
}
