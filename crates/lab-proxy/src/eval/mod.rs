//! nginx's variables: templates compiled once, written straight into an output buffer.

pub(crate) mod pattern;
mod names;
mod values;
mod name;
mod template;
mod lookup;
mod outcome;
mod scope;

pub use name::Variable;
pub use names::Names;
pub use outcome::{Attempt, ClientConnection, Outcome};
pub use scope::Scope;
pub use template::{Escape, Template};
pub use values::Values;
