//! The scenario file: parsed as TOML with the position of every value, and resolved into a validated model.
//!
//! [`load()`] is the entry point. It reports all problems of a file at once as
//! [`DocumentErrors`](crate::document::DocumentErrors), each with its line, a caret and the accepted values. Nothing here
//! starts anything.

pub mod lines;
pub mod model;
pub mod routes;

mod comparison;
mod load;
mod wire;
mod resolve;
mod explain;
mod schema;

mod template;
mod units;

pub use comparison::compare_versions;
pub use explain::explain;
pub use load::{load, load_gated, load_over, parse};
pub use schema::schema;
pub use units::QUANTITY_FORMS;
