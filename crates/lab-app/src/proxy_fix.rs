//! ProxyFix: middleware that trusts a fixed number of proxies.
//!
//! The specification is `werkzeug.middleware.proxy_fix` of werkzeug 3.1.9. It trusts hops by their *number*: with
//! `x_for(1)` the client is the address that the nearest proxy appended, and anything the client itself sent is
//! ignored.

use std::borrow::Cow;
use std::task::{Context, Poll};

use http::HeaderMap;
use http::header::HeaderName;
use tower_service::Service;

use crate::environ::{Environ, EnvironValue};
use crate::list_header::nth_from_right;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Middleware that sets a request's [`Environ`] from the X-Forwarded-* fields, as `ProxyFix(app.wsgi_app)` does.
///
/// Each field has the number of proxies that set it; 0 ignores the field. The defaults are werkzeug's: one proxy sets
/// X-Forwarded-For and X-Forwarded-Proto, none sets the others.
#[derive(Debug, Clone)]
pub struct ProxyFix<S> {
    app: S,
    trust: Trust,
}

#[derive(Debug, Clone, Copy)]
struct Trust {
    x_for: usize,
    x_proto: usize,
    x_host: usize,
    x_port: usize,
    x_prefix: usize,
}

impl<S> ProxyFix<S> {
    #[must_use]
    pub fn new(app: S) -> Self {
        Self { app, trust: Trust { x_for: 1, x_proto: 1, x_host: 0, x_port: 0, x_prefix: 0 } }
    }

    /// The number of proxies that append to X-Forwarded-For (REMOTE_ADDR).
    #[must_use]
    pub fn x_for(mut self, proxies: usize) -> Self {
        self.trust.x_for = proxies;
        self
    }

    /// The number of proxies that append to X-Forwarded-Proto (`wsgi.url_scheme`).
    #[must_use]
    pub fn x_proto(mut self, proxies: usize) -> Self {
        self.trust.x_proto = proxies;
        self
    }

    /// The number of proxies that append to X-Forwarded-Host (HTTP_HOST, SERVER_NAME, and SERVER_PORT if it has a
    /// port).
    #[must_use]
    pub fn x_host(mut self, proxies: usize) -> Self {
        self.trust.x_host = proxies;
        self
    }

    /// The number of proxies that append to X-Forwarded-Port (SERVER_PORT, and the port in HTTP_HOST).
    #[must_use]
    pub fn x_port(mut self, proxies: usize) -> Self {
        self.trust.x_port = proxies;
        self
    }

    /// The number of proxies that append to X-Forwarded-Prefix (SCRIPT_NAME).
    #[must_use]
    pub fn x_prefix(mut self, proxies: usize) -> Self {
        self.trust.x_prefix = proxies;
        self
    }
}

impl<S, B> Service<http::Request<B>> for ProxyFix<S>
where
    S: Service<http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.app.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let environ = request
            .extensions_mut()
            .remove::<Environ>()
            .unwrap_or_else(|| Environ::derive(request.uri(), request.headers(), request.extensions()));
        let environ = self.trust.apply(environ, request.headers());
        request.extensions_mut().insert(environ);
        self.app.call(request)
    }
}

impl Trust {
    /// Applies the fields to an environ, and keeps the original as `proxy_fix_orig`.
    fn apply(&self, mut environ: Environ, headers: &HeaderMap) -> Environ {
        environ.proxy_fix_orig = None;
        let original = Box::new(environ.clone());
        if let Some(address) = value(headers, &X_FORWARDED_FOR, self.x_for) {
            environ.remote_addr = address.into();
        }
        if let Some(scheme) = value(headers, &X_FORWARDED_PROTO, self.x_proto) {
            environ.url_scheme = scheme.into();
        }
        if let Some(host) = value(headers, &X_FORWARDED_HOST, self.x_host) {
            match split_port(&host) {
                (name, Some(port)) => {
                    environ.server_name = Cow::Borrowed(name).into();
                    environ.server_port = Cow::Borrowed(port).into();
                }
                (name, None) => environ.server_name = Cow::Borrowed(name).into(),
            }
            environ.http_host = host.into();
        }
        if let Some(port) = value(headers, &X_FORWARDED_PORT, self.x_port) {
            if let Some(host) = environ.http_host.text().filter(|host| !host.is_empty()) {
                environ.http_host = EnvironValue::Text(format!("{}:{port}", split_port(&host).0).into());
            }
            environ.server_port = port.into();
        }
        if let Some(prefix) = value(headers, &X_FORWARDED_PREFIX, self.x_prefix) {
            environ.script_name = prefix.into();
        }
        environ.proxy_fix_orig = Some(original);
        environ
    }
}

fn value<'h>(headers: &'h HeaderMap, name: &HeaderName, proxies: usize) -> Option<Cow<'h, str>> {
    if proxies == 0 {
        return None;
    }
    // A quoted value can still be empty.
    nth_from_right(&headers.get_all(name), proxies).filter(|value| !value.is_empty())
}

/// A host and its port, split at the last colon; an IPv6 address without a port ends with `]`.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests;
