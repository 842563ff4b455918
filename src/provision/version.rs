//! Finds out which version of a kind is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Installation, bin};
use crate::catalog::kind::{Kind, VersionSource};
use crate::catalog::template::Value;

/// The version of what was found.
pub(super) fn find(kind: &Kind, found: &Installation, lab: &Path) -> Result<String, String> {
    match &kind.version {
        VersionSource::None => Err("it has no version".to_owned()),
        VersionSource::Distribution(name) => {
            let venv = found.venv.as_deref().ok_or("it has no environment to look for its version in")?;
            distribution(venv, name).ok_or_else(|| format!("its environment has no distribution `{name}`"))
        }
        VersionSource::Printed { command, matches } => {
            let value = |value| {
                let path = match value {
                    Value::Lab => Some(lab.to_owned()),
                    Value::Program => found.program.clone(),
                    Value::Python => found.venv.as_deref().map(|venv| bin(venv).join("python")),
                    Value::Bin => found.venv.as_deref().map(bin),
                    _ => None,
                };
                path.map(|path: PathBuf| path.display().to_string())
            };
            let command: Vec<String> =
                command.iter().map(|part| part.fill(&value)).collect::<Result<_, _>>().map_err(|missing| {
                    format!("its version is asked with `{{{}}}`, which it has not", missing.name())
                })?;
            let said = printed(&command).map_err(|error| format!("cannot run `{}`: {error}", command.join(" ")))?;
            let version = matches.captures(&said).and_then(|groups| groups.get(1));
            version.map(|version| version.as_str().to_owned()).ok_or_else(|| {
                format!("`{}` prints no version: {:?}", command.join(" "), said.lines().next().unwrap_or_default())
            })
        }
    }
}

/// Both streams; some programs print their version on standard error, some exit with 1.
fn printed(command: &[String]) -> std::io::Result<String> {
    let (program, arguments) = command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// The version in the name of a distribution's metadata folder (PEP 376, names as PEP 503 compares them).
fn distribution(venv: &Path, name: &str) -> Option<String> {
    let wanted = normal(name);
    for library in fs::read_dir(venv.join("lib")).ok()?.flatten() {
        for entry in fs::read_dir(library.path().join("site-packages")).ok()?.flatten() {
            let file = entry.file_name().into_string().ok()?;
            let found = file.strip_suffix(".dist-info").and_then(|inner| inner.rsplit_once('-'));
            if let Some((_, version)) = found.filter(|(own, _)| normal(own) == wanted) {
                return Some(version.to_owned());
            }
        }
    }
    None
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distributions_version_is_in_the_name_of_its_metadata() {
        let venv = tempfile::tempdir().unwrap();
        for folder in ["zope.interface-8.7.dist-info", "Mod_Wsgi_Standalone-6.1.1.dist-info", "pip"] {
            fs::create_dir_all(venv.path().join("lib/python3.11/site-packages").join(folder)).unwrap();
        }
        assert_eq!(distribution(venv.path(), "mod-wsgi.standalone").as_deref(), Some("6.1.1"));
        assert_eq!(distribution(venv.path(), "zope-interface").as_deref(), Some("8.7"));
        assert_eq!(distribution(venv.path(), "zope"), None);
    }
}
