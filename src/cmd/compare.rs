//! `lab compare`: a scenario's stacks as they are, beside the same stacks as they were.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::execution::{GateArgs, Outputs, Request, github_step, perform};
use super::first_command::OWN_SCENARIO;
use super::tool_paths::tool_paths;
use super::{earlier, earlier_image, earlier_lab, missing_environments, select};
use crate::cli::{CompareArgs, ScenarioArgs};
use crate::engine::session::RunMode;
use crate::exit::Exit;
use crate::record::ComparedVersions;
use crate::report::view::versions::versions;
use crate::revision::{self, Repository, RevisionError};
use crate::scenario::compare_versions;
use crate::scenario::model::{Comparison, Scenario, Version};

/// Where scenarios are looked for if none is named.
const SCENARIOS: &str = "scenarios";
const DEFAULT: &str = "default.toml";

/// Runs both versions and prints how they differ.
pub(super) fn run(args: &CompareArgs) -> anyhow::Result<Exit> {
    let file = match scenario_file(args.scenario.as_deref()) {
        Ok(file) => file,
        Err(message) => {
            writeln!(anstream::stderr(), "lab: {message}")?;
            return Ok(Exit::Usage);
        }
    };
    let step = match github_step(&args.outcome, args.output)? {
        Ok(step) => step,
        Err(exit) => return Ok(exit),
    };
    let selection = ScenarioArgs { scenario: file, stacks: args.stacks.clone() };
    let mut head = match select::scenario_of_run(&selection, false, step.as_ref())? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    select::shorten(&mut head, args.measure.rounds, args.measure.quick);
    let repository = revision::repository(&head.root, &args.revision)?;
    let found = match revision::find(&args.revision, args.merge_base, &head.root, repository.as_ref()) {
        Ok(found) => found,
        Err(RevisionError::Git(error)) => return Err(error.into()),
        Err(refusal) => {
            writeln!(anstream::stderr(), "lab: {refusal}")?;
            return Ok(Exit::Usage);
        }
    };
    let base_lab = match args.base_lab.as_deref().map(|lab| earlier_lab::find(lab, &head)).transpose() {
        Ok(base_lab) => base_lab,
        Err(refusal) => {
            writeln!(anstream::stderr(), "lab: {refusal}")?;
            return Ok(Exit::Usage);
        }
    };
    // Its files are there as long as this value is.
    let files = earlier::files(&found, &head.root, repository.as_ref())?;
    let mut base = match earlier::load(&head, &selection, &files, &args.revision)? {
        Ok(base) => base,
        Err(exit) => return Ok(exit),
    };
    let mut notes = earlier::notes(&files, &base, &head);
    match earlier_image::replace(&args.base_image, &head, &mut base.scenario) {
        Ok(images) => notes.extend(images),
        Err(refusal) => {
            writeln!(anstream::stderr(), "lab: {refusal}")?;
            return Ok(Exit::Usage);
        }
    }
    notes.extend(base_lab.as_ref().map(|lab| lab.note.clone()));
    let comparison = Comparison {
        base: Version {
            name: args.revision.clone(),
            commit: files.commit.clone(),
            is_modified: false,
            lab: base_lab.map(|lab| lab.file),
        },
        head: working_tree(&head, repository.as_ref())?,
        notes,
    };
    let is_quiet = args.output.quiet || args.output.json;
    if !is_quiet {
        writeln!(anstream::stderr(), "{}", versions(&ComparedVersions::new(&comparison)))?;
        for note in &comparison.notes {
            writeln!(anstream::stderr(), "note: {note}")?;
        }
    }
    let scenario = compare_versions(&head, &base.scenario, comparison);
    let tools = tool_paths(&args.stacks.kinds)?;
    missing_environments::create(&scenario, &tools, is_quiet)?;
    perform(Request {
        scenario,
        mode: RunMode::CompareVersions { confirms: args.measure.gate },
        tools,
        outputs: Outputs {
            terminal: args.output,
            files: &args.outcome,
            step: step.as_ref(),
            opens_page: args.measure.open,
            is_served: false,
        },
        gate: GateArgs { is_gated: args.measure.gate, is_strict: args.measure.strict },
        resume: args.measure.resume.as_deref(),
        command: Some(command(args, &selection.scenario)),
    })
}

/// The named scenario, that of `lab init`, the only one there is, or the default one.
pub(super) fn scenario_file(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let own = Path::new(OWN_SCENARIO);
    if own.is_file() {
        return Ok(own.to_owned());
    }
    let folder = Path::new(SCENARIOS);
    let entries = std::fs::read_dir(folder).map_err(|error| {
        format!("name a scenario: there is no {OWN_SCENARIO}, and {SCENARIOS}/ cannot be read: {error}")
    })?;
    let files = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    match files.as_slice() {
        [] => Err(format!("name a scenario: there is no {OWN_SCENARIO}, and none in {SCENARIOS}/")),
        [only] => Ok(only.clone()),
        several if several.contains(&folder.join(DEFAULT)) => Ok(folder.join(DEFAULT)),
        several => {
            let names: Vec<String> = several.iter().map(|file| file.display().to_string()).collect();
            Err(format!("name a scenario: there are {}", names.join(", ")))
        }
    }
}

/// The version of the files as they are.
fn working_tree(head: &Scenario, repository: Option<&Repository>) -> anyhow::Result<Version> {
    let commit = repository.map(|repository| repository.commit("HEAD")).transpose()?.flatten();
    let reports = head.root.join("reports");
    let is_modified = match repository {
        Some(repository) => repository.is_modified(&std::fs::canonicalize(&reports).unwrap_or(reports))?,
        None => false,
    };
    let name = if repository.is_some() { "the working tree" } else { "the project" };
    Ok(Version { name: name.to_owned(), commit, is_modified, lab: None })
}

/// The command line that continues an interrupted comparison, without `--resume`.
fn command(args: &CompareArgs, file: &Path) -> String {
    let mut command = format!("lab compare {} {}{}", args.revision, file.display(), args.stacks.options());
    for (is_given, option) in [(args.merge_base, " --merge-base"), (args.measure.quick, " --quick")] {
        command.push_str(if is_given { option } else { "" });
    }
    if let Some(lab) = &args.base_lab {
        command.push_str(&format!(" --base-lab {}", lab.display()));
    }
    for image in &args.base_image {
        command.push_str(&format!(" --base-image {image}"));
    }
    command
}
