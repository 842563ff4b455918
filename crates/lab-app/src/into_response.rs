//! The values that handlers may return.

use bytes::Bytes;

use crate::body::Body;
use crate::exception::HttpException;
use crate::json::jsonify;
use crate::response::Response;

/// The return type of a handler: a response, text or bytes (as text/html), JSON, a pair or triple with a status and
/// headers in Flask's order, or a `Result` of any of them.
pub trait IntoResponse {
    /// # Errors
    /// The exception that the handler raised, or a response that cannot be sent.
    fn into_response(self) -> Result<Response, HttpException>;
}

impl IntoResponse for Response {
    fn into_response(self) -> Result<Response, HttpException> {
        match self.error() {
            Some(error) => Err(error.clone().into()),
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
