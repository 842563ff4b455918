use http::Request;
use lab_http::{Headers, Refusal, RequestHead};

use super::{request_head, trailers};
use crate::config::request_head::RequestHeadConfig;

fn rules(line: usize) -> RequestHeadConfig {
    RequestHeadConfig {
        timeout: std::time::Duration::ZERO,
        line,
        total: line,
        underscores: false,
        ignore_invalid: true,
        merge_slashes: true,
        allows_bare_lf: false,
    }
}

fn convert(uri: &str, fields: &[(&str, &str)], line: usize) -> Result<RequestHead, Refusal> {
    let request = fields.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
    request_head(&request.body(()).unwrap().into_parts().0, &rules(line))
}

fn text(head: &RequestHead) -> String {
    let fields = head.headers.iter().map(|(name, value)| [name, b"=", value].concat());
    let words: Vec<Vec<u8>> = std::iter::once(head.target().to_vec()).chain(fields).collect();
    String::from_utf8(words.join(&b' ')).unwrap()
}

#[test]
fn request_reads_as_in_http1() {
    for (uri, fields, expected) in [
        ("https://a:8/p?q", &[("accept", "x")][..], "/p?q host=a:8 accept=x"),
        ("https://a/", &[("host", "a")], "/ host=a"),
        ("https://a/", &[("host", "b")], "/ host=a host=b"),
        ("/", &[("host", "b")], "/ host=b"),
        ("https://a/", &[("cookie", "x=1"), ("via", "z"), ("cookie", "y=2")], "/ host=a via=z cookie=x=1; y=2"),
    ] {
        assert_eq!(text(&convert(uri, fields, 100).unwrap()), expected);
    }
}

#[test]
fn long_lines_are_refused() {
    assert_eq!(convert("https://a/1234567890", &[], 10), Err(Refusal::StartLineTooLong));
    assert_eq!(convert("https://a/", &[("accept", "12345")], 10), Err(Refusal::FieldTooLong));
    assert!(convert("https://a/", &[("accept", "1234")], 10).is_ok());
}

#[test]
fn connection_fields_stay_in_http1() {
    let lines: Headers =
        [("Connection", "close"), ("X-Sum", "1"), ("Upgrade", "a"), ("bad name", "b")].iter().copied().collect();
    let fields = trailers(&lines);
    assert_eq!(fields.keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"]);
}
