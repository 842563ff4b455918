//! `lab lint`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anstream::stream::IsTerminal as _;

use crate::cli::LintArgs;
use crate::exit::Exit;
use crate::lint::{self, Finding, Severity};

use crate::report::render::terminal::lint_finding;
use lab_serve::process::interpreter;

/// Prints what the rules have against the files.
pub(super) fn run(args: &LintArgs) -> anyhow::Result<Exit> {
    if args.rules {
        print_rules()?;
        return Ok(Exit::Ok);
    }
    let read = match read(&args.files) {
        Ok(read) => read,
        Err(error) => {
            writeln!(anstream::stderr(), "lab lint: {error}")?;
            return Ok(Exit::BadScenario);
        }
    };
    let mut out = anstream::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&read.findings)?)?;
    } else {
        let color = std::io::stdout().is_terminal();
        for found in &read.findings {
            let text = read.texts.get(&found.place.file).map_or("", String::as_str);
            writeln!(out, "{}\n", lint_finding::render(found, text, color))?;
        }
        let whole = match &args.files[..] {
            [file] => file.display().to_string(),
            files => format!("{} files", files.len()),
        };
        writeln!(out, "{whole}: {}", lint_finding::summary(&read.findings))?;
    }
    let matters = read.findings.iter().any(|found| found.severity != Severity::Advice);
    Ok(if matters { Exit::Failed } else { Exit::Ok })
}

/// What was found, and what the files hold that it was found in.
#[derive(Default)]
struct Read {
    findings: Vec<Finding>,
    texts: BTreeMap<PathBuf, String>,
}

/// Reads and judges all files: first the proxies', for what they leave to the client decides about the applications'.
fn read(files: &[PathBuf]) -> anyhow::Result<Read> {
    let (pythons, confs): (Vec<_>, Vec<_>) = files.iter().partition(|file| has_extension(file, "py"));
    let mut read = Read::default();
    let mut unset = Vec::new();
    for file in confs {
        if has_extension(file, "toml") {
            anyhow::bail!(
                "{} is no nginx.conf and no Python; accepted: nginx.conf, sites of it, files in .py",
                file.display()
            );
        }
        let loaded = lab_nginx_conf::load(file)?;
        read.findings.extend(lint::nginx::lint(&loaded.tree));
        unset.extend(lint::nginx::unset(&loaded.tree));
        read.texts.extend(loaded.sources.into_iter().map(|source| (source.file, source.text)));
    }
    let active = std::env::var("VIRTUAL_ENV").ok();
    for file in pythons {
        let facts = lint::python::read(&interpreter::find(None, active.as_deref())?, file)?;
        read.findings.extend(lint::python::lint(file, &facts, &unset));
        read.texts.insert(file.clone(), std::fs::read_to_string(file)?);
    }
    Ok(read)
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
