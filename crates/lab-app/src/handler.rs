//! What can be registered as a handler: functions of the request and of the rule's variables.

use std::pin::Pin;

use crate::exception::{HttpException, abort};
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::routing::{FromPathValue, PathValue, ValueKind};

/// What a handler comes to.
pub type HandlerResult = Result<Response, HttpException>;

/// What a handler gives back at once: its result, or the future of one.
pub enum Outcome {
    /// A plain function's result.
    Ready(HandlerResult),
    /// An async function's future.
    Pending(Pin<Box<dyn Future<Output = HandlerResult> + Send>>),
}

/// A function that answers requests. Implemented for
/// - `fn(&Request, …) -> impl IntoResponse`, and
/// - `async fn(Request, …) -> impl IntoResponse` (it owns its handle of the request),
///
/// each with up to four more parameters: the rule's variables in the rule's order, as types that take what their
/// converters make. `Marker` only tells the two apart.
pub trait Handler<Marker>: Send + Sync + 'static {
    /// For each parameter, whether it takes values of a kind.
    fn parameters() -> Vec<fn(ValueKind) -> bool>;

    /// Calls the function. A value that its parameter has no room for is a 404.
    fn call(&self, request: &Request, values: &[PathValue]) -> Outcome;
}

/// Marks a plain function.
pub struct Plain<R, Parameters>(std::marker::PhantomData<(R, Parameters)>);
/// Marks an async function.
pub struct Async<Fut, Parameters>(std::marker::PhantomData<(Fut, Parameters)>);

macro_rules! handlers {
    ($($parameter:ident $value:ident),*) => {
        impl<F, R, $($parameter),*> Handler<Plain<R, ($($parameter,)*)>> for F
        where
            F: Fn(&Request, $($parameter),*) -> R + Send + Sync + 'static,
            R: IntoResponse,
            $($parameter: FromPathValue,)*
        {
            fn parameters() -> Vec<fn(ValueKind) -> bool> {
                vec![$($parameter::accepts),*]
            }

            fn call(&self, request: &Request, values: &[PathValue]) -> Outcome {
                let [$($value),*] = values else { return no_room() };
                $(let Some($value) = $parameter::from_path_value($value) else { return no_room() };)*
                Outcome::Ready(self(request, $($value),*).into_response())
            }
        }

        impl<F, Fut, $($parameter),*> Handler<Async<Fut, ($($parameter,)*)>> for F
        where
            F: Fn(Request, $($parameter),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output: IntoResponse> + Send + 'static,
            $($parameter: FromPathValue,)*
        {
            fn parameters() -> Vec<fn(ValueKind) -> bool> {
                vec![$($parameter::accepts),*]
            }

            fn call(&self, request: &Request, values: &[PathValue]) -> Outcome {
                let [$($value),*] = values else { return no_room() };
                $(let Some($value) = $parameter::from_path_value($value) else { return no_room() };)*
                let future = self(request.clone(), $($value),*);
                Outcome::Pending(Box::pin(async move { future.await.into_response() }))
            }
        }
    };
}

handlers!();
handlers!(A a);
handlers!(A a, B b);
handlers!(A a, B b, C c);
handlers!(A a, B b, C c, D d);

fn no_room() -> Outcome {
    Outcome::Ready(Err(abort(404)))
}
