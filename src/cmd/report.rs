//! `lab report`: renders a record as text, markdown, a page, a chart or an abridged record, several side by side as a page, or
//! compares two of one scenario.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::terminal_width::terminal_width;
use crate::cli::{ReportArgs, ReportFormat};
use crate::document;
use crate::exit::Exit;
use crate::record::Record;
use crate::report::render::{chart, junit, markdown, page, terminal};
use crate::report::view::repeatability::Repeatability;
use crate::report::view::test_suites::RunContext;
use crate::whole_file;

/// The names that a record has in its run's folder, in the order they are looked for.
const NAMES: [&str; 2] = ["record.json", "record.json.gz"];

/// Prints or writes the requested form of the record.
pub(super) fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let format = args.format.unwrap_or_else(|| format_of(args.output.as_deref()));
    if args.against.is_some() && args.records.len() > 1 {
        return refuse("--against compares one record with another", Exit::Usage);
    }
    if args.records.len() > 1 && format != ReportFormat::Html {
        return refuse("several records make a page: `--format html`, or `--output page.html`", Exit::Usage);
    }
    let mut records = Vec::new();
    for path in args.records.iter().chain(&args.against) {
        match read(path) {
            Ok(record) => records.push(record),
            Err(error) => return refuse(&format!("{}: {error:#}", path.display()), Exit::BadScenario),
        }
    }
    for record in &mut records {
        if let Err(message) = narrow(record, args) {
            return refuse(&message, Exit::Usage);
        }
    }
    let (text, exit) = match records.as_mut_slice() {
        records if format == ReportFormat::Html && args.against.is_none() => (page::render(records)?, Exit::Ok),
        [second, first] => {
            let [one, two] = [&first.provenance.scenario, &second.provenance.scenario];
            if one != two {
                return refuse(&format!("a record of {two} cannot be compared with one of {one}"), Exit::BadScenario);
            }
            let repeatability = Repeatability::compare(first, second, args.tolerance);
            let text = match format {
                ReportFormat::Text => terminal::repeatability::render(&repeatability, terminal_width()),
                ReportFormat::Markdown => markdown::repeatability::render(&repeatability),
                ReportFormat::Html | ReportFormat::Svg | ReportFormat::Junit | ReportFormat::Record => {
                    let hint = "`lab report FIRST SECOND --format html` shows them side by side";
                    let message = format!("two records are compared as `text` or as `markdown`; {hint}");
                    return refuse(&message, Exit::Usage);
                }
            };
            let exit = match repeatability.agrees() {
                _ if !args.exit_code => Exit::Ok,
                Some(true) => Exit::Ok,
                Some(false) => Exit::Failed,
                None => Exit::Inconclusive,
            };
            (text, exit)
        }
        [record] => (rendered(record, format)?, Exit::Ok),
        _ => (String::new(), Exit::Ok),
    };
    match &args.output {
        Some(file) => write(file, &text, format)?,
        // A page keeps every byte, because it contains the digests of its scripts.
        None if format == ReportFormat::Html => std::io::stdout().lock().write_all(text.as_bytes())?,
        None => write!(anstream::stdout().lock(), "{text}")?,
    }
    Ok(exit)
}

/// The format of an output without `--format`.
fn format_of(output: Option<&Path>) -> ReportFormat {
    let extension = output.and_then(Path::extension).and_then(|extension| extension.to_str());
    if matches!(extension, Some("html" | "htm")) { ReportFormat::Html } else { ReportFormat::Text }
}

fn refuse(message: &str, exit: Exit) -> anyhow::Result<Exit> {
    writeln!(anstream::stderr(), "lab: {message}")?;
    Ok(exit)
}

fn rendered(record: &mut Record, format: ReportFormat) -> anyhow::Result<String> {
    Ok(match format {
        ReportFormat::Text => terminal::render(record, terminal_width()),
        ReportFormat::Markdown => markdown::render(record),
        ReportFormat::Html => page::render(std::slice::from_ref(record))?,
        ReportFormat::Svg => chart::render(record),
        ReportFormat::Junit => junit::render(record, RunContext::from_command(record))?,
        ReportFormat::Record => {
            record.abridge();
            serde_json::to_string(record).context("write the record as JSON")? + "\n"
        }
    })
}

/// Reads a record from a file or a run's folder. The content, not the name, tells whether it is compressed.
fn read(path: &Path) -> anyhow::Result<Record> {
    let file: PathBuf = match path.is_dir() {
        false => path.to_owned(),
        true => {
            let found = NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file());
            found.with_context(|| format!("the folder has neither {}", NAMES.join(" nor ")))?
        }
    };
    let bytes = document::read_file(&file, u64::MAX)?;
    let text = match bytes.starts_with(&GZIP) {
        false => String::from_utf8(bytes).context("it is not text")?,
        true => {
            let mut text = String::new();
            MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).context("it cannot be decompressed")?;
            text
        }
    };
    Ok(Record::from_json(&text)?)
}

/// What a gzip file starts with (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Drops all but the requested loads and metrics. The error lists the known ones.
fn narrow(record: &mut Record, args: &ReportArgs) -> Result<(), String> {
    let known = |field: &dyn Fn(&crate::record::Estimate) -> &String| -> BTreeSet<String> {
        record.estimates.iter().map(|estimate| field(estimate).clone()).collect()
    };
    for (what, requested, known) in [
        ("load", &args.load, known(&|estimate| &estimate.load)),
        ("metric", &args.metric, known(&|estimate| &estimate.metric)),
    ] {
        if let Some(unknown) = requested.iter().find(|name| !known.contains(*name)) {
            let known: Vec<String> = known.into_iter().collect();
            let run = &record.provenance.run;
            return Err(format!("run {run} has no {what} `{unknown}`; accepted: {}", known.join(", ")));
        }
    }
    let is_selected = |selected: &[String], name: &String| selected.is_empty() || selected.contains(name);
    record.rounds.retain(|round| is_selected(&args.load, &round.load));
    record.gate.metrics.retain(|one| is_selected(&args.load, &one.load) && is_selected(&args.metric, &one.metric));
    record.estimates.retain(|one| is_selected(&args.load, &one.load) && is_selected(&args.metric, &one.metric));
    record.rankings.retain(|one| is_selected(&args.load, &one.load) && is_selected(&args.metric, &one.metric));
    Ok(())
}

/// Writes a file without colours, compressed if its name ends in `.gz`.
fn write(file: &Path, text: &str, format: ReportFormat) -> anyhow::Result<()> {
    let plain = match format {
        ReportFormat::Html => text.to_owned(),
        _ => anstream::adapter::strip_str(text).to_string(),
    };
    let bytes = match file.extension().is_some_and(|extension| extension == "gz") {
        false => plain.into_bytes(),
        true => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(plain.as_bytes()).context("compress the report")?;
            encoder.finish().context("compress the report")?
        }
    };
    whole_file::replace(file, &bytes).with_context(|| format!("write {}", file.display()))
}
