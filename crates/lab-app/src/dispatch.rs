//! From a request to its response: Flask's `full_dispatch_request`.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::ALLOW;

use crate::application::Shared;
use crate::body::Body;
use crate::environ::Environ;
use crate::exception::{Failure, HttpException, allow};
use crate::handler::{HandlerResult, Outcome};
use crate::request::{Data, Draft, Request};
use crate::response::{IntoResponse, Response, redirect};
use crate::routing::Matched;
use crate::url;

/// The response of an app to a request. Ready at once if the request has no body and the handler is a plain function;
/// only then is nothing boxed.
pub struct WsgiFuture<B>(State<B>);

enum State<B> {
    Ready(http::Response<Body>),
    Reading(Box<Reading<B>>),
    Running(Request, Pin<Box<dyn Future<Output = HandlerResult> + Send>>),
    Done,
}

/// A request whose body is being read.
struct Reading<B> {
    draft: Draft,
    body: Pin<Box<B>>,
    /// The first piece is kept as it is; most bodies have no other.
    first: Bytes,
    more: BytesMut,
}

/// Where a path leads, apart from a handler.
enum Route {
    Handler,
    Answer(Response),
    Redirect(String),
    Raise(HttpException),
}

/// Routes a request, and answers it as far as that goes without waiting.
pub(super) fn begin<B>(shared: &Arc<Shared>, request: http::Request<B>) -> WsgiFuture<B>
where
    B: http_body::Body<Data = Bytes>,
{
    let (mut parts, body) = request.into_parts();
    let environ = parts
        .extensions
        .remove::<Environ>()
        .unwrap_or_else(|| Environ::derive(&parts.uri, &parts.headers, &parts.extensions));
    let path = match url::decode_path(parts.uri.path()) {
        path if *path == *parts.uri.path() => None,
        path => Some(path.into_owned()),
    };
    let mut draft = Draft { shared: Arc::clone(shared), parts, environ, path, matched: None };
    let route = match shared.rules.find(draft.path(), &draft.parts.method) {
        Matched::Rule { index, values } => {
            draft.matched = Some((index, values));
            Route::Handler
        }
        Matched::AutomaticOptions(methods) => {
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert(ALLOW, allow(&methods));
            Route::Answer(response)
        }
        Matched::Redirect(path) => Route::Redirect(path),
        Matched::MethodNotAllowed(methods) => Route::Raise(HttpException::method_not_allowed(&methods)),
        Matched::NotFound => Route::Raise(HttpException::new(StatusCode::NOT_FOUND)),
    };
    if !matches!(route, Route::Handler) || body.is_end_stream() {
        return WsgiFuture(answer(draft.finish(Data::Read(Bytes::new())), route));
    }
    if body.size_hint().lower() > shared.max_content_length {
        return WsgiFuture(answer(draft.finish(Data::TooLarge), route));
    }
    let (first, more) = (Bytes::new(), BytesMut::new());
    WsgiFuture(State::Reading(Box::new(Reading { draft, body: Box::pin(body), first, more })))
}

impl<B> Future for WsgiFuture<B>
where
    B: http_body::Body<Data = Bytes>,
{
    type Output = Result<http::Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            self.0 = match std::mem::replace(&mut self.0, State::Done) {
                State::Ready(response) => return Poll::Ready(Ok(response)),
                State::Reading(mut reading) => match reading.poll(cx) {
                    Poll::Ready(data) => answer(reading.draft.finish(data), Route::Handler),
                    Poll::Pending => {
                        self.0 = State::Reading(reading);
                        return Poll::Pending;
                    }
                },
                State::Running(request, mut future) => {
                    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                        Ok(Poll::Ready(result)) => State::Ready(finish(&request, result)),
                        Ok(Poll::Pending) => {
                            self.0 = State::Running(request, future);
                            return Poll::Pending;
                        }
                        Err(payload) => State::Ready(finish(&request, Err(panicked(&*payload)))),
                    }
                }
                State::Done => return Poll::Pending,
            };
        }
    }
}

impl<B> Unpin for WsgiFuture<B> {}

impl<B> Reading<B>
where
    B: http_body::Body<Data = Bytes>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Data> {
        loop {
            match ready!(self.body.as_mut().poll_frame(cx)) {
                None if self.more.is_empty() => return Poll::Ready(Data::Read(std::mem::take(&mut self.first))),
                None => return Poll::Ready(Data::Read(std::mem::take(&mut self.more).freeze())),
                Some(Err(_)) => return Poll::Ready(Data::Disconnected),
                Some(Ok(frame)) => {
                    // Trailers are none of the app's business: WSGI has no place for them.
                    let Ok(piece) = frame.into_data() else { continue };
                    if self.first.is_empty() {
                        self.first = piece;
                    } else {
                        if self.more.is_empty() {
                            self.more.extend_from_slice(&self.first);
                        }
                        self.more.extend_from_slice(&piece);
                    }
                    let length = self.first.len().max(self.more.len()) as u64;
                    if length > self.draft.shared.max_content_length {
                        return Poll::Ready(Data::TooLarge);
                    }
                }
            }
        }
    }
}

/// Calls the hooks and the handler.
fn answer<B>(request: Request, route: Route) -> State<B> {
    match catch_unwind(AssertUnwindSafe(|| call(&request, route))) {
        Ok(Outcome::Ready(result)) => State::Ready(finish(&request, result)),
        Ok(Outcome::Pending(future)) => State::Running(request, future),
        Err(payload) => State::Ready(finish(&request, Err(panicked(&*payload)))),
    }
}

fn call(request: &Request, route: Route) -> Outcome {
    let shared = request.shared();
    if let Some(result) = shared.before_request.iter().find_map(|hook| hook(request)) {
        return Outcome::Ready(result);
    }
    Outcome::Ready(match route {
        Route::Answer(response) => Ok(response),
        Route::Redirect(path) => redirect(&request.url_of_path(&path), 308).into_response(),
        Route::Raise(exception) => Err(exception),
        Route::Handler => match request.matched() {
            Some((index, values)) => return shared.handlers[*index](request, values),
            None => Err(HttpException::new(StatusCode::NOT_FOUND)),
        },
    })
}

/// Makes the response of a result: error handlers, then the hooks, then what HTTP asks of a response.
fn finish(request: &Request, result: HandlerResult) -> http::Response<Body> {
    let response = catch_unwind(AssertUnwindSafe(|| {
        let response = result.unwrap_or_else(|exception| handle(request, &exception));
        request.shared().after_request.iter().rev().fold(response, |response, hook| hook(request, response))
    }));
    let response = response.map_err(|payload| panicked(&*payload)).and_then(IntoResponse::into_response);
    response.unwrap_or_else(|exception| page(request, &exception)).for_method(request.method())
}

fn handle(request: &Request, exception: &HttpException) -> Response {
    let Some(handler) = request.shared().error_handlers.get(&exception.status()) else {
        return page(request, exception);
    };
    log(request, exception);
    match handler(request, exception) {
        Ok(response) => response,
        // What an error handler raises is the app's mistake, whatever it raised.
        Err(raised) if exception.status() == StatusCode::INTERNAL_SERVER_ERROR => page(request, &as_failure(&raised)),
        Err(raised) => handle(request, &as_failure(&raised)),
    }
}

fn page(request: &Request, exception: &HttpException) -> Response {
    log(request, exception);
    exception.response()
}

fn as_failure(raised: &HttpException) -> HttpException {
    let cause = raised.original().map_or_else(|| raised.to_string(), ToString::to_string);
    Failure::ErrorHandler(cause).into()
}

fn log(request: &Request, exception: &HttpException) {
    if let Some(original) = exception.original() {
        let (app, method, path) = (&request.shared().name, request.method(), request.path());
        tracing::error!(app, %method, path, "exception on {path} [{method}]: {original}");
    }
}

fn panicked(payload: &(dyn Any + Send)) -> HttpException {
    let message = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
    Failure::Panicked(message.unwrap_or_else(|| "with something that is no text".to_owned())).into()
}
