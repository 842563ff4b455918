//! The reverse proxy: the nginx twin.
//!
//! It runs an ordinary nginx.conf, and knows nothing of scenarios, stacks, checks or reports. What it does not support
//! it refuses by name; nothing is ignored.
//!
//! Where it is not nginx's equal on purpose, because a MUST of RFC 9110 or 9112 says so or because it protects the app:
//!
//! - fields that Connection names are dropped, and with them Proxy-Connection, Trailer and HTTP2-Settings;
//! - an absolute target's host replaces the Host field; `OPTIONS *` is passed on; Max-Forwards is counted;
//! - `Expect: 100-continue` reaches an HTTP/1.1 upstream, and interim answers reach the client;
//! - an upstream's Date stays, as does a Connection: close that was asked for; an unasked 101 is a 502;
//! - answers that could be read in two ways are 502: repeated lengths, lengths beside chunks, unknown codings;
//! - line ends in variables become spaces in fields and escapes in targets; white space around values goes; 204 has no
//!   Content-Length;
//! - If-None-Match alone decides where it stands beside If-Modified-Since;
//! - slow heads and bodies are answered with 408, heads that are too large with 431.
//!
//! And because it is simpler so: without `error_log`, `access_log` and `pid` there is standard error, nothing, and no
//! file. No Via field is added, as in nginx. Regular expressions are those of linear time: look-around and
//! back-references are refused by name, and `$` is only the very end. The `error_page` of a request that was refused
//! while it was read is fetched without a word of that request. Names in a `proxy_pass` with variables are looked up by
//! the system, not by the `resolver` that is named: how long an answer is valid is then only known from `valid=`, and
//! else taken to be five seconds. Files are sent whole, not by ranges.
//!
//! The modules stand in the order in which a configuration becomes a running proxy and a request becomes an answer.

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

/// What a command line says of a configuration, by nginx's options.
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

/// Reads, checks and understands a configuration file and everything it includes. The files are given out as well.
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
