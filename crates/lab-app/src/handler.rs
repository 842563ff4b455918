//! Handlers: functions of the request and of the rule's variables.

use std::pin::Pin;

use crate::exception::{HttpException, abort};
use crate::into_response::IntoResponse;
use crate::request::Request;
use crate::response::Response;
use crate::routing::{FromPathValue, PathValue, ValueKind};

pub type HandlerResult = Result<Response, HttpException>;

pub enum HandlerOutput {
    /// The result of a plain function.
    Ready(HandlerResult),
    /// The future of an async function.
    Pending(Pin<Box<dyn Future<Output = HandlerResult> + Send>>),
}

/// A function that serves requests. Implemented for
/// - `fn(&Request, …) -> impl IntoResponse`, and
/// - `async fn(Request, …) -> impl IntoResponse`, which owns its handle of the request,
///
/// each with up to four more parameters: the rule's variables in their order, as types that accept the values of their
/// converters. `Marker` exists only to keep the two implementations apart.
pub trait Handler<Marker>: Send + Sync + 'static {
    /// For each parameter, a function that says whether it accepts a kind of value.
    fn parameters() -> Vec<fn(ValueKind) -> bool>;

    /// Calls the function. A value out of its parameter's range becomes a 404.
    fn call(&self, request: &Request, values: &[PathValue]) -> HandlerOutput;
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

            fn call(&self, request: &Request, values: &[PathValue]) -> HandlerOutput {
                let [$($value),*] = values else { return out_of_range() };
                $(let Some($value) = $parameter::from_path_value($value) else { return out_of_range() };)*
                HandlerOutput::Ready(self(request, $($value),*).into_response())
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

            fn call(&self, request: &Request, values: &[PathValue]) -> HandlerOutput {
                let [$($value),*] = values else { return out_of_range() };
                $(let Some($value) = $parameter::from_path_value($value) else { return out_of_range() };)*
                let future = self(request.clone(), $($value),*);
                HandlerOutput::Pending(Box::pin(async move { future.await.into_response() }))
            }
        }
    };
}

handlers!();
handlers!(A a);
handlers!(A a, B b);
handlers!(A a, B b, C c);
handlers!(A a, B b, C c, D d);

fn out_of_range() -> HandlerOutput {
    HandlerOutput::Ready(Err(abort(404)))
}
