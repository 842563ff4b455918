//! A table of rules, paths and methods. The snapshots equal werkzeug 3.1.9's results for the same table.

use http::Method;

use super::{PathValue, RouteMatch, Rule, RuleMap};

fn map(rules: &[Rule]) -> RuleMap {
    let mut map = RuleMap::default();
    for rule in rules {
        map.add(rule.clone(), None).unwrap();
    }
    map
}

/// One line for each request: the rule's endpoint with its values, or another result.
fn results(map: &RuleMap, requests: &[(&str, &str)]) -> String {
    let answer = |(method, path): &(&str, &str)| {
        let answer = match map.find(path, &method.parse().unwrap()) {
            RouteMatch::Rule { index, values } => {
                let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
                format!("{} [{}]", map.endpoint(index), values.join(", "))
            }
            RouteMatch::AutomaticOptions(methods) => format!("options {}", names(&methods)),
            RouteMatch::Redirect(path) => format!("308 {path}"),
            RouteMatch::MethodNotAllowed(methods) => format!("405 {}", names(&methods)),
            RouteMatch::NotFound => "404".to_owned(),
        };
        format!("{method} {path:?} -> {answer}\n")
    };
    requests.iter().map(answer).collect()
}

fn names(methods: &[Method]) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(",")
}

#[test]
fn converters_match_like_werkzeug() {
    let map = map(&[
        "/string/<name>".into(),
        "/length/<string(length=2):lang>".into(),
        "/lengths/<string(minlength=2, maxlength=3):lang>".into(),
        "/int/<int:n>".into(),
        "/signed/<int(signed=True):n>".into(),
        "/bounded/<int(min=5, max=10):n>".into(),
        "/fixed/<int(fixed_digits=4):n>".into(),
        "/float/<float:x>".into(),
        "/signed-float/<float(signed=True, max=1.5):x>".into(),
        "/path/<path:p>".into(),
        "/path/<path:p>/edit".into(),
        "/uuid/<uuid:id>".into(),
        r#"/any/<any(about, help, "foo,bar"):page>"#.into(),
        "/mixed/v<int:major>.<int:minor>-<name>".into(),
        "/two/<a>-<b>".into(),
    ]);
    let requests = [
        ("GET", "/string/abc"),
        ("GET", "/string/ä b"),
        ("GET", "/string/"),
        ("GET", "/string/a/b"),
        ("GET", "/length/de"),
        ("GET", "/length/äö"),
        ("GET", "/length/deu"),
        ("GET", "/lengths/d"),
        ("GET", "/lengths/deu"),
        ("GET", "/int/0"),
        ("GET", "/int/007"),
        ("GET", "/int/-1"),
        ("GET", "/int/+1"),
        ("GET", "/int/1_000"),
        ("GET", "/int/1.5"),
        ("GET", "/int/9223372036854775807"),
        ("GET", "/signed/-12"),
        ("GET", "/signed/12"),
        ("GET", "/signed/--1"),
        ("GET", "/bounded/4"),
        ("GET", "/bounded/5"),
        ("GET", "/bounded/10"),
        ("GET", "/bounded/11"),
        ("GET", "/fixed/0042"),
        ("GET", "/fixed/42"),
        ("GET", "/float/2.50"),
        ("GET", "/float/2"),
        ("GET", "/float/.5"),
        ("GET", "/float/1e5"),
        ("GET", "/signed-float/-0.5"),
        ("GET", "/signed-float/1.51"),
        ("GET", "/path/a"),
        ("GET", "/path/a/b/c"),
        ("GET", "/path/a/b/edit"),
        ("GET", "/path/a/b/"),
        ("GET", "/path/a\nb"),
        ("GET", "/path/"),
        ("GET", "/uuid/12345678-1234-ABCD-abcd-123456789abc"),
        ("GET", "/uuid/12345678-1234-abcd-abcd-123456789ab"),
        ("GET", "/uuid/12345678x1234-abcd-abcd-123456789abc"),
        ("GET", "/any/help"),
        ("GET", "/any/foo,bar"),
        ("GET", "/any/helper"),
        ("GET", "/mixed/v1.20-rc"),
        ("GET", "/mixed/v1.x-rc"),
        ("GET", "/two/a-b-c"),
        ("GET", "/two/ä-ö-ü"),
        ("GET", "/two/-b"),
    ];
    insta::assert_snapshot!(results(&map, &requests));
}

#[test]
fn integer_beyond_64_bits_does_not_match() {
    let map = map(&["/int/<int:n>".into()]);
    assert_eq!(map.find("/int/9223372036854775808", &Method::GET), RouteMatch::NotFound);
}

#[test]
fn more_specific_rule_wins() {
    let map = map(&[
        "/<path:anything>".into(),
        "/<name>".into(),
        "/<int:n>".into(),
        "/about".into(),
        "/<any(x, y):letter>".into(),
        "/user/<name>".into(),
        "/user/me".into(),
        "/user/<int:id>/posts".into(),
        "/user/<name>/<path:rest>".into(),
        "/a<name>".into(),
        "/ab<name>".into(),
        "/<a>.<b>".into(),
    ]);
    let requests = [
        ("GET", "/about"),
        ("GET", "/x"),
        ("GET", "/z"),
        ("GET", "/12"),
        ("GET", "/1.5"),
        ("GET", "/abc"),
        ("GET", "/acd"),
        ("GET", "/user/me"),
        ("GET", "/user/you"),
        ("GET", "/user/5"),
        ("GET", "/user/5/posts"),
        ("GET", "/user/five/posts"),
        ("GET", "/user/5/posts/6"),
        ("GET", "/deep/down"),
        ("GET", "/"),
    ];
    insta::assert_snapshot!(results(&map, &requests));
}

#[test]
fn slashes_are_strict_by_default() {
    let map = map(&[
        "/".into(),
        "/leaf".into(),
        "/branch/".into(),
        "/deep/<int:n>/".into(),
        Rule::new("/lenient").strict_slashes(false),
        Rule::new("/lenient-branch/").strict_slashes(false),
        "/p/<path:p>/".into(),
        Rule::new("/form/").methods([Method::POST]),
        "/doubled//rule".into(),
    ]);
    let requests = [
        ("GET", "/"),
        ("GET", "/leaf"),
        ("GET", "/leaf/"),
        ("GET", "/branch"),
        ("GET", "/branch/"),
        ("POST", "/branch"),
        ("GET", "/deep/5"),
        ("GET", "/deep/x"),
        ("GET", "/lenient"),
        ("GET", "/lenient/"),
        ("GET", "/lenient-branch"),
        ("GET", "/lenient-branch/"),
        ("GET", "/p/a/b"),
        ("GET", "/p/a/b/"),
        ("GET", "/p/a/b//"),
        ("GET", "/form"),
        ("POST", "/form"),
        ("GET", "/leaf//"),
        ("GET", "/branch//"),
        ("GET", "/deep//5"),
        ("GET", "/deep//5//"),
        ("GET", "/none//"),
        ("GET", "/doubled/rule"),
        ("GET", "/doubled//rule"),
    ];
    insta::assert_snapshot!(results(&map, &requests));
}

#[test]
fn head_options_and_allow_are_automatic() {
    let map = map(&[
        Rule::new("/get").endpoint("get"),
        Rule::new("/item/<int:n>").endpoint("read"),
        Rule::new("/item/<int:n>").endpoint("write").methods([Method::PUT, Method::DELETE]),
        Rule::new("/post").endpoint("post").methods([Method::POST]),
        Rule::new("/own-options").endpoint("own").methods([Method::GET, Method::OPTIONS]),
        Rule::new("/bounded/<int(max=5):n>").endpoint("bounded"),
    ]);
    let requests = [
        ("GET", "/get"),
        ("HEAD", "/get"),
        ("OPTIONS", "/get"),
        ("POST", "/get"),
        ("get", "/get"),
        ("GET", "/item/1"),
        ("DELETE", "/item/1"),
        ("PATCH", "/item/1"),
        ("OPTIONS", "/item/1"),
        ("HEAD", "/post"),
        ("OPTIONS", "/own-options"),
        ("POST", "/bounded/6"),
        ("GET", "/bounded/6"),
        ("OPTIONS", "/bounded/6"),
    ];
    insta::assert_snapshot!(results(&map, &requests));
}

#[test]
fn malformed_rules_are_explained() {
    let rules = [
        "no-slash",
        "/<",
        "/<>",
        "/<int:>",
        "/<integer:n>",
        "/<int(signed=maybe):n>",
        "/<int(signed=True:n>",
        "/<string(length=-1):s>",
        "/<path(1):p>",
        "/<any(a=b):p>",
        r#"/<any("a):p>"#,
        "/<a>/<a>",
        "/<5a>",
    ];
    let message = |rule: &&str| format!("{rule}\n  {}\n", RuleMap::default().add((*rule).into(), None).unwrap_err());
    insta::assert_snapshot!(rules.iter().map(message).collect::<String>());
}

#[test]
fn urls_are_built_from_endpoints() {
    let map = map(&[
        Rule::new("/").endpoint("index"),
        Rule::new("/user/<name>").endpoint("user"),
        Rule::new("/user/<name>/<int(fixed_digits=3):n>").endpoint("user"),
        Rule::new("/float/<float:x>").endpoint("float"),
        Rule::new("/any/<any(a, b):c>").endpoint("any"),
        Rule::new("/path/<path:p>/").endpoint("path"),
        Rule::new("/späti").endpoint("shop"),
        Rule::new("/post").endpoint("both").methods([Method::POST]),
        Rule::new("/get").endpoint("both"),
    ]);
    let cases: [(&str, &[(&str, PathValue)]); 17] = [
        ("index", &[]),
        ("index", &[("q", "a b&c=d/ä?".into()), ("page", 2.into())]),
        ("user", &[("name", "jo".into())]),
        ("user", &[("name", "a/b c?ä%".into())]),
        ("user", &[("name", "jo".into()), ("n", 7.into())]),
        ("user", &[("name", "jo".into()), ("n", "7".into())]),
        ("user", &[("name", "jo".into()), ("n", "seven".into())]),
        ("user", &[("name", "jo".into()), ("tab", "x".into())]),
        ("user", &[]),
        ("float", &[("x", 2.0.into())]),
        ("float", &[("x", 2.into())]),
        ("any", &[("c", "b".into())]),
        ("any", &[("c", "z".into())]),
        ("path", &[("p", "a/b ü".into())]),
        ("shop", &[]),
        ("both", &[]),
        ("nowhere", &[]),
    ];
    let line = |(endpoint, values): &(&str, &[(&str, PathValue)])| match map.build(endpoint, values) {
        Ok(url) => format!("{endpoint} {values:?}\n  {url}\n"),
        Err(error) => format!("{endpoint} {values:?}\n  error: {error}\n"),
    };
    insta::assert_snapshot!(cases.iter().map(line).collect::<String>());
}
