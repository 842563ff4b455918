//! The command to start with, for `lab` without a subcommand: by the files in the current folder.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::init;

/// The scenario that `lab init` writes.
pub(super) const OWN_SCENARIO: &str = "lab.toml";
const SCENARIOS: &str = "scenarios";
/// Files of applications, which only Python can tell from others. Without it they count by their names.
const APPLICATIONS: [&str; 4] = ["app.py", "asgi.py", "manage.py", "wsgi.py"];

/// Prints the command, if the folder has files that lab can use.
///
/// # Errors
/// Standard error cannot be written.
pub fn print_first_command() -> std::io::Result<()> {
    let folder = std::env::current_dir()?;
    first_command(&folder).map_or(Ok(()), |line| writeln!(anstream::stderr(), "\n{line}"))
}

fn first_command(folder: &Path) -> Option<String> {
    if folder.join(OWN_SCENARIO).is_file() {
        return Some(format!(
            "This folder has a scenario, {OWN_SCENARIO}: `lab check {OWN_SCENARIO}` runs its checks."
        ));
    }
    if let Some(first) = scenarios(&folder.join(SCENARIOS)).first() {
        let name = first.display();
        return Some(format!(
            "This folder has scenarios: `lab list` lists them, `lab run {SCENARIOS}/{name}` runs one."
        ));
    }
    let mut found = init::survey(folder, &[], Err("not needed".to_owned())).ok()?.found;
    let application = APPLICATIONS.iter().find(|name| folder.join(name).is_file());
    found.extend(application.map(|name| format!("an application, {name}")));
    let lines: Vec<String> = found.iter().map(|line| format!("  {line}\n")).collect();
    (!lines.is_empty())
        .then(|| format!("This folder has a deployment:\n{}`lab init` writes a scenario for it.", lines.concat()))
}

/// The names of the scenarios of a folder; `default.toml` comes first.
fn scenarios(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<PathBuf> = entries.map(|entry| PathBuf::from(entry.file_name())).collect();
    names.retain(|name| name.extension().is_some_and(|extension| extension == "toml"));
    names.sort_by_key(|name| (name.as_path() != Path::new("default.toml"), name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_fits_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let command = || first_command(folder.path()).unwrap_or_default();
        assert_eq!(command(), "");
        fs::write(folder.path().join("app.py"), "app = None").unwrap();
        assert!(command().contains("an application, app.py\n`lab init`"), "{}", command());
        fs::create_dir(folder.path().join("scenarios")).unwrap();
        for name in ["a.toml", "default.toml", "notes.txt"] {
            fs::write(folder.path().join("scenarios").join(name), "").unwrap();
        }
        assert!(command().contains("`lab run scenarios/default.toml`"), "{}", command());
        fs::write(folder.path().join("lab.toml"), "").unwrap();
        assert!(command().contains("`lab check lab.toml`"), "{}", command());
    }
}
