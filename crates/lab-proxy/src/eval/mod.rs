//! nginx's variables: templates are compiled once, and write their text straight into an output buffer.

pub(crate) mod pattern;
mod defined;
mod values;
mod variable;
mod template;
mod lookup;
mod outcome;
mod scope;

pub use defined::DefinedVariables;
pub use outcome::{Attempt, ClientConnection, RequestOutcome};
pub use scope::Scope;
pub use template::{LogEscape, Template};
pub use values::VariableValues;
pub use variable::Variable;
