//! The framework through small apps: requests as a host passes them, and the whole responses.

use std::fmt::Write as _;

use http::Method;
use serde_json::json;

use super::*;
use crate::testing::{PiecewiseBody, request, respond, transcript};
use crate::{
    Cookie, IntoResponse, SameSite, Uuid, abort, context, jsonify, redirect, render_template, render_template_string,
};

fn app(app: App) -> AppService {
    app.wsgi_app().unwrap()
}

#[test]
fn handlers_take_variables_and_return_flask_types() {
    async fn waits(request: Request, a: String, b: u8) -> (String, u16) {
        tokio::task::yield_now().await;
        (format!("{} {a} {b}", request.path()), 202)
    }
    let mut app = app(App::new("test")
        .route("/text", |_: &Request| "text <b>")
        .route("/string", |_: &Request| "text".to_owned())
        .route("/bytes", |_: &Request| vec![b'b', b'y'])
        .route("/json", |_: &Request| json!({"b": "ä\u{7f}😀</", "a": [1, 2.5, null, true]}))
        .route("/status", |_: &Request| ("made", 201))
        .route("/headers", |_: &Request| ("made", 201, [("X-A", "1"), ("X-A", "2"), ("Content-Language", "en")]))
        .route("/ok/<int:n>", |_: &Request, n: u32| (n > 5).then(|| n.to_string()).ok_or_else(|| abort(403)))
        .route("/all/<s>/<int:i>/<float:f>/<uuid:u>", |_: &Request, s: String, i: i64, f: f64, u: Uuid| {
            format!("{s} {i} {f} {u}")
        })
        .route("/waits/<a>-<int:b>", waits)
        .route("/args", |request: &Request| {
            let args: Vec<_> = request.args().iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{:?} {:?} {:?}", args, request.args().get("a"), request.view_args().next())
        })
        .route("/urls", |request: &Request| {
            jsonify(&[request.url(), request.base_url(), request.url_root(), request.query_string().to_owned()])
        }));
    let requests = [
        "GET /text",
        "GET /string",
        "GET /bytes",
        "GET /json",
        "GET /status",
        "GET /headers",
        "GET /ok/6",
        "GET /ok/5",
        "GET /all/a%2Fb/7/1.50/12345678-1234-ABCD-abcd-123456789abc",
        "GET /all/ab/7/1.50/12345678-1234-ABCD-abcd-123456789abc",
        "GET /waits/x-255",
        "GET /waits/x-256",
        "GET /args?a=1&b=%C3%A4+%2B&a=2&&c&=d&e=%FF%zz",
        "GET /urls?q=%C3%A4%20%26&r=%FF\nHost: EXAMPLE.org:80",
    ];
    insta::assert_snapshot!(transcript(&mut app, &requests));
}

#[test]
fn forms_and_json_have_limits() {
    let post = |rule: &str| Rule::new(rule).methods([Method::POST]);
    let mut app = app(App::new("test")
        .max_content_length(32)
        .route(post("/form"), |request: &Request| {
            let form = request.form()?;
            let fields: Vec<_> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
            jsonify(&fields)
        })
        .route(post("/json"), |request: &Request| request.json::<serde_json::Value>())
        .route(post("/ignores"), |_: &Request| "never looked"));
    let requests = [
        "POST /form\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\n\na=1+2&b=%C3%A4&a=3",
        "POST /form\nContent-Type: text/plain\n\na=1",
        "POST /form\nContent-Type: multipart/form-data; boundary=x\n\n--x--",
        "POST /form\nContent-Type: application/x-www-form-urlencoded\n\na=123456789012345678901234567890",
        "POST /form\nContent-Type: application/x-www-form-urlencoded\n\na=1234567890123456789012345678901",
        "POST /json\nContent-Type: application/json\n\n{\"b\": 1, \"a\": 2}",
        "POST /json\nContent-Type: application/problem+json\n\n[]",
        "POST /json\nContent-Type: application/json\n\n{",
        "POST /json\nContent-Type: text/plain\n\n{}",
        "POST /ignores\n\n123456789012345678901234567890123",
    ];
    insta::assert_snapshot!(transcript(&mut app, &requests));
}

#[test]
fn body_declared_too_large_is_not_read() {
    struct Announced;
    impl http_body::Body for Announced {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            panic!("the body was read");
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(5)
        }
    }
    let rule = Rule::new("/").methods([Method::POST]);
    let mut app =
        app(App::new("test").max_content_length(4).route(rule, |request: &Request| request.get_data().cloned()));
    let request = http::Request::post("/").body(Announced).unwrap();
    assert!(respond(&mut app, request).starts_with("413\n"));
}

#[test]
fn errors_become_pages_or_reach_handlers() {
    let rules = |app: App| {
        app.route("/raises", |_: &Request| "x".parse::<u8>().map(|n| n.to_string()))
            .route("/aborts/<int:code>", |_: &Request, code: u16| abort(code).with_description("<because>\nof"))
            .route("/panics", |_: &Request| -> String { panic!("boom") })
            .route("/panics-later", async |_: Request| -> String {
                tokio::task::yield_now().await;
                panic!("boom")
            })
            .route("/bad-header", |_: &Request| Response::new("x").header("X-A", "a\r\nX-B: c"))
            .route("/bad-name", |_: &Request| Response::new("x").header("X A", "a"))
            .route("/bad-status", |_: &Request| ("x", 99))
            .route("/about/", |_: &Request| "about")
    };
    let requests = [
        "GET /raises",
        "GET /aborts/403",
        "GET /aborts/200",
        "GET /panics",
        "GET /panics-later",
        "GET /bad-header",
        "GET /bad-name",
        "GET /bad-status",
        "GET /nowhere",
        "PUT /raises",
        "GET /about?x=%20y\nHost: shop.example",
    ];
    let mut text = transcript(&mut app(rules(App::new("pages"))), &requests);
    let mut handled = app(rules(App::new("handled"))
        .errorhandler(404, |request: &Request, error| (format!("no {} ({})", request.path(), error.status()), 404))
        .errorhandler(405, |_: &Request, _| "fine")
        .errorhandler(403, |_: &Request, _| abort(404))
        .errorhandler(500, |_: &Request, error| (error.original().unwrap().to_string(), 503)));
    text.push_str("\n=== with error handlers\n\n");
    text += &transcript(&mut handled, &requests);
    insta::assert_snapshot!(text);
}

#[test]
fn failing_error_handler_is_a_500() {
    let mut app = app(App::new("test")
        .errorhandler(404, |_: &Request, _| abort(404))
        .errorhandler(500, |_: &Request, _| -> String { panic!("again") }));
    assert!(respond(&mut app, request("GET /")).starts_with("500\n"));
}

#[test]
fn hooks_run_around_handlers_and_error_pages() {
    let mut app = app(App::new("test")
        .route("/", |_: &Request| "index")
        .before_request(|request: &Request| request.args().get("stop").map(|_| ("stopped", 403)))
        .before_request(|request: &Request| request.args().get("raise").map(|_| abort(410)))
        .after_request(|_, response| response.header("X-After", "first"))
        .after_request(|request, response| response.header("X-After", request.endpoint().unwrap_or("none"))));
    insta::assert_snapshot!(transcript(&mut app, &["GET /", "GET /?stop", "GET /?raise", "GET /nowhere"]));
}

#[test]
fn templates_see_the_request_and_escape_like_jinja() {
    let string = |source: &'static str| {
        move |request: &Request| {
            let list = vec![1, 2];
            render_template_string(
                request,
                source,
                context! { evil => "<a href=\"x/y\">'&", none => (), list, yes => true },
            )
        }
    };
    let mut app = app(App::new("test")
        .template("layout.html", "<title>{% block title %}{% endblock %}</title>{{ evil }}")
        .template("page.html", "{% extends 'layout.html' %}{% block title %}{{ request.path }}{% endblock %}")
        .template("page.txt", "{{ evil }}")
        .template("broken.html", "{{ ")
        .route(Rule::new("/user/<name>").endpoint("user"), |_: &Request, _: String| "user")
        .route("/escape", string("{{ evil }} {{ evil|safe }} {{ evil|e }} {{ none }} {{ yes }} {{ missing }}|\n"))
        .route("/loop", string("{% for n in list %}{{ n }};{% endfor %}"))
        .route("/include", string("{% include 'page.txt' %}{% include 'layout.html' %}"))
        .route("/include-nothing", string("{% include 'nothing.html' %}"))
        .route(
            "/url",
            string("{{ url_for('user', name='a b/c', page=2) }} {{ url_for('user', name='x', _external=true) }}"),
        )
        .route("/url-error", string("{{ url_for('nobody') }}"))
        .route(
            "/request",
            string(
                "{{ request.method }} {{ request.url }} {{ request.remote_addr }} {{ request.args.a }} \
                 {{ request.args.get('b', 'none') }} {{ request.args.getlist('a')|length }} {{ request.cookies['c'] }} \
                 {{ request.headers['X-H'] }} {{ request.endpoint }}",
            ),
        )
        .route("/syntax", string("{% if %}"))
        .route("/named/<name>", |request: &Request, name: String| {
            render_template(request, &name, context! { evil => "<&>" })
        }));
    let requests = [
        "GET /escape",
        "GET /loop",
        "GET /include",
        "GET /include-nothing",
        "GET /url\nHost: shop.example",
        "GET /url-error",
        "GET /request?a=1&a=2\nHost: h\nCookie: c=d\nX-H: <h>",
        "GET /syntax",
        "GET /named/page.html",
        "GET /named/page.txt",
        "GET /named/broken.html",
        "GET /named/nothing.html",
    ];
    insta::assert_snapshot!(transcript(&mut app, &requests));
}

#[test]
fn string_templates_beyond_the_cache_render() {
    let mut app = app(App::new("test").route("/<int:n>", |request: &Request, n: u32| {
        render_template_string(request, &format!("{n}: {{{{ '<' }}}}"), context! {})
    }));
    for n in [0..450, 0..450].into_iter().flatten() {
        let response = respond(&mut app, request(&format!("GET /{n}")));
        assert!(response.ends_with(&format!("| {n}: &lt;\n")), "{response}");
    }
}

#[test]
fn streamed_body_has_no_length_even_for_head() {
    let mut app = app(App::new("test").route("/", |_: &Request| Body::from_chunks(["a", "", "b"])));
    insta::assert_snapshot!(transcript(&mut app, &["GET /", "HEAD /"]));
    let head = futures_free(app.call(request("HEAD /"))).into_body();
    assert_eq!(head.len(), None);
}

/// The response of a future that is ready at once.
fn futures_free(mut future: ResponseFuture<PiecewiseBody>) -> http::Response<Body> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(&mut future).poll(&mut context) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => panic!("not ready"),
    }
}

#[test]
fn cookies_and_redirects_are_separate_lines() {
    let mut app = app(App::new("test")
        .route("/set", |_: &Request| {
            let wide = Cookie::new("b", "ä; \"x\"").domain(".shop.example:8000").secure().samesite(SameSite::Lax);
            let narrow = Cookie::new("c", "").path(Some("/a;b")).httponly().partitioned();
            Response::new("set").set_cookie(&Cookie::new("a", "1")).set_cookie(&wide).set_cookie(&narrow)
        })
        .route("/delete", |_: &Request| Response::new("deleted").delete_cookie("a"))
        .route("/away", |_: &Request| redirect("https://other.example/ä b?c=<d>&e#f", 303)));
    insta::assert_snapshot!(transcript(&mut app, &["GET /set", "GET /delete", "GET /away"]));
}

#[test]
fn registration_mistakes_are_reported() {
    let apps = [
        App::new("x").route("no-slash", |_: &Request| ""),
        App::new("x").route("/<int:n>", |_: &Request| ""),
        App::new("x").route("/", |_: &Request, _: String| ""),
        App::new("x").route("/<int:n>", |_: &Request, _: String| ""),
        App::new("x").route("/<a>/<float:b>", |_: &Request, _: String, _: u32| ""),
        App::new("x").errorhandler(200, |_: &Request, _| ""),
        App::new("x").route("/<", |_: &Request| "").route("no-slash", |_: &Request| ""),
    ];
    let mut messages = String::new();
    for app in apps {
        writeln!(messages, "{}", app.wsgi_app().unwrap_err()).unwrap();
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn functions_name_endpoints_and_closures_do_not() {
    fn plain(request: &Request) -> String {
        request.endpoint().unwrap_or_default().to_owned()
    }
    async fn waits(request: Request) -> impl IntoResponse {
        plain(&request)
    }
    let mut app = app(App::new("test")
        .route("/plain", plain)
        .route("/async", waits)
        .route("/named", plain)
        .route(Rule::new("/other").endpoint("another"), plain)
        .route("/closure/<int:n>", |request: &Request, _: u8| plain(request)));
    let bodies = ["/plain", "/async", "/other", "/closure/5"].map(|path| {
        let response = respond(&mut app, request(&format!("GET {path}")));
        response.split_once("| ").unwrap().1.trim().to_owned()
    });
    assert_eq!(bodies, ["plain", "waits", "another", "/closure/<int:n>"]);
}
