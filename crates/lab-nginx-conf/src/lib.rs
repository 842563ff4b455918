//! nginx's configuration language: text, to a syntax tree with positions, to a tree that was checked.
//!
//! [`parse`] is pure and keeps every directive, known or not, so that a tool can rewrite single arguments by their
//! byte spans and leave everything else of a file as it was written. [`load()`] reads files and resolves `include`;
//! [`check`] refuses what lab does not know. What the directives mean is [``settings`' matter.

mod error;
mod lexer;
mod syntax;
mod glob;
mod load;
mod unsupported;
mod directives;
mod values;

pub use directives::{Context, check};
pub use error::{ConfError, ConfErrorKind};
pub use load::{Loaded, Read, Source, included, load, load_with};
pub use syntax::{Arg, Directive, parse, quote};

pub use error::closest;
pub use load::MAX_DEPTH;
pub use values::{parse_number, parse_size, parse_time};
