//! The reverse proxy: the nginx twin. It runs an ordinary nginx.conf.
//!
//! It knows nothing of scenarios, stacks, checks or reports. A directive that it does not support is refused by name;
//! nothing is ignored. [`differences`] lists where it departs from nginx on purpose.
//!
//! The rooms, from what a file says to what a client gets: [`config`] (the typed configuration), [`eval`] (variables,
//! templates, patterns), [`routing`] (nginx's phases, which end in an action), `context` (what concerns one request),
//! `response` (the response and the steps that change it; a cache or compression goes there), [`upstream`] (peers),
//! [`downstream`] (clients), [`runtime`] (master and workers).

pub mod clock;
pub mod config;
pub mod eval;
pub mod routing;
pub mod logging;
mod context;
mod response;
pub mod upstream;
pub mod downstream;
pub mod runtime;
pub mod differences;

use std::path::Path;

use config::{Config, ConfigPaths};
use lab_nginx_conf::{self as conf, ConfError, Directive, LoadedConfig, SourceFile};

/// The part of a command line that concerns the configuration, by nginx's options.
#[derive(Debug, Clone, Copy)]
pub struct CommandLine<'c> {
    /// `-c`: the file.
    pub file: &'c Path,
    /// `-p`: what relative paths in it are relative to; without, the file's own folder.
    pub prefix: Option<&'c Path>,
    /// `-e`: where errors go if no `error_log` of the main level says so.
    pub error_log: Option<&'c Path>,
    /// `-g`: directives of the main level, before those of the file.
    pub directives: &'c str,
}

/// Reads and checks a configuration file and everything it includes. Returns the files as well.
///
/// # Errors
/// The first thing that is wrong, by file and line.
pub fn read_configuration(line: CommandLine<'_>) -> Result<(Config, Vec<SourceFile>), ConfError> {
    let mut tree = conf::parse(line.directives, Path::new("command line"))?;
    let LoadedConfig { tree: of_file, sources } = conf::load(line.file)?;
    tree.extend(of_file);
    Ok((understand(&tree, line.file, line.prefix, line.error_log)?, sources))
}

/// As [`read_configuration`], for the text of a configuration that is to be read as `file`; nothing is included.
///
/// # Errors
/// The first thing that is wrong, by file and line.
pub fn read_configuration_text(source: &str, file: &Path) -> Result<Config, ConfError> {
    understand(&conf::parse(source, file)?, file, None, None)
}

/// As [`read_configuration`], with the files from `read`, which may call them otherwise.
///
/// # Errors
/// The first thing that is wrong, by file and line.
pub fn read_configuration_with(file: &Path, read: &mut conf::ReadFile<'_>) -> Result<Config, ConfError> {
    understand(&conf::load_with(file, read)?.tree, file, None, None)
}

fn understand(
    tree: &[Directive],
    file: &Path,
    prefix: Option<&Path>,
    error_log: Option<&Path>,
) -> Result<Config, ConfError> {
    conf::check(tree)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    config::read(tree, file, ConfigPaths { prefix: prefix.unwrap_or(folder), error_log })
}
