//! Requests to the sample app and its rules, for benchmarks of times and of instructions.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Empty;
use lab_app::routing::RuleMap;
use lab_app::{AppService, Environ, ProxyFix};
use lab_http::message::extensions::ConnectionInfo;
use tower_service::Service;

/// A request as the corrected nginx file passes it on.
pub(crate) fn request(path: &str) -> http::Request<Empty<Bytes>> {
    let request = http::Request::get(path)
        .header("Host", "shop.example")
        .header("X-Real-IP", "203.0.113.9")
        .header("X-Forwarded-For", "10.9.9.9, 203.0.113.9")
        .header("X-Forwarded-Proto", "https")
        .header("User-Agent", "bench")
        .header("Accept", "*/*");
    // OK because the benchmark's own requests are valid
    let mut request = request.body(Empty::new()).expect("a valid request");
    let (peer, local) = (([192, 0, 2, 1], 4711).into(), ([192, 0, 2, 2], 8000).into());
    request.extensions_mut().insert(ConnectionInfo::Tcp { peer, local });
    request
}

/// A request with every field that ProxyFix reads.
pub(crate) fn forwarded_request() -> http::Request<Empty<Bytes>> {
    let mut request = request("/");
    for (name, value) in
        [("x-forwarded-host", "shop.example:8443"), ("x-forwarded-port", "8443"), ("x-forwarded-prefix", "/shop")]
    {
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    request
}

/// An app that only takes the environ.
#[derive(Clone)]
pub(crate) struct Sink;

impl<B> Service<http::Request<B>> for Sink {
    type Response = Option<Environ>;
    type Error = Infallible;
    type Future = Ready<Result<Option<Environ>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        ready(Ok(request.extensions_mut().remove()))
    }
}

pub(crate) fn proxy_fix_of_all_fields() -> ProxyFix<Sink> {
    ProxyFix::new(Sink).x_host(1).x_port(1).x_prefix(1)
}

/// The rules of an application with many routes.
pub(crate) fn rules() -> RuleMap {
    let mut map = RuleMap::default();
    let rules = (0..40).flat_map(|n| [format!("/api/v1/things{n}/"), format!("/api/v1/things{n}/<int:id>")]);
    for rule in rules.chain(["/", "/about", "/user/<name>", "/user/<int:id>/posts", "/<path:rest>"].map(str::to_owned))
    {
        // OK because the benchmark's own rules are valid
        map.add(rule.into(), None).expect("a valid rule");
    }
    map
}

/// Calls the app, which responds at once.
pub(crate) fn respond(app: &mut ProxyFix<AppService>, request: http::Request<Empty<Bytes>>) -> bool {
    let mut future = app.call(request);
    Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}
