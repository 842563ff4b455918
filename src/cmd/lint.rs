//! `lab lint`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anstream::stream::IsTerminal as _;
use anyhow::Context as _;

use super::github::GitHubStep;
use crate::cli::{LintArgs, LintFormat};
use crate::exit::Exit;
use crate::lint::python::ReadError;
use crate::lint::{self, Deployment, Finding, Severity};
use crate::report::render::terminal::lint_finding;
use crate::report::render::{markdown, sarif};
use crate::report::view::annotations::{Annotation, Location, lint_annotation};
use lab_proxy::config::nginx_version::NginxVersion;
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
    let checked = check(&args.files, args.nginx_version).and_then(|result| {
        if !args.fix {
            return Ok(result);
        }
        let fixed = write_fixes(&result, &args.files)?;
        writeln!(anstream::stderr(), "lab lint: {fixed} {} fixed", if fixed == 1 { "finding" } else { "findings" })?;
        check(&args.files, args.nginx_version)
    });
    let result = match checked {
        Ok(result) => result,
        Err(error) => {
            writeln!(anstream::stderr(), "lab lint: {error:#}")?;
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
fn check(files: &[PathBuf], version: Option<NginxVersion>) -> anyhow::Result<LintResult> {
    let (pythons, confs): (Vec<_>, Vec<_>) = files.iter().partition(|file| has_extension(file, "py"));
    let mut result = LintResult::default();
    let mut deployment = Deployment::default();
    let (mut spoofable, mut upstreams, mut bound, mut trees) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut is_complete = true;
    for file in confs {
        if has_extension(file, "toml") {
            anyhow::bail!(
                "{} is neither an nginx.conf nor Python; accepted: nginx.conf, its site files, files that end in .py",
                file.display()
            );
        }
        let mut read = lint::read_configuration(file)?;
        let found = lint::nginx::lint(&read.tree, version).into_iter().filter(|finding| read.can_judge(finding.rule));
        result.findings.extend(found);
        if read.unread.is_empty() {
            upstreams.extend(lint::nginx::pass_targets(&read.tree));
            spoofable.extend(lint::nginx::spoofable_fields(&read.tree));
            deployment.locations.extend(lint::nginx::proxied_locations(&read.tree, version));
        }
        is_complete &= read.unread.is_empty();
        result.findings.append(&mut read.unread);
        result.texts.extend(read.sources.into_iter().map(|source| (source.file, source.text)));
        trees.push(read.tree);
    }
    if is_complete {
        let trees: Vec<_> = trees.iter().map(Vec::as_slice).collect();
        deployment.chains = lint::nginx::proxy_chains(&trees);
    }
    let active = std::env::var("VIRTUAL_ENV").ok();
    for file in pythons {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let module = match lint::python::read(&interpreter::find(None, active.as_deref())?, file) {
            Err(ReadError::InvalidFile(message)) => {
                result.findings.push(lint::python_not_read(file, &message, &text));
                result.texts.insert(file.clone(), text);
                continue;
            }
            module => module?,
        };
        result.findings.extend(lint::python::lint(file, &module, &spoofable));
        bound.extend(lint::python::bound_addresses(file, &module));
        deployment.workers = deployment.workers.or_else(|| lint::python::worker_settings(file, &module));
        deployment.trusted_hops.extend(lint::python::trusted_hops(file, &module));
        deployment.body_limit = deployment.body_limit.or_else(|| lint::python::body_limit(file, &module));
        result.texts.insert(file.clone(), text);
    }
    result.findings.extend(lint::all_upstreams_elsewhere(&upstreams, &bound));
    result.findings.extend(lint::deployment_findings(&deployment));
    Ok(result)
}

/// Writes the safe fixes into the files that were named, and into those below their folders that they include: what lies
/// elsewhere, such as in /etc/nginx, belongs to others as well. Returns the number of findings that are fixed.
fn write_fixes(result: &LintResult, named: &[PathBuf]) -> anyhow::Result<usize> {
    let mut count = 0;
    let is_own = |file: &Path| {
        named.iter().filter_map(|named| named.parent()).any(|folder| match folder.as_os_str().is_empty() {
            true => file.is_relative(),
            false => file.starts_with(folder),
        })
    };
    for (file, text) in result.texts.iter().filter(|(file, _)| is_own(file)) {
        let of_file: Vec<&Finding> = result.findings.iter().filter(|finding| finding.location.file == *file).collect();
        let (fixed, fixes) = lint::fixed(text, &of_file);
        if fixes > 0 {
            std::fs::write(file, fixed).with_context(|| format!("cannot write {}", file.display()))?;
            count += fixes;
        }
    }
    Ok(count)
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
