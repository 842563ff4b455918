//! `lab run`: checks, rounds, record, snapshot, report.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::progress::Progress;
use super::select;
use super::session::{self, Session};
use crate::cli::{OutputArgs, RunArgs};
use crate::engine::estimates::estimates;
use crate::engine::{self, Findings};
use crate::exit::Exit;
use crate::record::{FactsVerdict, GateOutcome, Provenance, Record, RoundOutcome, SCHEMA, Verdict};
use crate::report::{difference, terminal};
use crate::scenario::model::Scenario;
use crate::snapshot::facts;
use crate::snapshot::gate;
use crate::snapshot::ratios::Ratios;
use crate::snapshot::store::{Comparison, Store};

/// Runs the scenario and says what came of it.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let mut scenario = match select::scenario(&args.scenario)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    if let Some(rounds) = args.rounds {
        scenario.rounds.count = rounds;
    }
    let whole = args.scenario.only.is_empty() && args.scenario.skip.is_empty();
    let kind = Kind { checks_only: false, compared: whole };
    let Some(finished) = execute(&scenario, args.output, kind)? else { return Ok(Exit::Interrupted) };
    say(&finished, args.output)?;
    Ok(gate::exit(&finished.record.gate, args.gate, args.strict))
}

/// What is done with a scenario.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Ask the checks, drive no load.
    pub(super) checks_only: bool,
    /// Compare with the committed snapshot; only the whole of a scenario can be.
    pub(super) compared: bool,
}

/// A finished run.
pub(super) struct Finished {
    /// What it established.
    pub(super) record: Record,
    /// The differences from the committed snapshots, to be shown.
    differences: Vec<(String, String)>,
    /// Where the record is.
    file: std::path::PathBuf,
}

/// Runs the scenario, compares it and writes its record. `None` when interrupted.
pub(super) fn execute(scenario: &Scenario, output: OutputArgs, kind: Kind) -> anyhow::Result<Option<Finished>> {
    let session = Session::open(scenario)?;
    let mut backend = session.local(scenario)?;
    let mut progress = Progress::new(output.quiet || output.json);
    let work = engine::run(scenario, kind.checks_only, &mut backend, &mut progress);
    let findings = session::run_until_interrupted(work)?;
    progress.finish();
    let Some(findings) = findings else { return Ok(None) };

    let estimates = estimates(scenario, &findings.rounds);
    let machine = &session.machine;
    let ratios = Ratios::of(format!("{}, {} cores, {}", machine.cpu, machine.cores, machine.kernel), &estimates);
    let mut gate = GateOutcome {
        could_not_run: could_not_run(&findings),
        failed_checks: failed_checks(&findings),
        ..GateOutcome::default()
    };
    let mut differences = Vec::new();
    if kind.compared {
        let store = Store { folder: scenario.root.join("reports/snapshots"), lab: backend.launcher.lab.clone() };
        differences = compare_with_snapshots(scenario, &findings, &ratios, &store, &mut gate)?;
    }
    let record = Record {
        schema: SCHEMA,
        provenance: provenance(scenario, &session)?,
        stacks: findings.stacks,
        differences: findings.differences,
        rounds: findings.rounds,
        estimates,
        gate,
    };
    let file = session.folder.join("record.json");
    let json = serde_json::to_string_pretty(&record).context("write the record as JSON")?;
    fs::write(&file, json + "\n").with_context(|| format!("write {}", file.display()))?;
    session::point_latest_to(&session.folder).context("point `latest` to this run")?;
    Ok(Some(Finished { record, differences, file }))
}

/// Compares with both snapshots; differences wait for review. Returns them, to be shown.
fn compare_with_snapshots(
    scenario: &Scenario,
    findings: &Findings,
    ratios: &Ratios,
    store: &Store,
    gate: &mut GateOutcome,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut differences = Vec::new();
    let describe = |what: &str| format!("{what} of the scenario {}", scenario.name);
    let text = facts::render(&findings.stacks, &findings.rounds);
    let compared = store.compare(&scenario.name, &describe("exact facts"), &text).context("compare the exact facts")?;
    gate.facts = match compared {
        Comparison::Same => FactsVerdict::Same,
        Comparison::New => FactsVerdict::New,
        Comparison::Changed { committed } => {
            differences.push((scenario.name.clone(), difference::render(&committed, &text)));
            FactsVerdict::Changed
        }
    };
    let name = format!("{}.ratios", scenario.name);
    let committed = store.committed(&name).context("read the committed ratios")?;
    let file = store.committed_file(&name);
    let known = committed.map(|text| Ratios::parse(&text)).transpose().with_context(|| file.display().to_string())?;
    gate.metrics = gate::judge_ratios(&scenario.gate, ratios, known.as_ref());
    // Ratios are never the same to the last digit: they wait for review only when there is something to decide.
    let decided = |verdict: Verdict| matches!(verdict, Verdict::Pass | Verdict::Inconclusive);
    if !ratios.ratios.is_empty() && (known.is_none() || !gate.metrics.iter().all(|metric| decided(metric.verdict))) {
        store.compare(&name, &describe("ratios"), &ratios.render()).context("keep the ratios for review")?;
    }
    Ok(differences)
}

fn could_not_run(findings: &Findings) -> usize {
    let stacks = findings.stacks.iter().filter(|stack| stack.error.is_some()).count();
    let failed =
        |outcome: &RoundOutcome| matches!(outcome, RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. });
    stacks + findings.rounds.iter().filter(|round| failed(&round.outcome)).count()
}

fn failed_checks(findings: &Findings) -> usize {
    findings.stacks.iter().flat_map(|stack| &stack.checks).filter(|check| !check.passed()).count()
}

fn provenance(scenario: &Scenario, session: &Session) -> anyhow::Result<Provenance> {
    let relative = |path: &Path| path.strip_prefix(&scenario.root).unwrap_or(path).display().to_string();
    let mut configurations = BTreeMap::new();
    for proxy in scenario.stacks.iter().filter_map(|stack| stack.proxy.as_ref()) {
        let bytes = fs::read(&proxy.config).with_context(|| format!("read {}", proxy.config.display()))?;
        configurations.insert(relative(&proxy.config), format!("{:x}", Sha256::digest(bytes)));
    }
    Ok(Provenance {
        run: session.run.clone(),
        started: session::rfc3339(session.started),
        ended: session::rfc3339(Timestamp::now()),
        command: std::env::args().collect(),
        lab: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        file: relative(&scenario.file),
        sha256: scenario.sha256.clone(),
        configurations,
        seed: scenario.rounds.seed,
        load_cores: session.load_cores.clone(),
        stack_cores: session.stack_cores.clone(),
        machine: session.machine.clone(),
    })
}

/// Prints the report, or what of it is wanted.
pub(super) fn say(finished: &Finished, output: OutputArgs) -> anyhow::Result<()> {
    let Finished { record, differences, file } = finished;
    let mut out = anstream::stdout().lock();
    if output.json {
        writeln!(out, "{}", serde_json::to_string(record)?)?;
        return Ok(());
    }
    if output.quiet && gate::exit(&record.gate, true, false) == Exit::Ok {
        return Ok(());
    }
    write!(out, "{}", terminal::render(record))?;
    for (name, difference) in differences {
        writeln!(out, "\n{name}: - snapshot, + this run")?;
        write!(out, "{difference}")?;
    }
    if record.gate.facts == FactsVerdict::New || !differences.is_empty() {
        writeln!(out, "\n  `lab snapshot accept` makes this run's facts the snapshot, `lab snapshot reject` does not")?;
    }
    writeln!(out, "\nrecord  {}", shown(file))?;
    Ok(())
}

/// A path as short as it can be said from here.
fn shown(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(here).unwrap_or(file).display().to_string()
}
