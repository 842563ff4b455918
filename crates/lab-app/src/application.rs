//! `App`: where rules, handlers and templates are registered, and the service that comes of it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use tower_service::Service;

use crate::body::Body;
use crate::dispatch::{self, WsgiFuture};
use crate::exception::HttpException;
use crate::handler::{Handler, HandlerResult, Outcome};
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::routing::{PathValue, Rule, RuleError, RuleMap};
use crate::template::Templates;

/// The largest request body that is read unless the app says otherwise, in bytes. Flask has no limit of its own and
/// reads lazily; here a body is read before the handler is called, so there has to be one.
pub const MAX_CONTENT_LENGTH: u64 = 16 * 1024 * 1024;

/// An app in the making, as `app = Flask(__name__)` and its decorators.
///
/// ```
/// use lab::app::{App, Request};
///
/// fn user(_: &Request, id: u32) -> String {
///     format!("user {id}")
/// }
///
/// let wsgi_app = App::new("shop").route("/user/<int:id>", user).wsgi_app()?;
/// # Ok::<(), lab::app::AppError>(())
/// ```
pub struct App {
    shared: Shared,
    templates: HashMap<String, String>,
    error: Option<AppError>,
}

/// Why an app cannot be had. Registering goes on after a mistake; the first one is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppError {
    /// A rule that cannot be read.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A handler that takes more or fewer variables than its rule has.
    #[error("the rule `{rule}` has {variables} variables, its handler takes {parameters}")]
    ParameterCount {
        /// The rule.
        rule: String,
        /// How many variables it has.
        variables: usize,
        /// How many parameters the handler has besides the request.
        parameters: usize,
    },
    /// A handler's parameter of another type than the converter makes.
    #[error(
        "the rule `{rule}` gives its handler {kind} as variable {position}, which the parameter's type does not take"
    )]
    ParameterType {
        /// The rule.
        rule: String,
        /// The variable's position in the rule, from 1.
        position: usize,
        /// What the converter makes.
        kind: &'static str,
    },
    /// An error handler for a status that is no error.
    #[error("{0} is no error status to handle: 400 to 599 are")]
    ErrorStatus(u16),
}

/// A finished app: a tower `Service` over requests with any body, cheap to clone. Its errors are pages.
#[derive(Clone, Debug)]
pub struct WsgiApp(pub(super) Arc<Shared>);

type ErasedHandler = Box<dyn Fn(&Request, &[PathValue]) -> Outcome + Send + Sync>;
type ErrorHandler = Box<dyn Fn(&Request, &HttpException) -> HandlerResult + Send + Sync>;
type BeforeRequest = Box<dyn Fn(&Request) -> Option<HandlerResult> + Send + Sync>;
type AfterRequest = Box<dyn Fn(&Request, Response) -> Response + Send + Sync>;

/// What every request of an app shares.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) rules: RuleMap,
    /// One for each rule.
    pub(super) handlers: Vec<ErasedHandler>,
    pub(super) error_handlers: HashMap<StatusCode, ErrorHandler>,
    pub(super) before_request: Vec<BeforeRequest>,
    pub(super) after_request: Vec<AfterRequest>,
    pub(super) templates: Templates,
    pub(super) max_content_length: u64,
}

impl App {
    /// An app without rules. The name is for messages.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            shared: Shared {
                name: name.into(),
                rules: RuleMap::default(),
                handlers: Vec::new(),
                error_handlers: HashMap::new(),
                before_request: Vec::new(),
                after_request: Vec::new(),
                templates: Templates::new(HashMap::new()),
                max_content_length: MAX_CONTENT_LENGTH,
            },
            templates: HashMap::new(),
            error: None,
        }
    }

    /// Registers a handler for a rule: `@app.route(rule)`.
    #[must_use]
    pub fn route<M, H: Handler<M>>(mut self, rule: impl Into<Rule>, handler: H) -> Self {
        let rule = rule.into();
        let text = rule.text().to_owned();
        let added = self.shared.rules.add(rule, function_name(std::any::type_name::<H>())).map_err(AppError::from);
        match added.and_then(|index| check_parameters(&text, &self.shared.rules, index, &H::parameters())) {
            Ok(()) => self.shared.handlers.push(Box::new(move |request, values| handler.call(request, values))),
            Err(error) => self.error = self.error.or(Some(error)),
        }
        self
    }

    /// Registers what answers an exception of this status: `@app.errorhandler(404)`. As in Flask, the answer has
    /// status 200 unless the handler sets another.
    #[must_use]
    pub fn errorhandler<R: IntoResponse>(
        mut self,
        status: u16,
        handler: impl Fn(&Request, &HttpException) -> R + Send + Sync + 'static,
    ) -> Self {
        match StatusCode::from_u16(status) {
            Ok(code) if code.is_client_error() || code.is_server_error() => {
                let handler: ErrorHandler = Box::new(move |request, error| handler(request, error).into_response());
                self.shared.error_handlers.insert(code, handler);
            }
            _ => self.error = self.error.or(Some(AppError::ErrorStatus(status))),
        }
        self
    }

    /// Registers what is called before each handler, and before an error page; what it returns is the answer.
    #[must_use]
    pub fn before_request<R: IntoResponse>(
        mut self,
        hook: impl Fn(&Request) -> Option<R> + Send + Sync + 'static,
    ) -> Self {
        self.shared.before_request.push(Box::new(move |request| hook(request).map(R::into_response)));
        self
    }

    /// Registers what every response passes through, error pages included; the last one registered comes first.
    #[must_use]
    pub fn after_request(mut self, hook: impl Fn(&Request, Response) -> Response + Send + Sync + 'static) -> Self {
        self.shared.after_request.push(Box::new(hook));
        self
    }

    /// Adds a template, as a file in Flask's `templates` folder.
    #[must_use]
    pub fn template(mut self, name: impl Into<String>, source: impl Into<String>) -> Self {
        self.templates.insert(name.into(), source.into());
        self
    }

    /// Sets the largest request body that is read, in bytes: Flask's `MAX_CONTENT_LENGTH`.
    #[must_use]
    pub fn max_content_length(mut self, bytes: u64) -> Self {
        self.shared.max_content_length = bytes;
        self
    }

    /// The finished app.
    ///
    /// # Errors
    /// The first mistake made in registering.
    pub fn wsgi_app(self) -> Result<WsgiApp, AppError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(WsgiApp(Arc::new(Shared { templates: Templates::new(self.templates), ..self.shared }))),
        }
    }
}

impl<B> Service<http::Request<B>> for WsgiApp
where
    B: http_body::Body<Data = Bytes>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = WsgiFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        dispatch::begin(&self.0, request)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("name", &self.name).field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// The name of a function from the name of its type; a closure has none.
fn function_name(type_name: &'static str) -> Option<&'static str> {
    let name = type_name.rsplit("::").next()?;
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(name)
}

fn check_parameters(
    rule: &str,
    rules: &RuleMap,
    index: usize,
    parameters: &[fn(crate::routing::ValueKind) -> bool],
) -> Result<(), AppError> {
    let kinds = rules.value_kinds(index);
    if kinds.len() != parameters.len() {
        let (variables, parameters) = (kinds.len(), parameters.len());
        return Err(AppError::ParameterCount { rule: rule.to_owned(), variables, parameters });
    }
    match kinds.iter().zip(parameters).position(|(kind, accepts)| !accepts(*kind)) {
        Some(at) => Err(AppError::ParameterType { rule: rule.to_owned(), position: at + 1, kind: kinds[at].name() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
