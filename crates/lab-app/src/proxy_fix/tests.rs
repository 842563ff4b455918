//! A table of trusted hops and header lines. The snapshots equal werkzeug 3.1.9's results for the same lines.

use std::convert::Infallible;
use std::future::{Ready, ready};

use super::*;
use lab_http::message::extensions::ConnectionInfo;

/// An app that responds with its environ.
struct Reveal;

impl<B> Service<http::Request<B>> for Reveal {
    type Response = Environ;
    type Error = Infallible;
    type Future = Ready<Result<Environ, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        ready(Ok(request.extensions_mut().remove().unwrap()))
    }
}

fn environ(
    mut app: impl Service<http::Request<()>, Response = Environ, Future = Ready<Result<Environ, Infallible>>>,
    lines: &[(&str, &str)],
) -> Environ {
    let mut request = http::Request::new(());
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let (peer, local) = ("192.0.2.1:4711".parse().unwrap(), "192.0.2.2:8000".parse().unwrap());
    request.extensions_mut().insert(ConnectionInfo::Tcp { peer, local });
    app.call(request).into_inner().unwrap()
}

/// The environ's values that ProxyFix changed.
fn changes(environ: &Environ) -> String {
    let before: Vec<_> = environ.before_proxy_fix().items().collect();
    let changed = environ.items().filter(|item| !before.contains(item));
    let mut lines: String = changed.map(|(key, value)| format!("    {key} = {value}\n")).collect();
    if lines.is_empty() {
        lines.push_str("    nothing changed\n");
    }
    environ.with_url_parts(|parts| format!("{lines}    url_root = {}\n", parts.url_root()))
}

#[test]
fn headers_change_the_environ_like_werkzeug() {
    let trusts: &[[usize; 5]] = &[[1, 1, 0, 0, 0], [2, 1, 1, 1, 1], [0; 5]];
    let cases: &[&[(&str, &str)]] = &[
        &[],
        &[("X-Forwarded-For", "203.0.113.9")],
        &[("X-Forwarded-For", "10.9.9.9, 203.0.113.9")],
        &[("X-Forwarded-For", "10.9.9.9"), ("X-Forwarded-For", "203.0.113.9")],
        &[("X-Forwarded-For", "10.9.9.9,203.0.113.9"), ("X-Forwarded-For", "203.0.113.10")],
        &[("X-Forwarded-For", "")],
        &[("X-Forwarded-For", ",")],
        &[("X-Forwarded-For", "10.9.9.9, ")],
        &[("X-Forwarded-For", "10.9.9.9,,203.0.113.9")],
        &[("X-Forwarded-For", "\"10.9.9.9, 10.8.8.8\", \"203.0.113.9\"")],
        &[("X-Forwarded-For", "10.9.9.9, \"\"")],
        &[("X-Forwarded-For", "10.9.9.9, \"203.0.113.9")],
        &[("X-Forwarded-For", "\"a\\\"b, c\\\\d\", e\"f,g\"")],
        &[("X-Forwarded-For", "2001:db8::1")],
        &[("X-Forwarded-For", "[2001:db8::1]:4711")],
        &[("X-Forwarded-For", "unknown")],
        &[("X-Forwarded-Proto", "https")],
        &[("X-Forwarded-Proto", "https, http")],
        &[("X-Forwarded-Proto", "wss")],
        &[("X-Forwarded-Proto", "https"), ("Host", "example.com:443")],
        &[("X-Forwarded-Proto", "https"), ("Host", "example.com:80")],
        &[("X-Forwarded-Proto", "https"), ("Host", "example.com")],
        &[("Host", "EXAMPLE.com:8080")],
        &[("Host", "exa_mple.com")],
        &[("Host", "")],
        &[("X-Forwarded-Host", "shop.example")],
        &[("X-Forwarded-Host", "shop.example:8443"), ("Host", "inner")],
        &[("X-Forwarded-Host", "[2001:db8::2]"), ("Host", "inner:8000")],
        &[("X-Forwarded-Host", "[2001:db8::2]:8443")],
        &[("X-Forwarded-Host", "evil.example, shop.example")],
        &[("X-Forwarded-Host", "a/b")],
        &[("X-Forwarded-Port", "8443")],
        &[("X-Forwarded-Port", "8443"), ("Host", "inner")],
        &[("X-Forwarded-Port", "8443"), ("Host", "inner:8000")],
        &[("X-Forwarded-Port", "8443"), ("Host", "[2001:db8::2]")],
        &[("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.example:1")],
        &[("X-Forwarded-Port", "none")],
        &[("X-Forwarded-Prefix", "/shop")],
        &[("X-Forwarded-Prefix", "/shop/"), ("Host", "h")],
        &[("X-Forwarded-Prefix", "/a b/%C3%A4"), ("Host", "h")],
        &[("X_Forwarded_For", "203.0.113.9")],
    ];
    let mut out = String::new();
    for &[x_for, x_proto, x_host, x_port, x_prefix] in trusts {
        out += &format!("x_for={x_for}, x_proto={x_proto}, x_host={x_host}, x_port={x_port}, x_prefix={x_prefix}\n");
        for lines in cases {
            let app =
                ProxyFix::new(Reveal).x_for(x_for).x_proto(x_proto).x_host(x_host).x_port(x_port).x_prefix(x_prefix);
            let environ = environ(app, lines);
            let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            out += &format!(
                "  {}\n{}",
                if lines.is_empty() { "-".to_owned() } else { lines.join(" | ") },
                changes(&environ)
            );
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn original_values_are_kept() {
    let environ = environ(ProxyFix::new(Reveal), &[("X-Forwarded-For", "203.0.113.9"), ("Host", "inner:8000")]);
    let original: Vec<_> = environ.proxy_fix_orig.as_ref().unwrap().items().collect();
    let expected = [
        ("SCRIPT_NAME", ""),
        ("SERVER_NAME", "192.0.2.2"),
        ("SERVER_PORT", "8000"),
        ("REMOTE_ADDR", "192.0.2.1"),
        ("HTTP_HOST", "inner:8000"),
        ("wsgi.url_scheme", "http"),
    ];
    assert_eq!(original, expected.map(|(key, value)| (key, value.into())));
}

#[test]
fn inner_proxy_fix_keeps_the_outer_environ() {
    let lines = [("X-Forwarded-For", "203.0.113.8, 203.0.113.9")];
    let environ = environ(ProxyFix::new(ProxyFix::new(Reveal).x_for(2)), &lines);
    assert_eq!(environ.remote_addr().unwrap(), "203.0.113.8");
    assert_eq!(environ.before_proxy_fix().remote_addr().unwrap(), "203.0.113.9");
}
