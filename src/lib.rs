//! lab: a declarative test-and-benchmark lab for Python web deployments.
//!
//! `lab run scenario.toml` starts the stacks a scenario names, checks what they do, measures how fast they do it,
//! and compares both with the snapshot that was reviewed before. The modules stand in reading order: what happens
//! to a scenario, top to bottom; then the twins, which know nothing of scenarios, and what
//! reads their configurations without running them.

pub mod cli;
pub mod cmd;
pub mod exit;

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
