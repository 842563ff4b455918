//! The reverse proxy: the nginx twin. It runs an ordinary nginx.conf.
//!
//! It knows nothing of scenarios, stacks, checks or reports. A directive that it does not support is refused by name;
//! nothing is ignored. [`differences`] lists the intended differences from nginx.
//!
//! The modules, from the file to the response: [`variables`] (names, values, templates and patterns), [`config`] (the
//! typed configuration), [`routing`] (a request and its route), [`eval`] (the values of variables for a request),
//! [`phases`] (nginx's phases, which end in an action), [`tls`] (the contexts of handshakes), `cache` (what directives make of
//! the rules of `lab-cache`), `context` (the state of one request), `response` (the response and the steps that change it), [`upstream`] (peers), [`downstream`] (clients),
//! [`runtime`] (master and workers).

pub mod clock;
pub mod variables;
pub mod config;
pub mod routing;
mod connection_counts;
pub mod tls;
mod cache;
pub mod limits;
pub mod eval;
pub mod phases;
pub mod logging;
mod context;
mod response;
pub mod upstream;
pub mod downstream;
pub mod runtime;
pub mod differences;

use std::path::Path;

use config::nginx_version::NginxVersion;
use config::{Config, ConfigPaths};
use lab_nginx_conf::{self as conf, ConfError, Directive, LoadedConfig, SourceFile};

/// The part of a command line that concerns the configuration, by nginx's options.
#[derive(Debug, Clone, Copy)]
pub struct CommandLine<'c> {
    /// `-c`: the file.
    pub file: &'c Path,
    /// `-p`: the folder that relative paths start from. Without it, the folder of the file.
    pub prefix: Option<&'c Path>,
    /// `-e`: the error log if the main level has no `error_log`.
    pub error_log: Option<&'c Path>,
    /// `-g`: directives of the main level, read before those of the file.
    pub directives: &'c str,
    /// `--nginx-version`: the version of nginx whose defaults apply.
    pub nginx_version: NginxVersion,
}

/// Reads and checks a configuration file and everything it includes. Returns the files as well.
///
/// # Errors
/// All errors, by file and line.
pub fn read_configuration(line: CommandLine<'_>) -> Result<(Config, Vec<SourceFile>), ConfError> {
    let mut tree = conf::parse(line.directives, Path::new("command line"))?;
    // as in nginx, a relative file starts from the prefix
    let file = line.prefix.map_or(line.file.to_owned(), |prefix| prefix.join(line.file));
    let LoadedConfig { tree: directives, sources } = conf::load(&file)?;
    tree.extend(directives);
    let own = paths_of(&file);
    let paths = ConfigPaths { prefix: line.prefix.unwrap_or(own.prefix), error_log: line.error_log };
    Ok((build_config(&tree, &file, paths, line.nginx_version)?, sources))
}

/// As [`read_configuration`], for the text of a configuration without includes. Errors name it `file`.
///
/// # Errors
/// All errors, by file and line.
pub fn read_configuration_text(source: &str, file: &Path) -> Result<Config, ConfError> {
    build_config(&conf::parse(source, file)?, file, paths_of(file), NginxVersion::default())
}

/// As [`read_configuration`], but gets files from `read`, which may name them differently.
///
/// # Errors
/// All errors, by file and line.
pub fn read_configuration_with(file: &Path, read: &mut conf::ReadFile<'_>) -> Result<Config, ConfError> {
    build_config(&conf::load_with(file, read)?.tree, file, paths_of(file), NginxVersion::default())
}

/// The paths without a command line.
fn paths_of(file: &Path) -> ConfigPaths<'_> {
    ConfigPaths { prefix: file.parent().unwrap_or(Path::new("")), error_log: None }
}

fn build_config(
    tree: &[Directive],
    file: &Path,
    paths: ConfigPaths<'_>,
    version: NginxVersion,
) -> Result<Config, ConfError> {
    if conf::check(tree).is_ok() {
        return config::read_with_defaults(tree, file, paths, version);
    }
    // the values of the other directives are checked as well; what refers to a refused one is not an error of its own
    let (rest, mut errors) = conf::without_faults(tree);
    let is_own = |error: &ConfError| {
        use conf::ConfErrorKind::{InvalidPattern, InvalidValue, Unsupported};
        matches!(error.kind, InvalidPattern { .. } | InvalidValue { .. } | Unsupported { .. })
    };
    if let Err(error) = config::read_with_defaults(&rest, file, paths, version) {
        errors.extend(error.into_list().into_iter().filter(is_own));
    }
    // OK because `check` has found at least one
    Err(conf::join_in_order(errors, tree).expect("an error"))
}
