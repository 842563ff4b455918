//! The sample app, route by route: requests as a host passes them, and the whole responses.

use super::*;
use crate::testing::{request, respond, transcript};

#[test]
fn every_name_has_an_app() {
    for name in NAMES {
        assert!(lookup(name).unwrap().is_ok());
    }
    assert!(lookup("nobody").is_none());
}

#[test]
fn responses_by_route() {
    let requests = [
        "GET /",
        "GET /pong",
        "HEAD /pong",
        "OPTIONS /pong",
        "POST /pong",
        "GET /nowhere",
        "HEAD /nowhere",
        "GET /pong/",
        "GET //pong",
        "GET /p%6Fng?x=1",
        "GET /echo",
        "POST /echo\nContent-Type: application/x-test\nContent-Length: 5\n\nhello",
        "PUT /echo\n\nno type",
        "OPTIONS /echo",
        "GET /bytes/0",
        "HEAD /bytes/1048576",
        "GET /bytes/67108865",
        "GET /bytes/-1",
        "GET /sleep/0",
        "GET /sleep/60001",
        "GET /status/200",
        "GET /status/204",
        "GET /status/205",
        "GET /status/304",
        "GET /status/418",
        "GET /status/599",
        "GET /status/100",
        "GET /status/600",
        "GET /status/70000",
        "GET /status/teapot",
        "GET /stream/0",
        "GET /stream/3",
        "HEAD /stream/3",
        "GET /stream/1000001",
        "GET /redirect",
        "HEAD /redirect",
        "GET /redirect/a%20b/c?d",
        "GET /redirect/%5Cevil.example",
        "GET /redirect//evil.example",
        "GET /cookies",
        "GET /cookies\nCookie: a=1; b=\"x\\054y\"; a=2\nCookie: c=3",
    ];
    insta::assert_snapshot!(transcript(&mut app().unwrap(), &requests));
}

#[test]
fn headers_and_environ_before_and_after_proxy_fix() {
    let requests = [
        "GET /headers",
        "GET /headers?a=b%20c\nhost: Shop.Example:8000\nX-Forwarded-For: 10.9.9.9\nx-b: 1\nX-FORWARDED-FOR: \
         203.0.113.9\nX-A: 1\nX-B: 2\nX-Forwarded-Proto: https",
        "GET /environ?q\nHost: shop.example\nX-Twice: 1\nX-Twice: 2\nX-Forwarded-For: 203.0.113.9\nX-Forwarded-Proto: \
         https\nContent-Type: text/plain\nX-Latin: é",
    ];
    let mut app = app().unwrap();
    let pretty = |text: &&str| {
        let response = respond(&mut app, request(text));
        let json: serde_json::Value = serde_json::from_str(response.split_once("| ").unwrap().1).unwrap();
        format!("> {}\n{}\n\n", text.replace('\n', "\n> "), serde_json::to_string_pretty(&json).unwrap())
    };
    insta::assert_snapshot!(requests.iter().map(pretty).collect::<String>());
}

#[test]
fn mounted_app_redirects_below_its_prefix() {
    let mut app = ProxyFix::new(flask_app().wsgi_app().unwrap()).x_prefix(1).x_host(1);
    let requests = [
        "GET /redirect\nX-Forwarded-Prefix: /shop",
        "GET /redirect/a/b\nX-Forwarded-Prefix: /shop",
        "GET /stream//2?x=y\nX-Forwarded-Prefix: /shop\nX-Forwarded-Host: Shop.Example\nX-Forwarded-Proto: https",
    ];
    insta::assert_snapshot!(transcript(&mut app, &requests));
}

#[test]
fn bytes_repeat_the_pattern_at_every_length() {
    for n in [0, 1, 250, 251, 252, 16_063, 16_064, 16_065, 100_000] {
        let bytes = pattern(n);
        assert_eq!(bytes.len() as u64, n);
        assert!(bytes.iter().enumerate().all(|(index, byte)| usize::from(*byte) == index % 251), "{n}");
    }
}

#[test]
fn body_in_pieces_is_echoed_whole() {
    use crate::testing::PiecewiseBody;

    let mut app = app().unwrap();
    let (mut parts, _) = request("POST /echo\nContent-Type: text/x").into_parts();
    parts.extensions.clear();
    let pieces = http::Request::from_parts(parts.clone(), PiecewiseBody::new(&["one, ", "two, ", "three"]));
    insta::assert_snapshot!(respond(&mut app, pieces));
    let broken = http::Request::from_parts(parts, PiecewiseBody::broken(&["one"]));
    assert!(respond(&mut app, broken).starts_with("400\n"));
}

/// The responses of the sample app under hyper, without Date.
fn over_hyper(requests: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let app = app().unwrap();
    let service = hyper::service::service_fn(move |request| tower_service::Service::call(&mut app.clone(), request));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let received = runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let mut http = hyper::server::conn::http1::Builder::new();
        let serving = http.auto_date_header(false).serve_connection(hyper_util::rt::TokioIo::new(server), service);
        let asking = async {
            client.write_all(requests.as_bytes()).await.unwrap();
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            received
        };
        let (served, received) = tokio::join!(serving, asking);
        served.unwrap();
        received
    });
    String::from_utf8(received).unwrap().replace('\r', "")
}

#[test]
fn hyper_hosts_it() {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    let requests = [
        get("/pong"),
        "HEAD /pong HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            .to_owned(),
        get("/stream/2"),
        "HEAD /stream/2 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        get("/status/204"),
        get("/status/304"),
        get("/sleep/1"),
        get("/cookies"),
        "GET /nowhere HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(),
    ];
    insta::assert_snapshot!(over_hyper(&requests.concat()));
}
