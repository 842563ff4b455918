//! Validates the configurations that a scenario names, before anything is started.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::relocate::{self, Included, Move, RelocateError};
use crate::catalog::kind::{Install, Language};
use crate::scenario::model::Scenario;
use lab_nginx_conf::{ConfError, Directive, SourceFile};
use lab_proxy::read_configuration_with;

/// A configuration that no stack can be started with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It cannot be read as text.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be relocated into a run's folder.
    #[error(transparent)]
    Relocate(#[from] RelocateError),
    /// The proxy refuses it.
    #[error(transparent)]
    Refused(#[from] ConfError),
}

/// Judges every configuration file of the scenario's stacks as it would be run, and names it as the user does.
///
/// # Errors
/// The first that is refused, with file and line.
pub fn configurations(scenario: &Scenario) -> Result<(), ConfigurationError> {
    for proxy in scenario.stacks.iter().filter_map(|stack| stack.proxy.as_ref()) {
        let (Some(config), Ok(run)) = (&proxy.config, &proxy.kind.kind().run) else { continue };
        let file = shown(config, &scenario.root);
        let source = std::fs::read_to_string(config)
            .map_err(|source| ConfigurationError::Unreadable { file: file.clone(), source })?;
        if run.language == Language::Nginx {
            nginx(&source, &file, config, &scenario.root, proxy.kind.kind().install == Install::Lab)?;
        }
    }
    Ok(())
}

/// Judges the nginx.conf at `config`, called `file`, and what it includes; lab's own proxy is asked whether it reads
/// them, another says so when it starts.
fn nginx(source: &str, file: &Path, config: &Path, root: &Path, is_lab: bool) -> Result<(), ConfigurationError> {
    // Relocation keeps every line where it is, so what is wrong is wrong at the user's own line. The addresses only
    // stand for those that a start reserves.
    let mut port = 1;
    let mut reserve = || {
        port += 1;
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    };
    let folder = config.parent().unwrap_or(root);
    let mut include = |directive: &Directive| {
        let sources = lab_nginx_conf::included_files(directive, folder)?;
        Ok(sources.into_iter().map(|source| SourceFile { file: shown(&source.file, root), ..source }).collect())
    };
    let (upstream, target) = ("127.0.0.1:1", Path::new("."));
    let target = Move { upstream, folder: target, reserve: &mut reserve, include: &mut include };
    let relocated = relocate::nginx(source, file, target)?;
    if is_lab {
        read_configuration_with(file, &mut |asked| {
            let is_asked = |included: &&Included| asked.file_name() == Some(OsStr::new(&included.name));
            Ok(match relocated.included.iter().find(is_asked) {
                Some(included) => SourceFile { file: included.file.clone(), text: included.text.clone() },
                None => SourceFile { file: file.to_owned(), text: relocated.text.clone() },
            })
        })?;
    }
    Ok(())
}

/// The path as the scenario names it.
fn shown(file: &Path, root: &Path) -> PathBuf {
    file.strip_prefix(root).unwrap_or(file).to_owned()
}
