use lab_http::Version;
use lab_http::h1::request::validate_request;

use super::*;

const SETTINGS: &str = r#"{"app": "m", "arbiter": 1, "sockets": []}"#;

/// The default settings, changed by `change`.
fn settings(change: impl FnOnce(&mut WorkerSettings)) -> WorkerSettings {
    let mut settings = serde_json::from_str(SETTINGS).unwrap();
    change(&mut settings);
    settings
}

/// The variables of a request to `target` with `lines`, as lines of `NAME=value`.
fn variables(settings: &WorkerSettings, trusted: bool, target: &str, lines: &[(&str, &str)]) -> Result<String, String> {
    let mut head = RequestHead::new("GET", target, Version::Http11);
    head.headers.push("Host", "a");
    for (name, value) in lines {
        head.headers.push(name, value);
    }
    let policy = Policy::new(settings, "").unwrap();
    let valid = validate_request(&head).unwrap();
    let found = policy.variables(&head, &valid.target, trusted).map_err(|error| error.to_string())?;
    let mut text = vec![
        format!("scheme={}", if found.is_https { "https" } else { "http" }),
        format!("SCRIPT_NAME={}", found.script_name.escape_ascii()),
        format!("PATH_INFO={}", found.path_info.escape_ascii()),
        format!("QUERY_STRING={}", found.query.escape_ascii()),
    ];
    text.extend(found.fields.iter().map(|(name, value)| format!("{}={}", variable_name(name), value.escape_ascii())));
    Ok(text.join("\n"))
}

/// The value of one variable.
fn one(found: &Result<String, String>, name: &str) -> Option<String> {
    let text = found.as_ref().unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

#[test]
fn paths_are_decoded_and_queries_are_not() {
    let cases = [
        ("/", "/", ""),
        ("/a%20b?c=%20d", "/a b", "c=%20d"),
        ("/caf%C3%A9", "/caf\\xc3\\xa9", ""),
        ("/%2f%2F", "///", ""),
        ("/100%", "/100%", ""),
        ("/%zz%4", "/%zz%4", ""),
        ("/a?b?c", "/a", "b?c"),
        ("//x/../y", "//x/../y", ""),
        ("http://b:1/p%41?q", "/pA", "q"),
    ];
    for (target, path, query) in cases {
        let found = variables(&settings(|_| {}), false, target, &[]);
        assert_eq!(one(&found, "PATH_INFO").as_deref(), Some(path), "{target}");
        assert_eq!(one(&found, "QUERY_STRING").as_deref(), Some(query), "{target}");
    }
}

#[test]
fn fields_become_variables() {
    let lines = [("content-TYPE", "t"), ("X-A", "1"), ("Cookie", "a"), ("x-a", "2"), ("X-A", ""), ("cookie", "b")];
    let found = variables(&settings(|_| {}), false, "/", &lines).unwrap();
    let fields = "HTTP_HOST=a\nCONTENT_TYPE=t\nHTTP_X_A=1,2,\nHTTP_COOKIE=a,b";
    assert_eq!(found, format!("scheme=http\nSCRIPT_NAME=\nPATH_INFO=/\nQUERY_STRING=\n{fields}"));
    let twice = variables(&settings(|_| {}), false, "/", &[("Content-Type", "a"), ("Content-type", "a")]);
    assert_eq!(twice, Err("a field that must stand alone is repeated".to_owned()));
}

#[test]
fn absolute_target_sets_the_host() {
    let found = variables(&settings(|_| {}), false, "http://b:1/", &[]);
    assert_eq!(one(&found, "HTTP_HOST").as_deref(), Some("b:1"));
}

/// gunicorn 27: `HeaderPolicy._apply_header_policy`.
#[test]
fn fields_with_underscores_pass_by_policy() {
    let lines = [("X-Forwarded-For", "1"), ("X_Forwarded_For", "2"), ("CONTENT_LENGTH", "9")];
    let mapped = |policy, trusted, forwarder: &[&str]| {
        let settings = settings(|settings| {
            settings.header_map = policy;
            settings.forwarder_headers = forwarder.iter().map(|&name| name.to_owned()).collect();
        });
        let found = variables(&settings, trusted, "/", &lines);
        found.clone().map(|_| (one(&found, "HTTP_X_FORWARDED_FOR"), one(&found, "HTTP_CONTENT_LENGTH")))
    };
    let some = |one: &str, two: Option<&str>| Ok((Some(one.to_owned()), two.map(str::to_owned)));
    let refused = Err("a field name has an underscore".to_owned());
    assert_eq!(mapped(HeaderMapPolicy::Drop, true, &[]), some("1", None));
    assert_eq!(mapped(HeaderMapPolicy::Drop, true, &["X_FORWARDED_FOR"]), some("1,2", None));
    assert_eq!(mapped(HeaderMapPolicy::Drop, false, &["X_FORWARDED_FOR"]), some("1", None));
    assert_eq!(mapped(HeaderMapPolicy::Refuse, true, &["X_FORWARDED_FOR"]), refused);
    assert_eq!(mapped(HeaderMapPolicy::Refuse, true, &["*"]), some("1,2", Some("9")));
    assert_eq!(mapped(HeaderMapPolicy::Dangerous, false, &[]), some("1,2", Some("9")));
}

#[test]
fn underscored_content_length_is_another_variable() {
    let settings = settings(|settings| settings.header_map = HeaderMapPolicy::Dangerous);
    for lines in
        [[("Content-Length", "5"), ("Content_Length", "3")], [("Content_Length", "3"), ("Content-Length", "5")]]
    {
        let found = variables(&settings, false, "/", &lines);
        assert_eq!(one(&found, "CONTENT_LENGTH").as_deref(), Some("5"), "{lines:?}");
        assert_eq!(one(&found, "HTTP_CONTENT_LENGTH").as_deref(), Some("3"), "{lines:?}");
    }
}

#[test]
fn only_a_trusted_peer_sets_the_scheme() {
    let scheme = |trusted, lines: &[(&str, &str)]| {
        let found = variables(&settings(|_| {}), trusted, "/", lines);
        found.clone().map(|_| one(&found, "scheme").unwrap())
    };
    let disagree = Err("the fields that say the scheme disagree".to_owned());
    let (proto, ssl) = (("X-Forwarded-Proto", "https"), ("x-forwarded-ssl", "on"));
    assert_eq!(scheme(true, &[proto]), Ok("https".to_owned()));
    assert_eq!(scheme(true, &[proto, ssl]), Ok("https".to_owned()));
    assert_eq!(scheme(true, &[("X-Forwarded-Proto", "HTTPS")]), Ok("http".to_owned()));
    assert_eq!(scheme(true, &[proto, ("X-Forwarded-Ssl", "off")]), disagree);
    assert_eq!(scheme(false, &[proto, ("X-Forwarded-Ssl", "off")]), Ok("http".to_owned()));
}

#[test]
fn script_name_is_stripped_from_the_path() {
    let found = variables(&settings(|_| {}), true, "/app/a%20b", &[("SCRIPT_NAME", "/app")]);
    assert_eq!(one(&found, "SCRIPT_NAME").as_deref(), Some("/app"));
    assert_eq!(one(&found, "PATH_INFO").as_deref(), Some("/a b"));
    assert_eq!(one(&found, "HTTP_SCRIPT_NAME").as_deref(), Some("/app"));
    let wrong = variables(&settings(|_| {}), true, "/other", &[("SCRIPT_NAME", "/app")]);
    assert_eq!(wrong, Err("the path \"/other\" does not start with SCRIPT_NAME \"/app\"".to_owned()));
    let forged = variables(&settings(|_| {}), false, "/other", &[("SCRIPT_NAME", "/app")]);
    assert_eq!(one(&forged, "SCRIPT_NAME").as_deref(), Some(""));
}
