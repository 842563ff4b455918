//! The reverse proxy: the nginx twin.
//!
//! It runs an ordinary nginx.conf, and knows nothing of scenarios, stacks, checks or reports. What it does not support
//! it refuses by name; nothing is ignored.
//!
//! The modules stand in the order in which a configuration becomes a running proxy and a request becomes an answer.

pub mod conf;
pub mod settings;
pub mod variables;
pub mod clock;
pub mod uri;
pub mod request;
pub mod request_head;
pub mod response_head;
pub mod error_page;
pub mod balancer;
pub mod sockets;
pub mod log;

mod timer;
mod sent;
mod upstream;
mod client;
mod upload;
mod forward;
mod exchange;
mod worker;

pub mod master;

use std::path::Path;

use conf::ConfError;
use settings::Settings;

/// Reads, checks and understands a configuration file and everything it includes. Relative paths in it are relative to
/// `prefix`, or to the file's own folder.
///
/// # Errors
/// The first thing that is wrong, by file and line.
pub fn read_configuration(file: &Path, prefix: Option<&Path>) -> Result<Settings, ConfError> {
    let tree = conf::load(file)?;
    conf::check(&tree)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    settings::read(&tree, file, prefix.unwrap_or(folder))
}
