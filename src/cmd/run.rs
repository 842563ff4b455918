//! `lab run`: checks, rounds, record, snapshot, report.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::calibrate;
use super::comparison::{self, Comparison};
use super::journal::{self, Both, Journal, Manifest};
use super::places::places;
use super::progress::Progress;
use super::select;
use super::session::{self, Session, WITHOUT_CONTAINERS};
use crate::catalog;
use crate::catalog::kind::Language;
use crate::cli::{OutputArgs, RoundsArg, RunArgs, ScenarioArgs};
use crate::engine::calibration;
use crate::engine::estimates::estimates;
use crate::engine::places::placed;
use crate::engine::validations::validations;
use crate::engine::{self, Plan};
use crate::exit::Exit;
use crate::measure::machine::Machine;
use crate::provision::ToolPaths;
use crate::record::{FactsVerdict, LooksRecord, Provenance, Record, RoundRecord, SCHEMA};
use crate::report::render::terminal;
use crate::scenario::model::{Backend, Image, Proxy, Scenario, Stack};
use crate::snapshot::gate;
use crate::snapshot::store::Store;
use lab_nginx_conf::SourceFile;
use lab_stats::decision::Looks;

/// Runs the scenario and says what came of it.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let mut scenario = match select::scenario(&args.scenario)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    if let Some(rounds) = args.rounds {
        scenario.rounds.looks = looks(rounds, &scenario.rounds.looks);
    }
    if args.quick && !scenario.apply_quick() {
        let file = args.scenario.scenario.display();
        writeln!(anstream::stderr(), "lab: {file} has no short form: `[quick]` says what `--quick` leaves of it")?;
        return Ok(Exit::Usage);
    }
    // Another backend is another deployment: its facts are not those that were reviewed.
    let ScenarioArgs { only, skip, backend, .. } = &args.scenario;
    let whole = only.is_empty() && skip.is_empty() && backend.is_none() && !scenario.is_short;
    let kind = Kind { checks_only: false, compared: whole };
    let places = places(&args.scenario.kinds)?;
    let outcome = match &args.resume {
        None => execute(&mut scenario, args.output, kind, &places, None)?,
        Some(run) => match interrupted(&scenario, run)? {
            Ok(interrupted) => execute(&mut scenario, args.output, kind, &places, Some(interrupted))?,
            Err(refusal) => {
                writeln!(anstream::stderr(), "lab: {refusal}")?;
                return Ok(Exit::Usage);
            }
        },
    };
    match outcome {
        Outcome::Finished(finished) => conclude(*finished, args.output, args.gate, args.strict),
        Outcome::Interrupted { run } => {
            let scenario = args.scenario.scenario.display();
            let short = if args.quick { " --quick" } else { "" };
            let again = format!("lab run {scenario}{short} --resume {run}");
            writeln!(anstream::stderr(), "interrupted; `{again}` goes on with its rounds")?;
            Ok(Exit::Interrupted)
        }
    }
}

/// After how many blocks to look, when the command line says it.
fn looks(rounds: RoundsArg, declared: &[NonZeroU32]) -> Vec<NonZeroU32> {
    match (rounds, declared) {
        (RoundsArg::Blocks(blocks), _) => vec![blocks],
        // One look leaves nothing to go on to: so often again, and once more.
        (RoundsArg::Auto, [only]) => (1..=3).filter_map(|times| only.checked_mul(NonZeroU32::new(times)?)).collect(),
        (RoundsArg::Auto, declared) => declared.to_vec(),
    }
}

/// What is done with a scenario.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Ask the checks, drive no load.
    pub(super) checks_only: bool,
    /// Compare with the committed snapshot; only the whole of a scenario can be.
    pub(super) compared: bool,
}

/// A run that was interrupted.
pub(super) struct Interrupted {
    run: String,
    manifest: Manifest,
    rounds: Vec<RoundRecord>,
}

/// The interrupted run of that name; or why it cannot be gone on with.
fn interrupted(scenario: &Scenario, run: &str) -> anyhow::Result<Result<Interrupted, String>> {
    let reports = scenario.root.join("reports").join(&scenario.name);
    let folder = reports.join(run);
    // A name is one part of a path, or `..` and `/` would lead elsewhere.
    let is_name = Path::new(run).components().count() == 1 && run != "..";
    if !is_name || !folder.join("run.json").is_file() {
        return Ok(Err(format!("no run `{run}` in {} can be resumed", reports.display())));
    }
    if folder.join("record.json").exists() {
        return Ok(Err(format!("run `{run}` is finished: its record is {}", folder.join("record.json").display())));
    }
    let (mut manifest, rounds) = journal::read(&folder)?;
    let now = self::manifest(scenario, Machine::read(), Timestamp::now())?;
    let differences = now.differences(&manifest);
    if !differences.is_empty() {
        return Ok(Err(format!("run `{run}` cannot be resumed: {}", differences.join("; "))));
    }
    manifest.resumed.push(now.started);
    Ok(Ok(Interrupted { run: run.to_owned(), manifest, rounds }))
}

/// What became of a run.
pub(super) enum Outcome {
    /// It came to its end.
    Finished(Box<Finished>),
    /// Ctrl-C or SIGTERM.
    Interrupted {
        /// Its name.
        run: String,
    },
}

/// A finished run.
pub(super) struct Finished {
    /// What it established.
    pub(super) record: Record,
    /// The differences from the committed snapshots, to be shown.
    differences: Vec<(String, String)>,
    /// Why it could not be compared with them, if so.
    trouble: Option<anyhow::Error>,
    /// Where the record is.
    file: std::path::PathBuf,
}

/// Runs the scenario, compares it and writes its record.
pub(super) fn execute(
    scenario: &mut Scenario,
    output: OutputArgs,
    kind: Kind,
    places: &ToolPaths,
    interrupted: Option<Interrupted>,
) -> anyhow::Result<Outcome> {
    let session = Session::open(scenario, interrupted.as_ref().map(|interrupted| interrupted.run.as_str()))?;
    let (manifest, earlier) = match interrupted {
        None => (manifest(scenario, session.machine.clone(), session.started)?, Vec::new()),
        Some(interrupted) => (interrupted.manifest, interrupted.rounds),
    };
    scenario.rounds.looks.clone_from(&manifest.looks);
    let scenario = &*scenario;
    let backend = session.local(scenario, places)?;
    let store = Store { folder: scenario.root.join("reports/snapshots"), lab: backend.launcher.lab.clone() };
    let declared: Vec<u32> = scenario.rounds.looks.iter().map(|look| look.get()).collect();
    let machine = &session.machine;
    let in_words = format!("{}, {} cores, {}", machine.cpu, machine.cores, machine.kernel);
    let comparison = Comparison::read(scenario, store, in_words, Looks::new(declared.clone())?)?;

    let mut progress = Progress::new(output.quiet || output.json);
    let mut journal = Journal::open(&session.folder, &manifest)?;
    let mut is_decided = |rounds: &[RoundRecord], made| kind.compared && comparison.is_decided(rounds, made);
    let plan = Plan { checks_only: kind.checks_only, earlier, is_decided: &mut is_decided };
    let mut listener = Both(&mut progress, &mut journal);
    let mut say = |line: &str| {
        if !(output.quiet || output.json) {
            session::say(line);
        }
    };
    let work = async {
        let mut backend = backend;
        backend.open(scenario).await.context(WITHOUT_CONTAINERS)?;
        backend.obtain(scenario, &mut say).await?;
        let findings = engine::run(scenario, plan, &mut backend, &mut listener).await;
        anyhow::Ok((findings, backend.close().await))
    };
    let findings = session::run_until_interrupted(work)?.transpose()?;
    progress.finish();
    journal.finish()?;
    let Some((findings, closed)) = findings else { return Ok(Outcome::Interrupted { run: session.run }) };
    if let Err(error) = closed {
        writeln!(anstream::stderr(), "lab: {error:#}")?;
    }

    let estimates = estimates(scenario, &findings.rounds);
    let mut gate = comparison::outcome(scenario, &findings);
    let compared = match kind.compared {
        true => comparison.finish(&findings, &estimates, &mut gate),
        false => Ok(Vec::new()),
    };
    // Whatever became of the comparison: what was measured is written down.
    let (differences, trouble) = match compared {
        Ok(differences) => (differences, None),
        Err(trouble) => (Vec::new(), Some(trouble)),
    };
    let record = Record {
        schema: SCHEMA,
        provenance: provenance(scenario, &session, manifest),
        places: if kind.checks_only { Vec::new() } else { placed(scenario, &findings.rounds) },
        validations: if kind.checks_only { Vec::new() } else { validations(scenario, &findings.rounds) },
        below_noise_floor: calibrate::known(&scenario.root, machine, &scenario.name)?
            .map(|known| calibration::warnings(scenario, &known)),
        looks: LooksRecord { declared, made: findings.looks_made },
        stacks: findings.stacks,
        differences: findings.differences,
        rounds: findings.rounds,
        estimates,
        gate,
        left_out: Vec::new(),
    };
    let file = session.folder.join("record.json");
    let json = serde_json::to_string_pretty(&record).context("write the record as JSON")?;
    fs::write(&file, json + "\n").with_context(|| format!("write {}", file.display()))?;
    session::point_latest_to(&session.folder).context("point `latest` to this run")?;
    Ok(Outcome::Finished(Box::new(Finished { record, differences, trouble, file })))
}

/// What this run is made of.
fn manifest(scenario: &Scenario, machine: Machine, started: Timestamp) -> anyhow::Result<Manifest> {
    let mut configurations = BTreeMap::new();
    for (name, bytes) in parts(scenario)? {
        configurations.insert(name, format!("{:x}", Sha256::digest(bytes)));
    }
    Ok(Manifest {
        started: session::rfc3339(started),
        resumed: Vec::new(),
        lab: session::executable().context("look at the lab binary")?,
        sha256: scenario.sha256.clone(),
        configurations,
        stacks: scenario.stacks.iter().map(in_manifest).collect(),
        looks: scenario.rounds.looks.clone(),
        is_short: scenario.is_short,
        machine,
    })
}

/// A stack's name, and its backend where that is not the usual one.
fn in_manifest(stack: &Stack) -> String {
    match stack.backend {
        Backend::Process => stack.name.clone(),
        Backend::Container => format!("{} (container)", stack.name),
    }
}

/// Everything beside the scenario's own file that its stacks are made from, by name.
fn parts(scenario: &Scenario) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut parts = Vec::new();
    let mut files: Vec<&Path> = Vec::new();
    let mut includes: Vec<SourceFile> = Vec::new();
    for stack in &scenario.stacks {
        let proxy = stack.proxy.as_ref();
        files.extend(proxy.and_then(|proxy| proxy.config.as_deref()).into_iter().chain(stack.server.config.as_deref()));
        includes.extend(proxy.into_iter().flat_map(included));
        for kind in proxy.map(|proxy| &proxy.kind).into_iter().chain([&stack.server.kind]) {
            let kind = kind.kind();
            parts.push((format!("{} kind {}", kind.role, kind.name), kind.sha256.clone().into_bytes()));
        }
    }
    // What else a folder holds is its author's to keep as it is.
    let dockerfiles = dockerfiles(scenario);
    files.extend(dockerfiles.iter().map(PathBuf::as_path));
    files.extend(scenario.app.wsgi.as_ref().and_then(|app| app.requirements.as_deref()));
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
        parts.push((relative(scenario, file), bytes));
    }
    parts.extend(includes.into_iter().map(|source| (relative(scenario, &source.file), source.text.into_bytes())));
    if let Some(app) = &scenario.app.wsgi {
        let text = match &app.path {
            None => catalog::app(&app.module).unwrap_or_default().as_bytes().to_vec(),
            // A package's other modules are its author's to keep as they are while a run is interrupted.
            Some(path) => {
                let inside = app.module.replace('.', "/");
                let file = path.join(format!("{inside}.py"));
                let file = if file.is_file() { file } else { path.join(inside).join("__init__.py") };
                fs::read(&file).with_context(|| format!("read {}", file.display()))?
            }
        };
        parts.push((format!("app {}", app.module), text));
    }
    Ok(parts)
}

/// What a proxy's nginx.conf includes. One that cannot be read was refused before.
fn included(proxy: &Proxy) -> Vec<SourceFile> {
    let is_nginx = proxy.kind.kind().run.as_ref().is_ok_and(|run| run.language == Language::Nginx);
    let config = proxy.config.as_deref().filter(|_| is_nginx);
    config
        .and_then(|config| lab_nginx_conf::load(config).ok())
        .map_or_else(Vec::new, |loaded| loaded.sources.into_iter().skip(1).collect())
}

/// The files by which images are built.
fn dockerfiles(scenario: &Scenario) -> Vec<PathBuf> {
    let images = scenario.stacks.iter().flat_map(|stack| stack.proxy_image().into_iter().chain(stack.server_image()));
    images
        .filter_map(|image| match image {
            Image::Built(folder) => Some(folder.join("Dockerfile")),
            Image::Named(_) => None,
        })
        .collect()
}

fn provenance(scenario: &Scenario, session: &Session, manifest: Manifest) -> Provenance {
    Provenance {
        run: session.run.clone(),
        started: manifest.started,
        resumed: manifest.resumed,
        ended: session::rfc3339(Timestamp::now()),
        command: std::env::args().collect(),
        lab: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        is_short: manifest.is_short,
        file: relative(scenario, &scenario.file),
        sha256: manifest.sha256,
        configurations: manifest.configurations,
        seed: scenario.rounds.seed,
        load_cores: session.load_cores.clone(),
        stack_cores: session.stack_cores.clone(),
        machine: manifest.machine,
    }
}

/// A path relative to the scenario's root where it lies within.
fn relative(scenario: &Scenario, path: &Path) -> String {
    path.strip_prefix(&scenario.root).unwrap_or(path).display().to_string()
}

/// Prints the report, and tells the exit code.
pub(super) fn conclude(finished: Finished, output: OutputArgs, gated: bool, strict: bool) -> anyhow::Result<Exit> {
    let exit = gate::exit(&finished.record.gate, gated, strict);
    match say(&finished, output, exit) {
        // Whoever read the report has read enough; the outcome is the same.
        Err(error) if super::is_closed_pipe(&error) => {}
        said => said?,
    }
    finished.trouble.map_or(Ok(exit), Err)
}

fn say(finished: &Finished, output: OutputArgs, exit: Exit) -> anyhow::Result<()> {
    let Finished { record, differences, file, .. } = finished;
    let mut out = anstream::stdout().lock();
    if output.json {
        writeln!(out, "{}", serde_json::to_string(record)?)?;
        return Ok(());
    }
    if output.quiet && exit == Exit::Ok && differences.is_empty() {
        return Ok(());
    }
    write!(out, "{}", terminal::render(record))?;
    for (name, difference) in differences {
        writeln!(out, "\n{name}: - snapshot, + this run")?;
        write!(out, "{difference}")?;
    }
    if record.gate.facts == FactsVerdict::New || !differences.is_empty() {
        let name = &record.provenance.scenario;
        writeln!(out, "\n  `lab snapshot accept {name}` makes this run's facts the snapshot, `reject` does not")?;
    }
    writeln!(out, "\ncommand  {}", record.provenance.command.join(" "))?;
    writeln!(out, "record   {}", shown(file))?;
    Ok(())
}

/// A path as short as it can be said from here.
pub(super) fn shown(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(here).unwrap_or(file).display().to_string()
}
