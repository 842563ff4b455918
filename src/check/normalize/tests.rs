use std::io::Write as _;

use super::*;

fn observed(headers: &[(&str, &str)], body: &[u8]) -> Observed {
    let is_binary = std::str::from_utf8(body).is_err();
    let body = match std::str::from_utf8(body) {
        Ok(text) => text.to_owned(),
        Err(_) => body.iter().map(|&byte| char::from(byte)).collect(),
    };
    Observed {
        status: 200,
        reason: "OK".to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body,
        is_binary,
        framing_error: None,
        conditional: Vec::new(),
    }
}

const DATE: (&str, &str) = ("Date", "Mon, 30 Nov 2026 10:00:00 GMT");

/// The normalised value of one field.
fn value(name: &str, value: &str) -> String {
    normalize(&observed(&[DATE, (name, value)], b"")).headers[1].1.clone()
}

#[test]
fn expiry_is_relative_to_the_date() {
    for (expires, expected) in [
        ("Mon, 30 Nov 2026 11:00:00 GMT", "{date + 3600 s}"),
        ("Mon, 30 Nov 2026 11:00:01 GMT", "{date + 3600 s}"),
        ("Mon, 30 Nov 2026 09:59:59 GMT", "{date}"),
        ("Mon, 30 Nov 2026 09:59:50 GMT", "{date - 10 s}"),
        ("Monday, 30-Nov-26 10:01:00 GMT", "{date + 60 s}"),
        ("Thu, 01 Jan 1970 00:00:01 GMT", "Thu, 01 Jan 1970 00:00:01 GMT"),
        ("Thu, 31 Dec 2037 23:55:55 GMT", "Thu, 31 Dec 2037 23:55:55 GMT"),
        ("0", "0"),
    ] {
        assert_eq!(value("expires", expires), expected);
    }
    let cached = [DATE, ("Cache-Control", "private, max-age=0"), ("Expires", "Mon, 30 Nov 2026 09:59:53 GMT")];
    assert_eq!(normalize(&observed(&cached, b"")).headers[2].1, "{date}");
    let without_date = observed(&[("Expires", "Mon, 30 Nov 2026 11:00:00 GMT")], b"");
    assert_eq!(normalize(&without_date), without_date);
}

#[test]
fn cookies_keep_names_and_attributes() {
    for (cookie, expected) in [
        (
            "session=eyJ1c2VyIjoxfQ.aSwQ.r4nd0m; HttpOnly; Path=/; Expires=Mon, 07 Dec 2026 10:00:00 GMT",
            "session={value}; HttpOnly; Path=/; Expires={date + 604800 s}",
        ),
        (
            "lang=en; expires=Mon, 30 Nov 2026 10:59:56 GMT; Max-Age=3600",
            "lang=en; expires={date + 3600 s}; Max-Age=3600",
        ),
        ("lang=en; Path=/", "lang=en; Path=/"),
        ("flavour=\"oatmeal raisin\"; Path=/", "flavour=\"oatmeal raisin\"; Path=/"),
        ("session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        ("no-value", "no-value"),
    ] {
        assert_eq!(value("Set-Cookie", cookie), expected);
    }
}

#[test]
fn validators_and_identifiers_are_kept_by_presence() {
    assert_eq!(value("ETag", "\"5f-1a2b\""), "{etag}");
    assert_eq!(value("etag", "W/\"5f-1a2b\""), "W/{etag}");
    assert_eq!(value("Last-Modified", "Mon, 30 Nov 2026 09:00:00 GMT"), "{last-modified}");
    assert_eq!(value("x-request-id", "0d3f"), "{id}");
    assert_eq!(value("X-Own", "0d3f"), "0d3f");
}

#[test]
fn boundaries_of_multipart_bodies_are_replaced() {
    let body = b"--f00\r\nContent-Type: text/plain\r\n\r\na\r\n--f00--\r\n";
    let kind = "multipart/byteranges; boundary=\"f00\"";
    let normalized = normalize(&observed(&[("Content-Type", kind), ("Content-Length", "47")], body));
    assert_eq!(normalized.headers[0].1, "multipart/byteranges; boundary=\"{boundary}\"");
    assert_eq!(normalized.headers[1].1, "{length}");
    assert_eq!(normalized.body, "--{boundary}\r\nContent-Type: text/plain\r\n\r\na\r\n--{boundary}--\r\n");
}

#[test]
fn tokens_in_forms_are_replaced() {
    for (form, expected) in [
        (
            r#"<input id="csrf_token" name="csrf_token" type="hidden" value="Ijk0.aS">"#,
            r#"<input id="csrf_token" name="csrf_token" type="hidden" value="{csrf}">"#,
        ),
        (
            r#"<input type='hidden' value='x1' name='csrfmiddlewaretoken'/>"#,
            r#"<input type='hidden' value="{csrf}" name='csrfmiddlewaretoken'/>"#,
        ),
        (r#"<meta name="csrf-token" content="abc">"#, r#"<meta name="csrf-token" content="{csrf}">"#),
        (r#"<input name="user" value="ann">"#, r#"<input name="user" value="ann">"#),
    ] {
        assert_eq!(normalize(&observed(&[], form.as_bytes())).body, expected);
    }
}

#[test]
fn compressed_bodies_are_decoded() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"<p>hello</p>").unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(b"<p>hello</p>").unwrap();
    for (coding, bytes) in [("gzip", gzip.clone()), ("deflate", zlib.finish().unwrap())] {
        let normalized = normalize(&observed(&[("Content-Encoding", coding), ("Content-Length", "32")], &bytes));
        assert_eq!((normalized.body.as_str(), normalized.is_binary), ("<p>hello</p>", false), "{coding}");
        assert_eq!(normalized.headers[1].1, "{length}");
    }
    // What cannot be decoded stays as it arrived.
    for (coding, bytes) in [("gzip", &gzip[..8]), ("br", &gzip[..]), ("gzip", b"text".as_slice())] {
        let before = observed(&[("Content-Encoding", coding)], bytes);
        assert_eq!(normalize(&before), before, "{coding}");
    }
}
