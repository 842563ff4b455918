//! `lab list`: the scenarios of a folder, or the content of one scenario.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::KindsArgs;
use crate::cli::ListArgs;
use crate::exit::Exit;
use crate::scenario::{self, model::Scenario};
use crate::stack::verify;

/// The folder that is listed by default.
const DEFAULT_FOLDER: &str = "scenarios";

/// Prints the list. An invalid scenario is listed with its errors, and makes the exit code 2.
pub(super) fn run(args: &ListArgs) -> anyhow::Result<Exit> {
    let files = match files(&args.path) {
        Ok(files) => files,
        Err(error) => {
            let mut err = anstream::stderr();
            writeln!(err, "lab: cannot list {}: {error}", args.path.display())?;
            writeln!(err, "hint: accepted: a folder of scenarios, or a scenario; `lab init` writes one")?;
            return Ok(Exit::Usage);
        }
    };
    let mut exit = Exit::Ok;
    let mut out = anstream::stdout().lock();
    if files.is_empty() {
        writeln!(out, "no scenario (*.toml) in {}; `lab init` writes one for a deployment", args.path.display())?;
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
            Err(errors) => {
                exit = Exit::BadScenario;
                writeln!(out, "{}  is invalid:", file.display())?;
                for line in errors.lines() {
                    writeln!(out, "  {line}")?;
                }
            }
        }
    }
    Ok(exit)
}

/// Loads a scenario, or renders the errors of the scenario and its configurations.
fn load(file: &Path, kinds: &KindsArgs) -> Result<Scenario, String> {
    let scenario = scenario::load(file, kinds.kinds.as_deref()).map_err(|errors| errors.render(false))?;
    verify::configurations(&scenario).map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    Ok(scenario)
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if path == Path::new(DEFAULT_FOLDER) && !path.is_dir() {
        // Outside a project of scenarios, such as in a deployment's own folder.
        let mut files = toml_files(Path::new("."))?;
        files.retain(|file| is_scenario(file));
        return Ok(files);
    }
    toml_files(path)
}

/// Whether a file says that it is a scenario: other tools have files of the same language.
fn is_scenario(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let has = |key: &str| text.lines().any(|line| line.split('=').next().is_some_and(|name| name.trim() == key));
    has("schema") && has("name")
}

fn toml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file.strip_prefix(".").map_or(file.clone(), Path::to_owned));
        }
    }
    files.sort();
    Ok(files)
}
