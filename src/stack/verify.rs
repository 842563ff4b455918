//! Validates the configurations that a scenario names, before anything is started.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::env_file::{self, EnvFileError};
use super::nginx::has_user;
use super::relocate::{self, CertificateFile, Included, Omission, RelocateError, Relocated, Target};
use crate::catalog::kind::{Install, Language};
use crate::scenario::model::{Backend, Scenario};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, SourceFile, package_file};
use lab_proxy::read_configuration_with;

/// Why no stack can start with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error("cannot read {}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error(transparent)]
    Relocate(#[from] RelocateError),
    #[error(transparent)]
    Refused(#[from] ConfError),
    /// What lab's own proxy does not support in a configuration.
    #[error("lab proxy, the twin of nginx, cannot run {}:{}", file.display(), list(refused))]
    Twin { file: PathBuf, refused: Vec<ConfError> },
    #[error("stack `{stack}`: {problem}")]
    Stack { stack: String, problem: Box<ConfigurationError> },
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
}

/// One error per line, indented.
fn list(errors: &[ConfError]) -> String {
    errors.iter().map(|error| format!("\n  {error}")).collect()
}

impl ConfigurationError {
    /// The file as the user names it, and the line, which is 1 where only the file is known.
    #[must_use]
    pub fn location(&self) -> Option<(&Path, usize)> {
        match self {
            ConfigurationError::Unreadable { file, .. } => Some((file, 1)),
            ConfigurationError::Relocate(RelocateError::Syntax(error)) | ConfigurationError::Refused(error) => {
                Some((&error.file, error.line.unwrap_or(1)))
            }
            ConfigurationError::Relocate(RelocateError::NoListen(file)) => Some((file, 1)),
            ConfigurationError::Relocate(RelocateError::Listen { file, line, .. }) => Some((file, *line)),
            ConfigurationError::Relocate(RelocateError::Reserve(_) | RelocateError::Certificate(_)) => None,
            ConfigurationError::Twin { file, refused } => {
                Some((file, refused.first().and_then(|error| error.line).unwrap_or(1)))
            }
            ConfigurationError::Stack { problem, .. } => problem.location(),
            ConfigurationError::EnvFile(EnvFileError::Unreadable { file, .. }) => Some((file, 1)),
            ConfigurationError::EnvFile(EnvFileError::Line { file, line, .. }) => Some((file, *line)),
        }
    }
}

/// Validates every configuration file of the scenario's stacks as it would be run. Errors name the files as the user does.
/// Returns what a run has instead of what the configurations name, one line each.
///
/// # Errors
/// The first problem, with file and line.
pub fn configurations(scenario: &Scenario) -> Result<Vec<String>, ConfigurationError> {
    let mut notes = Vec::new();
    for app in scenario.stacks.iter().filter_map(|stack| stack.apps.python()) {
        for file in &app.env_files {
            env_file::read(file)?;
        }
    }
    for (stack, proxy) in scenario.stacks.iter().filter_map(|stack| Some((stack, stack.proxy.as_ref()?))) {
        let (Some(config), Ok(run)) = (&proxy.config, &proxy.kind.kind().run) else { continue };
        let file = shown(config, &scenario.root);
        let source = text_of(config).map_err(|source| ConfigurationError::Unreadable { file: file.clone(), source })?;
        if run.language == Language::Nginx {
            let is_lab = proxy.kind.kind().install == Install::Lab;
            let place = ConfigPlace { config, root: &scenario.root, backend: stack.backend };
            let read = nginx(&source, &file, place, is_lab)
                .map_err(|error| ConfigurationError::Stack { stack: stack.name.clone(), problem: Box::new(error) });
            for note in read? {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
    }
    Ok(notes)
}

/// Why lab's own proxy cannot run the configuration at `config`, relative to `root`. `text` is its text if it is not
/// written yet.
#[must_use]
pub fn twin_refusal(root: &Path, config: &Path, text: Option<&str>) -> Option<String> {
    let path = root.join(config);
    let source = text.map_or_else(|| text_of(&path), |text| Ok(text.to_owned()));
    let source = match source {
        Ok(source) => source,
        Err(error) => return Some(error.to_string()),
    };
    let place = ConfigPlace { config: &path, root, backend: Backend::Process };
    nginx(&source, config, place, true).err().map(|error| error.to_string())
}

fn text_of(config: &Path) -> io::Result<String> {
    lab_nginx_conf::read_source(config).map(|source| source.text)
}

/// Where a configuration is, and where it will run.
#[derive(Debug, Clone, Copy)]
struct ConfigPlace<'a> {
    config: &'a Path,
    /// The scenario's root.
    root: &'a Path,
    backend: Backend,
}

/// Validates the nginx.conf at a place, called `file` in messages, and the files that it includes. lab's own proxy parses
/// them completely; other proxies report their errors when they start.
fn nginx(source: &str, file: &Path, place: ConfigPlace<'_>, is_lab: bool) -> Result<Vec<String>, ConfigurationError> {
    let ConfigPlace { config, root, backend } = place;
    let mut notes = Vec::new();
    let mut installed = Vec::new();
    // Relocation keeps line numbers, so errors have the user's own lines. The addresses are placeholders.
    let mut port = 1;
    let mut reserve = || {
        port += 1;
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    };
    let folder = config.parent().unwrap_or(root);
    let mut include = |directive: &Directive| {
        let including = root.join(&directive.file);
        let sources = lab_nginx_conf::included_nearby(directive, &including, folder)?;
        for missing in sources.iter().map(|source| &source.file).filter(|file| !file.exists()) {
            let package = package_file(missing).map_or("", |file| file.package);
            let (file, line, missing) = (directive.file.display(), directive.line, missing.display());
            installed.push(format!("{file}:{line}: {missing} is not here; runs have that of {package}'s package"));
        }
        Ok(sources.into_iter().map(|source| SourceFile { file: shown(&source.file, root), ..source }).collect())
    };
    let (upstream, target) = ("127.0.0.1:1", Path::new("."));
    let mut placeholder = |named: &CertificateFile<'_>| {
        if !named.path.exists() && !named.is_key {
            let (file, line, path) = (named.file.display(), named.line, named.path.display());
            notes.push(format!("{file}:{line}: {path} is not here; runs have a certificate that lab makes"));
        }
        Ok(None)
    };
    let (reserve, include, placeholder) = (&mut reserve, &mut include, &mut placeholder);
    let (is_here, has_user) = (&Path::exists, &|name: &str| backend == Backend::Container || has_user(name));
    let target = Target {
        upstream,
        folder: target,
        folders: &[],
        access_logs: true,
        reserve,
        include,
        placeholder,
        is_here,
        has_user,
    };
    let relocated = relocate::nginx(source, file, target)?;
    notes.extend(installed);
    notes.extend(relocated.omitted.iter().map(|Omission { file, line, directive, missing }| {
        format!("{}:{line}: {missing} is not here; runs leave {directive} out", file.display())
    }));
    if is_lab {
        read_by_twin(file, relocated)?;
    }
    Ok(notes)
}

/// More refusals than anyone reads.
const MAX_REFUSALS: usize = 100;

/// Reads a relocated configuration as lab's own proxy does. Everything that it does not support is found at once: each
/// refused directive is blanked, and the rest read again.
fn read_by_twin(file: &Path, mut relocated: Relocated) -> Result<(), ConfigurationError> {
    let mut refused = Vec::new();
    while refused.len() < MAX_REFUSALS {
        let read = read_configuration_with(file, &mut |asked| {
            let is_asked = |included: &&Included| asked.file_name() == Some(OsStr::new(&included.name));
            Ok(match relocated.included.iter().find(is_asked) {
                Some(included) => SourceFile { file: included.file.clone(), text: included.text.clone() },
                None => SourceFile { file: file.to_owned(), text: relocated.text.clone() },
            })
        });
        let Err(error) = read else { break };
        let is_refusal =
            matches!(error.kind, ConfErrorKind::UnsupportedDirective { .. } | ConfErrorKind::Unsupported { .. });
        let text = match relocated.included.iter_mut().find(|included| included.file == error.file) {
            Some(included) => &mut included.text,
            None => &mut relocated.text,
        };
        match blanked(text, &error).filter(|_| is_refusal) {
            Some(rest) => {
                *text = rest;
                refused.push(error);
            }
            None if refused.is_empty() => return Err(error.into()),
            // Later faults may only be due to the blanked part.
            None => break,
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(ConfigurationError::Twin { file: file.to_owned(), refused }) }
}

/// The text without the directive that an error is about.
fn blanked(text: &str, error: &ConfError) -> Option<String> {
    let tree = lab_nginx_conf::parse(text, &error.file).ok()?;
    let line = error.line?;
    let span = lab_nginx_conf::walk(&tree).filter(|directive| directive.line == line).last()?.span.clone();
    let blank: String = text[span.clone()].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    let mut text = text.to_owned();
    text.replace_range(span, &blank);
    Some(text)
}

/// The path as the scenario names it.
fn shown(file: &Path, root: &Path) -> PathBuf {
    file.strip_prefix(root).unwrap_or(file).to_owned()
}
