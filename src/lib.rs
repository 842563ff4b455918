//! lab: a declarative test-and-benchmark lab for Python web deployments.
//!
//! `lab run scenario.toml` starts the stacks of a scenario, checks their responses, measures them under load, and compares
//! both with the snapshot that was reviewed before. The modules are in reading order: the path of a scenario from top to
//! bottom; then [`init`] and [`lint`], which read configurations without running them. The twins are crates of their own.

pub mod cli;
pub mod cmd;
pub mod exit;

pub mod shell_words;
pub mod whole_file;
pub mod document;
pub mod catalog;
pub mod provision;
pub mod scenario;
pub mod revision;
pub mod stack;
pub mod check;
pub mod measure;
pub mod hosts;
pub mod engine;
pub mod event;
pub mod record;
pub mod snapshot;
pub mod report;

pub mod init;
pub mod lint;

pub mod ci;
