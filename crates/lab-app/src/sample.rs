//! The sample app, `native:hello`: the 2011 article's hello behind ProxyFix, and routes for the kinds of traffic in
//! checks and loads.
//!
//! | route | response |
//! |---|---|
//! | `/` | `<h1>Hello World</h1>`, through the template engine |
//! | `/pong` | `Pong!` as text/plain |
//! | `/headers` | the request as received and as seen by the app, as [`HeadersReport`] |
//! | `/environ` | the WSGI environ, before and after ProxyFix |
//! | `/echo` | the request's body, with its Content-Type |
//! | `/bytes/<int:n>` | `n` bytes, the same each time |
//! | `/sleep/<int:ms>` | a response after `ms` milliseconds |
//! | `/status/<int:code>` | that status |
//! | `/stream/<int:chunks>` | `chunks` lines, each a separate piece |
//! | `/redirect`, `/redirect/<path:p>` | 302 to `/pong`, or to that path |
//! | `/cookies` | the cookies received; sets two |

mod environ;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;

use crate::headers_report::HeadersReport;
use crate::proxy_fix::ProxyFix;
use crate::{
    App, AppError, AppService, Body, Cookie, HttpException, Request, Response, Rule, TemplateError, abort, context,
    jsonify, redirect, render_template_string,
};

/// The largest body of `/bytes/<int:n>`, in bytes; above it, 400.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The longest wait of `/sleep/<int:ms>`, in milliseconds; above it, 400.
pub const MAX_SLEEP_MS: u64 = 60_000;
/// The largest number of lines of `/stream/<int:chunks>`; above it, 400.
pub const MAX_CHUNKS: u64 = 1_000_000;

/// The apps that are built into lab, by the names after `native:`.
pub const NAMES: &[&str] = &["hello"];

/// An app that is built into lab.
pub type NativeApp = ProxyFix<AppService>;

/// The app of this name, if lab has one.
///
/// # Errors
/// None in practice: a test builds every app.
pub fn lookup(name: &str) -> Option<Result<NativeApp, AppError>> {
    match name {
        "hello" => Some(app()),
        _ => None,
    }
}

/// The sample app, behind `ProxyFix(app.wsgi_app, x_for=1, x_proto=1)` as in the article.
///
/// # Errors
/// None in practice: a test builds the app.
pub fn app() -> Result<NativeApp, AppError> {
    Ok(ProxyFix::new(flask_app().wsgi_app()?))
}

fn flask_app() -> App {
    let any_method = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    App::new("hello")
        .route("/", index)
        .route("/pong", pong)
        .route("/headers", headers)
        .route("/environ", environ::environ)
        .route(Rule::new("/echo").methods(any_method), echo)
        .route("/bytes/<int:n>", bytes)
        .route("/sleep/<int:ms>", sleep)
        .route("/status/<int:code>", status)
        .route("/stream/<int:chunks>", stream)
        .route("/redirect", redirect_to_pong)
        .route("/redirect/<path:p>", redirect_to)
        .route("/cookies", cookies)
}

fn index(request: &Request) -> Result<String, TemplateError> {
    render_template_string(request, "<h1>Hello {{ name }}</h1>", context! { name => "World" })
}

fn pong(_: &Request) -> Response {
    Response::new("Pong!").mimetype("text/plain")
}

fn headers(request: &Request) -> Result<Response, HttpException> {
    let (path, query_string) = (request.path(), request.query_string());
    let before_proxy_fix = request.environ().before_proxy_fix().view(path, query_string);
    jsonify(&HeadersReport { upstream: request.received(), app: request.view(), before_proxy_fix })
}

fn echo(request: &Request) -> Result<Response, HttpException> {
    let response = Response::new(request.get_data()?.clone());
    Ok(response.content_type_value(request.headers().get(CONTENT_TYPE).cloned()))
}

fn bytes(_: &Request, n: u64) -> Result<Response, HttpException> {
    if n > MAX_BYTES {
        return Err(abort(400).with_description(format!("at most {MAX_BYTES} bytes can be requested")));
    }
    Ok(Response::new(pattern(n)).mimetype("application/octet-stream"))
}

async fn sleep(_: Request, ms: u64) -> Result<Response, HttpException> {
    if ms > MAX_SLEEP_MS {
        return Err(abort(400).with_description(format!("at most {MAX_SLEEP_MS} ms can be requested")));
    }
    tokio::time::sleep(Duration::from_millis(ms)).await;
    Ok(Response::new(format!("slept {ms} ms\n")).mimetype("text/plain"))
}

fn status(_: &Request, code: u16) -> Result<Response, HttpException> {
    if !(200..600).contains(&code) {
        return Err(abort(400).with_description("a final status, 200 to 599, can be requested"));
    }
    Ok(Response::new(format!("{code}\n")).mimetype("text/plain").status(code))
}

fn stream(_: &Request, chunks: u64) -> Result<Response, HttpException> {
    if chunks > MAX_CHUNKS {
        return Err(abort(400).with_description(format!("at most {MAX_CHUNKS} chunks can be requested")));
    }
    let body = Body::from_chunks((0..chunks).map(|index| format!("chunk {index}\n")));
    Ok(Response::new(body).mimetype("text/plain"))
}

fn redirect_to_pong(request: &Request) -> Result<Response, HttpException> {
    Ok(redirect(&request.url_for("pong", &[])?, 302))
}

/// Stays on this host: the path is encoded, and the converter allows no leading slash.
#[expect(clippy::needless_pass_by_value, reason = "a handler owns its variables")]
fn redirect_to(request: &Request, path: String) -> Response {
    redirect(&format!("{}/{}", request.root_path(), crate::url::quote(&path, crate::url::PATH)), 302)
}

fn cookies(request: &Request) -> Result<Response, HttpException> {
    // The first value of each name, as in `dict(request.cookies)`.
    let received: BTreeMap<&str, &str> = request.cookies().iter().rev().collect();
    let response = jsonify(&received)?;
    let tried = Cookie::new("tried", "yes").httponly();
    Ok(response.set_cookie(&Cookie::new("flavour", "oatmeal raisin")).set_cookie(&tried))
}

/// `n` bytes of a pattern whose period is not a power of two, which makes a lost or repeated block visible.
fn pattern(n: u64) -> Bytes {
    const PERIOD: usize = 251;
    const BLOCK: usize = PERIOD * 64;
    static PATTERN: [u8; BLOCK] = {
        let mut block = [0; BLOCK];
        let mut index = 0;
        while index < BLOCK {
            // OK because the period is smaller than 256
            block[index] = (index % PERIOD) as u8;
            index += 1;
        }
        block
    };
    // OK because the limit of n fits every usize that lab runs on
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    if n <= BLOCK {
        return Bytes::from_static(&PATTERN[..n]);
    }
    let mut bytes = Vec::with_capacity(n);
    while bytes.len() < n {
        bytes.extend_from_slice(&PATTERN[..BLOCK.min(n - bytes.len())]);
    }
    bytes.into()
}

#[cfg(test)]
mod tests;
