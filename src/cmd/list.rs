//! `lab list`: the scenarios of a folder, or what one scenario holds.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::KindsArgs;
use crate::cli::ListArgs;
use crate::exit::Exit;
use crate::scenario::{self, model::Scenario};
use crate::stack::verify;

/// Prints the list. A scenario that is wrong is a line as well, and makes the exit code 2.
pub(super) fn run(args: &ListArgs) -> anyhow::Result<Exit> {
    let files = match files(&args.path) {
        Ok(files) => files,
        Err(error) => {
            writeln!(anstream::stderr(), "lab: cannot list {}: {error}", args.path.display())?;
            return Ok(Exit::Usage);
        }
    };
    let mut exit = Exit::Ok;
    let mut out = anstream::stdout().lock();
    if files.is_empty() {
        writeln!(out, "no scenario (*.toml) in {}", args.path.display())?;
    }
    for file in files {
        match load(&file, &args.kinds) {
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
            Err(wrong) => {
                exit = Exit::BadScenario;
                writeln!(out, "{}  is wrong:", file.display())?;
                for line in wrong.lines() {
                    writeln!(out, "  {line}")?;
                }
            }
        }
    }
    Ok(exit)
}

/// A scenario that could be run, or what is wrong with it or its configurations.
fn load(file: &Path, kinds: &KindsArgs) -> Result<Scenario, String> {
    let scenario = scenario::load(file, kinds.kinds.as_deref()).map_err(|errors| errors.render(false))?;
    verify::configurations(&scenario).map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    Ok(scenario)
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
