//! nginx's configuration language: text, to a syntax tree with positions, to a checked and typed configuration.
//!
//! [`parse`] is pure and keeps every directive, known or not, so that a tool can rewrite single arguments by their
//! byte spans and leave everything else of a file as it was written.

mod error;
mod lexer;
mod syntax;

pub use error::{ConfError, ConfErrorKind};
pub use syntax::{Arg, Directive, parse, quote};
