//! gunicorn's settings: what `lab serve` is told, by the names, defaults and precedence of gunicorn 27.
//!
//! One [table](table::TABLE) holds them all. Command line, `GUNICORN_CMD_ARGS`, `gunicorn.conf.py` and `--print-config`
//! follow from it; a setting that lab cannot honour stands in it as well, with what to use instead. In reading order:
//! the table, values and how they are judged, where they come from and which of them wins, and what a server makes of
//! them. Only `file` runs a process and `load` looks around; everything
//! else is pure.

pub mod table;
pub mod value;
pub mod kind;
pub mod arguments;
pub mod file;
pub mod layers;
pub mod config;
pub mod load;

pub use config::Config;
pub use layers::{Layers, Origin, SettingsError, Surroundings};
pub use value::Value;
