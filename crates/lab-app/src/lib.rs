//! The Flask-style framework and the sample app.
//!
//! A small framework in Flask's vocabulary, whose specification is what Flask 3.1 and werkzeug 3.1 do, and a tower
//! `Service`, so that anything that hosts one can host it. Knows nothing of scenarios, stacks, checks or servers.
//!
//! Left out on purpose: multipart forms, sessions, blueprints, subdomains, static files, IDNA.

mod application;
mod dispatch;
pub mod routing;
mod handler;

pub mod proxy_fix;
pub mod environ;
pub mod view;
pub mod list_header;

mod request;
pub mod multi_dict;
mod response;
mod body;
mod cookie;
mod exception;
mod json;
mod template;
mod markup;
pub mod url;

pub mod sample;

#[cfg(test)]
mod testing;

pub use application::{App, AppError, MAX_CONTENT_LENGTH, WsgiApp};
pub use body::{Body, BoxError};
pub use cookie::{Cookie, SameSite};
pub use dispatch::WsgiFuture;
pub use environ::{Environ, EnvironValue};
pub use exception::{HttpException, abort};
pub use handler::{Handler, HandlerResult, Outcome};
pub use json::jsonify;
pub use minijinja::context;
pub use multi_dict::MultiDict;
pub use proxy_fix::ProxyFix;
pub use request::Request;
pub use response::{IntoResponse, Response, ResponseError, redirect};
pub use routing::{BuildError, PathValue, Rule, RuleError, Uuid};
pub use template::{TemplateError, render_template, render_template_string};
