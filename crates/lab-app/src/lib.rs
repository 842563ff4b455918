//! A small web framework with Flask's vocabulary, and lab's sample app.
//!
//! Its specification is the behaviour of Flask 3.1 and werkzeug 3.1; [`compatibility`] lists what is supported, missing
//! and different. An app is a tower `Service`, so any host of such services can serve it. The crate knows nothing of
//! scenarios, stacks, checks or servers.
//!
//! ```
//! use lab_app::{App, Body, ProxyFix, Request};
//! use tower_service::Service as _;
//!
//! fn greet(request: &Request, name: String) -> String {
//!     format!("Hello {name} from {}", request.remote_addr().unwrap_or_default())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = App::new("greeter").route("/hello/<name>", greet).wsgi_app()?;
//! let mut app = ProxyFix::new(app).x_for(1);
//!
//! let request = http::Request::get("/hello/Ada").header("X-Forwarded-For", "203.0.113.9").body(Body::empty())?;
//! let response = app.call(request).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.headers()["Content-Type"], "text/html; charset=utf-8");
//! assert_eq!(response.body().len(), Some("Hello Ada from 203.0.113.9".len() as u64));
//! # Ok(())
//! # }
//! ```

mod application;
mod registry;
mod app_context;
mod dispatch;
pub mod routing;
mod handler;

pub mod proxy_fix;
pub mod environ;
pub mod headers_report;
pub mod list_header;

mod request;
pub mod multi_dict;
mod response;
mod into_response;
mod body;
mod cookie;
mod exception;
mod json;
mod template;
mod template_environment;
mod markup;
pub mod url;

pub mod compatibility;
pub mod sample;

#[cfg(test)]
mod testing;

pub use application::{App, AppError, AppService, MAX_CONTENT_LENGTH};
pub use body::{Body, BoxError};
pub use cookie::{Cookie, SameSite};
pub use dispatch::ResponseFuture;
pub use environ::{Environ, EnvironValue};
pub use exception::{HttpException, abort};
pub use handler::{Handler, HandlerOutput, HandlerResult};
pub use into_response::IntoResponse;
pub use json::jsonify;
pub use minijinja::context;
pub use multi_dict::MultiDict;
pub use proxy_fix::ProxyFix;
pub use request::Request;
pub use response::{Response, ResponseError, redirect};
pub use routing::{BuildError, PathValue, Rule, RuleError, Uuid};
pub use template::{TemplateError, render_template, render_template_string};
