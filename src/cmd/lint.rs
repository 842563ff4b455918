//! `lab lint`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anstream::stream::IsTerminal as _;

use super::github::GitHubStep;
use crate::cli::{LintArgs, LintFormat};
use crate::exit::Exit;
use crate::lint::{self, Finding, Severity};
use crate::report::render::terminal::lint_finding;
use crate::report::render::{markdown, sarif};
use crate::report::view::annotations::{Annotation, Location, lint_annotation};
use lab_serve::process::interpreter;

/// Prints the findings in the files.
pub(super) fn run(args: &LintArgs) -> anyhow::Result<Exit> {
    if args.rules {
        print_rules()?;
        return Ok(Exit::Ok);
    }
    let format = if args.json { LintFormat::Json } else { args.format };
    let step = match args.github.then(|| GitHubStep::from_environment(format != LintFormat::Text)).transpose() {
        Ok(step) => step,
        Err(message) => {
            writeln!(anstream::stderr(), "lab: {message}")?;
            return Ok(Exit::Usage);
        }
    };
    let result = match check(&args.files) {
        Ok(result) => result,
        Err(error) => {
            writeln!(anstream::stderr(), "lab lint: {error}")?;
            return Ok(Exit::BadScenario);
        }
    };
    match format {
        LintFormat::Json => writeln!(anstream::stdout(), "{}", serde_json::to_string_pretty(&result.findings)?)?,
        LintFormat::Sarif => {
            let log = sarif::render(&result.findings, &lint::rules(), &result.texts)?;
            writeln!(anstream::stdout(), "{log}")?;
        }
        LintFormat::Text => print_findings(&result, &args.files)?,
    }
    if let Some(step) = step {
        let annotations = result.findings.iter().map(lint_annotation).map(|one| {
            let file = step.path(Path::new(&one.location.file));
            Annotation { location: Location { file, ..one.location }, ..one }
        });
        step.annotate(&annotations.collect::<Vec<_>>())?;
        step.add_summary(&markdown::lint::render(&result.findings, &lint_finding::summary(&result.findings)))?;
    }
    let has_faults = result.findings.iter().any(|found| found.severity != Severity::Advice);
    Ok(if has_faults { Exit::Failed } else { Exit::Ok })
}

fn print_findings(result: &LintResult, files: &[PathBuf]) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    let color = std::io::stdout().is_terminal();
    for finding in &result.findings {
        let text = result.texts.get(&finding.location.file).map_or("", String::as_str);
        writeln!(out, "{}\n", lint_finding::render(finding, text, color))?;
    }
    let subject = match files {
        [file] => file.display().to_string(),
        files => format!("{} files", files.len()),
    };
    writeln!(out, "{subject}: {}", lint_finding::summary(&result.findings))
}

/// The findings, and the texts of the files.
#[derive(Default)]
struct LintResult {
    findings: Vec<Finding>,
    texts: BTreeMap<PathBuf, String>,
}

/// Checks all files, the proxies' first: what an application may trust depends on their spoofable fields.
fn check(files: &[PathBuf]) -> anyhow::Result<LintResult> {
    let (pythons, confs): (Vec<_>, Vec<_>) = files.iter().partition(|file| has_extension(file, "py"));
    let mut result = LintResult::default();
    let (mut spoofable, mut upstreams, mut bound) = (Vec::new(), Vec::new(), Vec::new());
    for file in confs {
        if has_extension(file, "toml") {
            anyhow::bail!(
                "{} is neither an nginx.conf nor Python; accepted: nginx.conf, its site files, files that end in .py",
                file.display()
            );
        }
        let loaded = lab_nginx_conf::load(file)?;
        result.findings.extend(lint::nginx::lint(&loaded.tree));
        upstreams.extend(lint::nginx::pass_targets(&loaded.tree));
        spoofable.extend(lint::nginx::spoofable_fields(&loaded.tree));
        result.texts.extend(loaded.sources.into_iter().map(|source| (source.file, source.text)));
    }
    let active = std::env::var("VIRTUAL_ENV").ok();
    for file in pythons {
        let module = lint::python::read(&interpreter::find(None, active.as_deref())?, file)?;
        result.findings.extend(lint::python::lint(file, &module, &spoofable));
        bound.extend(lint::python::bound_addresses(file, &module));
        result.texts.insert(file.clone(), std::fs::read_to_string(file)?);
    }
    result.findings.extend(lint::all_upstreams_elsewhere(&upstreams, &bound));
    Ok(result)
}

fn has_extension(file: &Path, wanted: &str) -> bool {
    file.extension().is_some_and(|extension| extension == wanted)
}

fn print_rules() -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    for rule in lint::rules() {
        let severity = format!("{:?}", rule.severity).to_lowercase();
        writeln!(out, "{} ({severity})\n  {}\n  source: {}\n", rule.name, rule.why, rule.source)?;
    }
    Ok(())
}
