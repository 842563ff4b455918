//! Requests and responses as text, for the tests of the app.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http_body::{Body as _, Frame};
use tower_service::Service;

use crate::Body;
use lab_http::message::extensions::{ConnectionInfo, RawHead};

/// A request body in pieces, with a wait before each.
pub(super) struct PiecewiseBody {
    pieces: Vec<Bytes>,
    waited: bool,
    broken: bool,
}

impl PiecewiseBody {
    pub(super) fn new(pieces: &[&str]) -> Self {
        let pieces = pieces.iter().rev().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect();
        Self { pieces, waited: false, broken: false }
    }

    /// A body with an error in place of its end.
    pub(super) fn broken(pieces: &[&str]) -> Self {
        Self { broken: true, ..Self::new(pieces) }
    }
}

impl http_body::Body for PiecewiseBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if !std::mem::replace(&mut self.waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = false;
        match self.pieces.pop() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None if self.broken => Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into()))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.broken
    }
}

/// A request as a host passes it to an app, from `METHOD target`, header lines, and after an empty line the body.
pub(super) fn request(text: &str) -> http::Request<PiecewiseBody> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let lines: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").unwrap_or((line, ""))).collect();
    let pieces = if body.is_empty() { PiecewiseBody::new(&[]) } else { PiecewiseBody::new(&[body]) };
    let mut request = http::Request::builder().method(method).uri(target).body(pieces).unwrap();
    for (name, value) in &lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    request.extensions_mut().insert(RawHead::new(method, target, "HTTP/1.1", &lines));
    let (peer, local) = ("192.0.2.1:4711".parse().unwrap(), "192.0.2.2:8000".parse().unwrap());
    request.extensions_mut().insert(ConnectionInfo::Tcp { peer, local });
    request
}

/// The response as text: its status, its header lines, and its body, one `|` line for each piece.
pub(super) fn respond<S, B>(app: &mut S, request: http::Request<B>) -> String
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let Ok(response) = app.call(request).await;
        let mut text = format!("{}\n", response.status().as_u16());
        for (name, value) in response.headers() {
            writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
        }
        let mut body = response.into_body();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let piece = frame.unwrap().into_data().unwrap();
            writeln!(text, "| {}", String::from_utf8_lossy(&piece).trim_end().replace('\n', "\n| ")).unwrap();
        }
        text
    })
}

/// The requests with their responses, for a snapshot.
pub(super) fn transcript<S>(app: &mut S, requests: &[&str]) -> String
where
    S: Service<http::Request<PiecewiseBody>, Response = http::Response<Body>, Error = Infallible>,
{
    let one = |text: &&str| format!("> {}\n{}\n", text.replace('\n', "\n> "), respond(app, request(text)));
    requests.iter().map(one).collect()
}
