//! Determines the version of an installed kind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::app_packages::AppPackages;
use super::distributions;
use super::{Installation, bin};
use crate::catalog::kind::{Kind, VersionSource};
use crate::catalog::template::Variable;

/// The version of an installed kind. The application's packages come before those of the kind's environment.
pub(super) fn find(kind: &Kind, found: &Installation, packages: &AppPackages, lab: &Path) -> Result<String, String> {
    match &kind.version {
        VersionSource::None => Err("it has no version".to_owned()),
        VersionSource::Distribution(name) => {
            let venv = found.venv.as_deref().ok_or("it has no environment to look for its version in")?;
            let own = match packages {
                AppPackages::Venv(own) => distributions::version(own, name),
                AppPackages::None | AppPackages::Requirements(_) => None,
            };
            own.or_else(|| distributions::version(venv, name))
                .ok_or_else(|| format!("its environment has no distribution `{name}`"))
        }
        VersionSource::Printed { command, matches } => {
            let value = |value| {
                let path = match value {
                    Variable::Lab => Some(lab.to_owned()),
                    Variable::Program => found.program.clone(),
                    Variable::Python => found.venv.as_deref().map(|venv| bin(venv).join("python")),
                    Variable::Bin => found.venv.as_deref().map(bin),
                    _ => None,
                };
                path.map(|path: PathBuf| path.display().to_string())
            };
            let command: Vec<String> =
                command.iter().map(|part| part.fill(&value)).collect::<Result<_, _>>().map_err(|missing| {
                    format!("its version is asked with `{{{}}}`, which it has not", missing.name())
                })?;
            let output = output(&command).map_err(|error| format!("cannot run `{}`: {error}", command.join(" ")))?;
            let version = matches.captures(&output).and_then(|groups| groups.get(1));
            version.map(|version| version.as_str().to_owned()).ok_or_else(|| {
                format!("`{}` prints no version: {:?}", command.join(" "), output.lines().next().unwrap_or_default())
            })
        }
    }
}

/// Standard output and standard error of a command: some programs print their version on the latter. The exit status is
/// ignored, because some exit with 1.
fn output(command: &[String]) -> std::io::Result<String> {
    let (program, arguments) = command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
