//! `App` registers rules, handlers and templates, and builds an [`AppService`].

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use tower_service::Service;

use crate::app_context::AppContext;
use crate::body::Body;
use crate::dispatch::{self, ResponseFuture};
use crate::exception::HttpException;
use crate::handler::Handler;
use crate::into_response::IntoResponse;
use crate::registry::{AfterRequest, BeforeRequest, ErasedHandler, ErrorHandler, Registry};
use crate::request::Request;
use crate::response::Response;
use crate::routing::{Rule, RuleError, RuleMap, ValueKind};
use crate::template_environment::TemplateEnvironment;

/// The default limit of a request body, in bytes. Flask has no limit because it reads lazily; lab reads the body before
/// it calls the handler, so it needs one.
pub const MAX_CONTENT_LENGTH: u64 = 16 * 1024 * 1024;

/// Builds an app, as `app = Flask(__name__)` and its decorators do.
///
/// ```
/// use lab_app::{App, Request};
///
/// fn user(_: &Request, id: u32) -> String {
///     format!("user {id}")
/// }
///
/// let wsgi_app = App::new("shop").route("/user/<int:id>", user).wsgi_app()?;
/// # Ok::<(), lab_app::AppError>(())
/// ```
pub struct App {
    name: String,
    rules: RuleMap,
    handlers: Vec<ErasedHandler>,
    error_handlers: HashMap<StatusCode, ErrorHandler>,
    before_request: Vec<BeforeRequest>,
    after_request: Vec<AfterRequest>,
    templates: HashMap<String, String>,
    max_content_length: u64,
    error: Option<AppError>,
}

/// The first mistake in the registrations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The handler takes more or fewer variables than its rule has.
    #[error("the rule `{rule}` has {variables} variables, its handler takes {parameters}")]
    ParameterCount {
        rule: String,
        variables: usize,
        /// The handler's parameters besides the request.
        parameters: usize,
    },
    /// A parameter of the handler does not accept what the converter produces.
    #[error(
        "the rule `{rule}` passes its handler {kind} as variable {position}, which the parameter's type does not accept"
    )]
    ParameterType {
        rule: String,
        /// The variable's position in the rule, from 1.
        position: usize,
        /// The kind of value that the converter produces.
        kind: &'static str,
    },
    #[error("{0} is not an error status: 400 to 599 are accepted")]
    ErrorStatus(u16),
}

/// A finished app: a tower `Service` for requests with any body. Errors become pages. Clones are cheap.
#[derive(Clone, Debug)]
pub struct AppService(Arc<Registry>);

impl App {
    /// An app without rules. The name appears only in messages.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rules: RuleMap::default(),
            handlers: Vec::new(),
            error_handlers: HashMap::new(),
            before_request: Vec::new(),
            after_request: Vec::new(),
            templates: HashMap::new(),
            max_content_length: MAX_CONTENT_LENGTH,
            error: None,
        }
    }

    /// Registers a handler for a rule: `@app.route(rule)`.
    #[must_use]
    pub fn route<M, H: Handler<M>>(mut self, rule: impl Into<Rule>, handler: H) -> Self {
        let rule = rule.into();
        let text = rule.text().to_owned();
        let added = self.rules.add(rule, function_name(std::any::type_name::<H>())).map_err(AppError::from);
        match added.and_then(|index| check_parameters(&text, &self.rules, index, &H::parameters())) {
            Ok(()) => self.handlers.push(Box::new(move |request, values| handler.call(request, values))),
            Err(error) => self.error = self.error.or(Some(error)),
        }
        self
    }

    /// Registers a handler for exceptions of this status: `@app.errorhandler(404)`. As in Flask, the response has
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
                self.error_handlers.insert(code, handler);
            }
            _ => self.error = self.error.or(Some(AppError::ErrorStatus(status))),
        }
        self
    }

    /// Registers a hook that runs before each handler and each error page. If it returns a response, that one is sent.
    #[must_use]
    pub fn before_request<R: IntoResponse>(
        mut self,
        hook: impl Fn(&Request) -> Option<R> + Send + Sync + 'static,
    ) -> Self {
        self.before_request.push(Box::new(move |request| hook(request).map(R::into_response)));
        self
    }

    /// Registers a hook that every response passes through, including error pages. The last one registered runs first.
    #[must_use]
    pub fn after_request(mut self, hook: impl Fn(&Request, Response) -> Response + Send + Sync + 'static) -> Self {
        self.after_request.push(Box::new(hook));
        self
    }

    /// Adds a template, like a file in Flask's `templates` folder.
    #[must_use]
    pub fn template(mut self, name: impl Into<String>, source: impl Into<String>) -> Self {
        self.templates.insert(name.into(), source.into());
        self
    }

    /// Limits request bodies, in bytes: Flask's `MAX_CONTENT_LENGTH`.
    #[must_use]
    pub fn max_content_length(mut self, bytes: u64) -> Self {
        self.max_content_length = bytes;
        self
    }

    /// Finishes the app.
    ///
    /// # Errors
    /// The first mistake in the registrations.
    pub fn wsgi_app(self) -> Result<AppService, AppError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let templates = TemplateEnvironment::new(self.templates);
        Ok(AppService(Arc::new(Registry {
            context: Arc::new(AppContext { name: self.name, rules: self.rules, templates }),
            handlers: self.handlers,
            error_handlers: self.error_handlers,
            before_request: self.before_request,
            after_request: self.after_request,
            max_content_length: self.max_content_length,
        })))
    }
}

impl<B> Service<http::Request<B>> for AppService
where
    B: http_body::Body<Data = Bytes>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        dispatch::dispatch_request(&self.0, request)
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("name", &self.name).field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// The name of a function, taken from its type. A closure has none.
fn function_name(type_name: &'static str) -> Option<&'static str> {
    let name = type_name.rsplit("::").next()?;
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(name)
}

fn check_parameters(
    rule: &str,
    rules: &RuleMap,
    index: usize,
    parameters: &[fn(ValueKind) -> bool],
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
