//! nginx's variables: templates compiled once, written straight into an output buffer.

mod name;
mod template;
mod value;

pub use name::Variable;
pub use template::Template;
pub use value::{Attempt, ClientConnection, Outcome, Scope};
