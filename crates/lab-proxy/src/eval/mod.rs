//! Evaluates variables, and the directives that use them, for a request. Values are written directly into an output
//! buffer.

mod cache_outcome;
mod cache_rules;
mod certificate;
mod client_handshake;
mod lookup;
mod derived;
mod map;
mod outcome;
mod proxy_extension;
mod request_variables;
mod root;
mod secure_link;
mod scope;
mod slice;
mod template;
mod user_id;

pub use cache_outcome::{CacheOutcome, CacheStatus};
pub use client_handshake::ClientHandshake;
pub use outcome::{Attempt, ClientConnection, Compression, RequestOutcome};
pub use root::FilePath;
pub use scope::Scope;
pub(crate) use template::escape_json_from;
