//! Dispatch: routes a request, reads its body, runs hooks and handlers (Flask's `full_dispatch_request`).

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::ALLOW;

use crate::body::Body;
use crate::environ::Environ;
use crate::exception::{Failure, HttpException, allow};
use crate::handler::{HandlerOutput, HandlerResult};
use crate::into_response::IntoResponse;
use crate::registry::Registry;
use crate::request::{Request, RequestBody, RequestHead};
use crate::response::{Response, redirect};
use crate::routing::RouteMatch;
use crate::url;

/// The future of a response. It is ready at once, and boxes nothing, if the request has no body and the handler is a
/// plain function.
pub struct ResponseFuture<B>(State<B>);

enum State<B> {
    Ready(http::Response<Body>),
    Reading(Box<Reading<B>>),
    Running(Call, Pin<Box<dyn Future<Output = HandlerResult> + Send>>),
    Done,
}

/// A request whose body is being read.
struct Reading<B> {
    registry: Arc<Registry>,
    head: RequestHead,
    body: Pin<Box<B>>,
    /// The first piece, uncopied: most bodies have only one.
    first: Bytes,
    more: BytesMut,
}

/// A request and the app that serves it.
struct Call {
    registry: Arc<Registry>,
    request: Request,
}

/// The result of routing.
enum Target {
    Handler,
    Response(Response),
    Redirect(String),
    Exception(HttpException),
}

/// Routes a request and serves it as far as possible without waiting.
pub(super) fn dispatch_request<B>(registry: &Arc<Registry>, request: http::Request<B>) -> ResponseFuture<B>
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
    let mut head = RequestHead { context: Arc::clone(&registry.context), parts, environ, path, matched: None };
    let target = match registry.context.rules.find(head.path(), &head.parts.method) {
        RouteMatch::Rule { index, values } => {
            head.matched = Some((index, values));
            Target::Handler
        }
        RouteMatch::AutomaticOptions(methods) => {
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert(ALLOW, allow(&methods));
            Target::Response(response)
        }
        RouteMatch::Redirect(path) => Target::Redirect(path),
        RouteMatch::MethodNotAllowed(methods) => Target::Exception(HttpException::method_not_allowed(&methods)),
        RouteMatch::NotFound => Target::Exception(HttpException::new(StatusCode::NOT_FOUND)),
    };
    if !matches!(target, Target::Handler) || body.is_end_stream() {
        return ResponseFuture(serve(registry, head.with_body(RequestBody::Read(Bytes::new())), target));
    }
    if body.size_hint().lower() > registry.max_content_length {
        return ResponseFuture(serve(registry, head.with_body(RequestBody::TooLarge), target));
    }
    let (first, more) = (Bytes::new(), BytesMut::new());
    ResponseFuture(State::Reading(Box::new(Reading {
        registry: Arc::clone(registry),
        head,
        body: Box::pin(body),
        first,
        more,
    })))
}

impl<B> Future for ResponseFuture<B>
where
    B: http_body::Body<Data = Bytes>,
{
    type Output = Result<http::Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            self.0 = match std::mem::replace(&mut self.0, State::Done) {
                State::Ready(response) => return Poll::Ready(Ok(response)),
                State::Reading(mut reading) => match reading.poll(cx) {
                    Poll::Ready(body) => serve(&reading.registry, reading.head.with_body(body), Target::Handler),
                    Poll::Pending => {
                        self.0 = State::Reading(reading);
                        return Poll::Pending;
                    }
                },
                State::Running(call, mut future) => match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(Poll::Ready(result)) => State::Ready(call.finalize(result)),
                    Ok(Poll::Pending) => {
                        self.0 = State::Running(call, future);
                        return Poll::Pending;
                    }
                    Err(payload) => State::Ready(call.finalize(Err(panicked(&*payload)))),
                },
                State::Done => return Poll::Pending,
            };
        }
    }
}

impl<B> Unpin for ResponseFuture<B> {}

impl<B> Reading<B>
where
    B: http_body::Body<Data = Bytes>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RequestBody> {
        loop {
            match ready!(self.body.as_mut().poll_frame(cx)) {
                None if self.more.is_empty() => return Poll::Ready(RequestBody::Read(std::mem::take(&mut self.first))),
                None => return Poll::Ready(RequestBody::Read(std::mem::take(&mut self.more).freeze())),
                Some(Err(_)) => return Poll::Ready(RequestBody::Disconnected),
                Some(Ok(frame)) => {
                    // WSGI has no place for trailers.
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
                    if length > self.registry.max_content_length {
                        return Poll::Ready(RequestBody::TooLarge);
                    }
                }
            }
        }
    }
}

fn serve<B>(registry: &Arc<Registry>, request: Request, target: Target) -> State<B> {
    let call = Call { registry: Arc::clone(registry), request };
    match catch_unwind(AssertUnwindSafe(|| call.run(target))) {
        Ok(HandlerOutput::Ready(result)) => State::Ready(call.finalize(result)),
        Ok(HandlerOutput::Pending(future)) => State::Running(call, future),
        Err(payload) => State::Ready(call.finalize(Err(panicked(&*payload)))),
    }
}

impl Call {
    /// Runs the `before_request` hooks and the handler.
    fn run(&self, target: Target) -> HandlerOutput {
        let request = &self.request;
        if let Some(result) = self.registry.before_request.iter().find_map(|hook| hook(request)) {
            return HandlerOutput::Ready(result);
        }
        HandlerOutput::Ready(match target {
            Target::Response(response) => Ok(response),
            Target::Redirect(path) => redirect(&request.url_of_path(&path), 308).into_response(),
            Target::Exception(exception) => Err(exception),
            Target::Handler => match request.matched() {
                Some((index, values)) => return self.registry.handlers[*index](request, values),
                None => Err(HttpException::new(StatusCode::NOT_FOUND)),
            },
        })
    }

    /// Runs error handlers, then the `after_request` hooks, then applies HTTP's rules for the method.
    fn finalize(&self, result: HandlerResult) -> http::Response<Body> {
        let request = &self.request;
        let response = catch_unwind(AssertUnwindSafe(|| {
            let response = result.unwrap_or_else(|exception| self.handle_exception(&exception));
            self.registry.after_request.iter().rev().fold(response, |response, hook| hook(request, response))
        }));
        let response = response.map_err(|payload| panicked(&*payload)).and_then(IntoResponse::into_response);
        response.unwrap_or_else(|exception| self.default_page(&exception)).for_method(request.method())
    }

    fn handle_exception(&self, exception: &HttpException) -> Response {
        let Some(handler) = self.registry.error_handlers.get(&exception.status()) else {
            return self.default_page(exception);
        };
        self.log(exception);
        match handler(&self.request, exception) {
            Ok(response) => response,
            // An exception from an error handler is a bug of the app, so it counts as a 500.
            Err(raised) if exception.status() == StatusCode::INTERNAL_SERVER_ERROR => {
                self.default_page(&as_failure(&raised))
            }
            Err(raised) => self.handle_exception(&as_failure(&raised)),
        }
    }

    fn default_page(&self, exception: &HttpException) -> Response {
        self.log(exception);
        exception.response()
    }

    fn log(&self, exception: &HttpException) {
        if let Some(original) = exception.original() {
            let (app, method, path) = (&self.registry.context.name, self.request.method(), self.request.path());
            tracing::error!(app, %method, path, "exception on {path} [{method}]: {original}");
        }
    }
}

fn as_failure(raised: &HttpException) -> HttpException {
    let cause = raised.original().map_or_else(|| raised.to_string(), ToString::to_string);
    Failure::ErrorHandler(cause).into()
}

fn panicked(payload: &(dyn Any + Send)) -> HttpException {
    let message = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
    Failure::Panicked(message.unwrap_or_else(|| "with something that is no text".to_owned())).into()
}
