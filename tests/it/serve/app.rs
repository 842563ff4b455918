//! An app whose paths do everything that an app can do to a server, right and wrong.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use lab_http::message::extensions::RawHead;
use lab_worker::RequestBody;

/// More bytes than the buffers of a connection hold.
pub(super) const LARGE: usize = 32 * 1024 * 1024;

type AppBody = BoxBody<Bytes, String>;

/// The app as a tower service.
#[derive(Clone)]
pub(super) struct App;

impl tower_service::Service<Request<RequestBody>> for App {
    type Response = Response<AppBody>;
    type Error = String;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AppBody>, String>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        Box::pin(respond(request))
    }
}

async fn respond(request: Request<RequestBody>) -> Result<Response<AppBody>, String> {
    let path = request.uri().path().to_owned();
    let response = match path.as_str() {
        "/arrived" => {
            let arrived = request.extensions().get::<RawHead>().expect("inserted by the server");
            let lines: Vec<_> = arrived.lines().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            text(&format!("{} {} {} {}", arrived.method(), arrived.target(), arrived.version_text(), lines.join(" ")))
        }
        "/echo" => Response::new(request.into_body().map_err(|error| error.to_string()).boxed()),
        "/read" => match request.into_body().collect().await {
            Ok(body) => text(&format!("read {} bytes", body.to_bytes().len())),
            Err(error) => text(&format!("could not read: {error}")),
        },
        "/read-or-fail" => {
            let body = request.into_body().collect().await.map_err(|error| error.to_string())?;
            text(&format!("read {} bytes", body.to_bytes().len()))
        }
        "/stream" => Response::new(Pieces::of(&["one, ", "", "two, ", "three"]).boxed()),
        "/breaks" => Response::new(Pieces { end: Some("the disk is gone"), ..Pieces::of(&["one, "]) }.boxed()),
        "/fails" => return Err("out of coffee".to_owned()),
        "/panics" => panic!("out of coffee"),
        "/too-short" => announced(20, "only this"),
        "/too-long" => announced(9, "only this, and nothing more"),
        "/two-lengths" => {
            let mut response = announced(9, "only this");
            response.headers_mut().append("content-length", http::HeaderValue::from_static("9"));
            response
        }
        "/large" => text(&"x".repeat(LARGE)),
        "/own-fields" => Response::builder()
            .header("date", "today")
            .header("server", "own")
            .header("set-cookie", "a=1")
            .header("connection", "upgrade")
            .header("transfer-encoding", "gzip")
            .header("set-cookie", "b=2")
            .body(full("own"))
            .expect("sound"),
        "/no-content" => status(StatusCode::NO_CONTENT),
        "/not-modified" => status(StatusCode::NOT_MODIFIED),
        "/early-hints" => status(StatusCode::EARLY_HINTS),
        _ => text(&format!("you asked for {path}")),
    };
    Ok(response)
}

fn full(content: &str) -> AppBody {
    Full::new(Bytes::from(content.to_owned())).map_err(|never: Infallible| match never {}).boxed()
}

fn text(content: &str) -> Response<AppBody> {
    Response::builder().header("content-type", "text/plain").body(full(content)).expect("sound")
}

fn status(status: StatusCode) -> Response<AppBody> {
    Response::builder().status(status).body(full("not to be sent")).expect("sound")
}

/// A response whose Content-Length is right only if `length` is.
fn announced(length: u64, content: &'static str) -> Response<AppBody> {
    let response = Response::new(Pieces::of(&[content]).boxed());
    let (mut parts, body) = response.into_parts();
    parts.headers.insert("content-length", length.into());
    Response::from_parts(parts, body)
}

/// A body of unknown size. Each piece is ready at the second poll.
struct Pieces {
    pieces: Vec<&'static str>,
    end: Option<&'static str>,
    is_pending: bool,
}

impl Pieces {
    fn of(pieces: &[&'static str]) -> Pieces {
        Pieces { pieces: pieces.iter().rev().copied().collect(), end: None, is_pending: false }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        self.is_pending = !self.is_pending;
        if self.is_pending {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(match self.pieces.pop() {
            Some(piece) => Some(Ok(Frame::data(Bytes::from_static(piece.as_bytes())))),
            None => self.end.take().map(|error| Err(error.to_owned())),
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
