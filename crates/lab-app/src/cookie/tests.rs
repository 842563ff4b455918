//! Tables of Cookie fields. The expected values are werkzeug 3.1.9's for the same fields.

use super::*;

#[test]
fn cookie_fields_parse_like_werkzeug() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("", &[]),
        ("a", &[("a", "")]),
        ("a=", &[("a", "")]),
        ("a=1; b=2; a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
        ("a=b=c", &[("a", "b=c")]),
        ("=b; c=d", &[("c", "d")]),
        ("a b=c; d=e", &[("d", "e")]),
        ("a = b ; c=\"d\"x; e=f", &[("a", "b"), ("e", "f")]),
        ("a=\"b;c\"; d", &[("a", "b;c"), ("d", "")]),
        ("a=\"unclosed; b=c", &[("b", "c")]),
        ("a=b\"c; d=e", &[("d", "e")]),
        ("\"a\"=b; c", &[("c", "")]),
        (";;a=1;;", &[("a", "1")]),
        (r#"a="x\054y"; b="\303\244\"\\""#, &[("a", "x,y"), ("b", "ä\"\\")]),
        (r#"a="\777\9""#, &[("a", "7779")]),
        ("a=\"\"", &[("a", "")]),
    ];
    for (field, expected) in cases {
        let mut cookies = Vec::new();
        parse(field, &mut cookies);
        let cookies: Vec<_> = cookies.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(cookies, *expected, "{field}");
    }
}

#[test]
fn quoted_values_round_trip() {
    for value in ["", "plain", "a b", "a;b,c", "ä\"\\", "\t\n", "=:/?@[]{}"] {
        let field = Cookie::new("name", value).field(SystemTime::UNIX_EPOCH);
        let mut cookies = Vec::new();
        parse(field.split("; Path").next().unwrap(), &mut cookies);
        assert_eq!(cookies, [("name".to_owned(), value.to_owned())], "{field}");
    }
}

#[test]
fn attributes_have_the_order_of_werkzeug() {
    let cookie = Cookie::new("n", "v").max_age(Duration::from_secs(90)).domain("h").secure().httponly().partitioned();
    let field = cookie.samesite(SameSite::Strict).field(SystemTime::UNIX_EPOCH);
    let expected = "n=v; Domain=h; Expires=Thu, 01 Jan 1970 00:01:30 GMT; Max-Age=90; Secure; HttpOnly; Path=/; \
                    SameSite=Strict; Partitioned";
    assert_eq!(field, expected);
}
