//! nginx's variables as a configuration names them: their names and values, and the templates and patterns that read
//! and set them.
//!
//! Templates and patterns are compiled once. [`eval`](crate::eval) evaluates them for a request.

mod backtracking;
pub(crate) mod pattern;
pub(crate) mod template;
mod defined;
mod groups;
mod unsupported;
mod values;
mod variable;

pub use defined::DefinedVariables;
pub use groups::{CacheVariable, ConnectionCount, TlsVariable};
pub use template::{LogEscape, Template};
pub use values::VariableValues;
pub use variable::Variable;
