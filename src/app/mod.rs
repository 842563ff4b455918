//! The Flask-style framework and the sample app.
//!
//! A small framework in Flask's vocabulary, whose specification is what Flask 3.1 and werkzeug 3.1 do, and a tower
//! `Service`, so that anything that hosts one can host it. Knows nothing of scenarios, stacks, checks or servers.

pub mod routing;
pub mod proxy_fix;
pub mod environ;
pub mod list_header;
pub mod url;

pub use environ::{Environ, EnvironValue};
pub use proxy_fix::ProxyFix;
pub use routing::{BuildError, PathValue, Rule, RuleError, Uuid};
