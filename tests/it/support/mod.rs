//! Support for the tests: a project folder with the lab binary, required tools, waiting, exit codes.

mod browser;
mod dead_address;
mod json_schema;
mod output;
mod project;
mod small_disk;
mod stop_flag;
mod tool;
mod wait;

pub(crate) use browser::Browser;
pub(crate) use dead_address::DeadAddress;
pub(crate) use json_schema::assert_valid;
pub(crate) use output::{assert_exit, text};
pub(crate) use project::{Project, facts_only, replaced, short};
pub(crate) use small_disk::SmallDisk;
pub(crate) use stop_flag::StopFlag;
pub(crate) use tool::{Tool, python_on_path, requires, skip};
pub(crate) use wait::{Condition, wait_until, wait_until_within};
