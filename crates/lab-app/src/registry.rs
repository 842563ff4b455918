//! Everything registered with an app.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use crate::app_context::AppContext;
use crate::exception::HttpException;
use crate::handler::{HandlerOutput, HandlerResult};
use crate::request::Request;
use crate::response::Response;
use crate::routing::PathValue;

pub(crate) type ErasedHandler = Box<dyn Fn(&Request, &[PathValue]) -> HandlerOutput + Send + Sync>;
pub(crate) type ErrorHandler = Box<dyn Fn(&Request, &HttpException) -> HandlerResult + Send + Sync>;
pub(crate) type BeforeRequest = Box<dyn Fn(&Request) -> Option<HandlerResult> + Send + Sync>;
pub(crate) type AfterRequest = Box<dyn Fn(&Request, Response) -> Response + Send + Sync>;

pub(crate) struct Registry {
    pub(crate) context: Arc<AppContext>,
    /// One per rule, at the rule's index.
    pub(crate) handlers: Vec<ErasedHandler>,
    pub(crate) error_handlers: HashMap<StatusCode, ErrorHandler>,
    pub(crate) before_request: Vec<BeforeRequest>,
    pub(crate) after_request: Vec<AfterRequest>,
    pub(crate) max_content_length: u64,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.context.fmt(f)
    }
}
