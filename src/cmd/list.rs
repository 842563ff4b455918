//! `lab list`: the scenarios of a folder, or what one scenario holds.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::ListArgs;
use crate::exit::Exit;
use crate::scenario;

/// Prints the list. A scenario that is wrong is a line as well, and makes the exit code 2.
pub(super) fn run(args: &ListArgs) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    let mut out = anstream::stdout().lock();
    for file in files(&args.path)? {
        match scenario::load(&file) {
            Ok(scenario) => {
                let title = scenario.title.as_deref().unwrap_or_default();
                writeln!(out, "{}  {title}", file.display())?;
                let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                let stacks = names(scenario.stacks.iter().map(|stack| stack.name.as_str()).collect());
                let loads = names(scenario.loads.iter().map(|load| load.name.as_str()).collect());
                writeln!(out, "  stacks  {stacks}")?;
                writeln!(out, "  loads   {loads}")?;
                match args.path.is_file() {
                    true => {
                        for check in &scenario.checks {
                            writeln!(out, "  check   {}", check.name)?;
                        }
                    }
                    false => writeln!(out, "  checks  {}", scenario.checks.len())?,
                }
            }
            Err(errors) => {
                exit = Exit::BadScenario;
                writeln!(out, "{}  is wrong:", file.display())?;
                for line in errors.render(false).lines() {
                    writeln!(out, "  {line}")?;
                }
            }
        }
    }
    Ok(exit)
}

fn files(path: &PathBuf) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.clone()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("list {}", path.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
