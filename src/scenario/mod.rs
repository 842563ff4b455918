//! The scenario file: read as TOML in which every value knows its place, resolved into a validated model.
//!
//! [`load()`] is the way in. What is wrong with a file comes out as [`DocumentErrors`](crate::document::DocumentErrors): every problem at once, each with
//! its line, a caret and what would be accepted. Nothing here starts anything.

pub mod model;

mod load;
mod wire;
mod resolve;
mod explain;
mod schema;

mod template;
mod units;

pub use explain::explain;
pub use load::{load, parse};
pub use schema::schema;
