//! The generated files of the repository. The test `generated_files_are_current` includes this file.
//!
//! A generator is a row: the file's path in the repository, and a function that returns its content.

#[path = "compat.rs"]
mod compat;
#[path = "exit_codes.rs"]
mod exit_codes;
#[path = "keys.rs"]
mod keys;
#[path = "markdown.rs"]
mod markdown;

/// A path and the function that makes the file's content.
pub(crate) type Generated = (&'static str, fn() -> String);

pub(crate) const GENERATED: &[Generated] = &[
    ("fixtures/scenario.schema.json", lab::scenario::schema),
    ("fixtures/kind.schema.json", lab::catalog::schema),
    ("fixtures/event.schema.json", lab::event::line::schema),
    ("docs/compat-nginx.md", compat::nginx),
    ("docs/compat-gunicorn.md", compat::gunicorn),
    ("docs/compat-flask.md", compat::flask),
    ("docs/exit-codes.md", exit_codes::page),
    ("docs/scenario-keys.md", keys::scenario),
    ("docs/kind-keys.md", keys::kind),
];
