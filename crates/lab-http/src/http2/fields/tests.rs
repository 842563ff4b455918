use http::header::{DATE, SERVER};
use http::{HeaderName, HeaderValue, Request};

use super::{SHARED_TEXT, request_head, response_head, trailers};
use crate::message::{Headers, Refusal, RequestHead};

fn convert(uri: &str, fields: &[(&str, &str)], line: usize) -> Result<RequestHead, Refusal> {
    let request = fields.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
    request_head(&request.body(()).unwrap().into_parts().0, line)
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
    assert_eq!(fields.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"]);
}

#[test]
fn response_keeps_values_of_any_size() {
    for length in [1, SHARED_TEXT] {
        let long = "x".repeat(length);
        let mut lines: Headers = [("Set-Cookie", "a=1"), ("X-Old", "old"), ("set-cookie", "b=2")].into_iter().collect();
        lines.set_value(1, &long);
        let own = [(SERVER, "lab"), (DATE, "now")].map(|(name, value)| (name, HeaderValue::from_static(value)));
        let head = response_head(201, own, &lines);
        assert_eq!(head.status(), 201);
        let mut fields: Vec<_> = head.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        fields.sort_unstable();
        let expected: [(&str, &[u8]); 5] = [
            ("date", b"now"),
            ("server", b"lab"),
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
            ("x-old", long.as_bytes()),
        ];
        assert_eq!(fields, expected);
    }
}
