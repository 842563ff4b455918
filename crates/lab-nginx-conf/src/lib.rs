//! nginx's configuration language: from text to a checked syntax tree with source positions.
//!
//! Each step is a module: the lexer splits text into words, [`parse`] builds a tree, [`load()`] resolves `include`, and
//! [`check()`] compares the tree with the table of supported directives. [`parse`] keeps unknown directives too, so a
//! tool can rewrite single arguments by their byte spans and leave the rest of the file unchanged. This crate does not
//! interpret directives, but the methods of [`Directive`] parse numbers, sizes and times.
//!
//! ```
//! use std::path::Path;
//!
//! let text = "http {\n    server {\n        listen 8080;\n    }\n}\n";
//! let tree = lab_nginx_conf::parse(text, Path::new("nginx.conf"))?;
//! let listen = lab_nginx_conf::walk(&tree).find(|directive| directive.name == "listen").unwrap();
//! println!("{}:{}: listens on {}", listen.file.display(), listen.line, listen.first());
//! // nginx.conf:3: listens on 8080
//! # assert_eq!((listen.line, listen.first()), (3, "8080"));
//! # Ok::<(), lab_nginx_conf::ConfError>(())
//! ```

mod error;
mod encoding;
mod lexer;
mod syntax;
mod glob;
mod package_files;
mod include;
mod context;
mod directives;
mod no_effect;
mod rules;
mod tls_directives;
mod unsupported;
mod check;
mod compatibility;
mod values;

pub use check::{check, join_in_order, without_faults};
pub use compatibility::{Compatibility, Support, compatibility};
pub use context::Context;
pub use encoding::{NotText, decode};
pub use error::{ConfError, ConfErrorKind, FurtherErrors, closest};
pub use include::{
    LoadedConfig, MAX_DEPTH, ReadFile, SourceFile, included_nearby, load, load_nearby, load_with, read_source,
};
pub use package_files::{PackageFile, package_file};
pub use syntax::{Arg, Directive, MAX_NESTING, is_other_protocol, parse, quote, walk};
pub use values::{parse_number, parse_size, parse_time};
