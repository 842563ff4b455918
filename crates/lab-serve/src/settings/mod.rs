//! gunicorn's settings, with the names, defaults and precedence of gunicorn 27.
//!
//! One [table](table::TABLE) holds all of them; [another](own_table::OWN_TABLE) holds what lab adds. The flags, `GUNICORN_CMD_ARGS`, `gunicorn.conf.py`, `--print-config` and
//! [`compatibility()`] follow from it. Settings that lab does not support are in it too, each with a hint what to use
//! instead. In reading order: the table; values and their validation; the sources of values, and which of them wins; the
//! typed [`Config`]. Only `file` runs a process and only `load` reads the environment; the rest is pure.

pub mod table;
pub mod own_table;
pub mod lookup;
mod compatibility;
pub mod value;
pub mod kind;
pub mod arguments;
pub mod file;
mod error;
pub mod resolve;
mod reader;
mod http2;
pub mod log_settings;
pub mod config;
mod validation;
mod refusal;
mod paste;
pub mod load;

pub use compatibility::{CompatibilityRow, compatibility};
pub use config::Config;
pub use error::{Origin, SettingsError};
pub use refusal::refusal;
pub use resolve::{ResolvedSettings, SettingsContext};
pub use value::Value;
