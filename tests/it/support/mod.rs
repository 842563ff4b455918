//! Support for the tests: a project folder with the lab binary, required tools, waiting, exit codes.

mod output;
mod project;
mod tool;
mod wait;

pub(crate) use output::{assert_exit, text};
pub(crate) use project::{Project, replaced, short};
pub(crate) use tool::{Tool, python_on_path, requires, skip};
pub(crate) use wait::{Condition, wait_until, wait_until_within};
