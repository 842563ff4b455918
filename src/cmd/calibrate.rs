//! `lab calibrate`: the reference stack against itself, and what this machine can tell apart.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::places::places;
use super::run::{self, Kind};
use super::select;
use crate::cli::{CalibrateArgs, ScenarioArgs};
use crate::engine::calibration::{against_itself, calibrated};
use crate::exit::Exit;
use crate::measure::machine::Machine;
use crate::record::{Calibrated, Calibration};
use crate::report::render::terminal::calibration as calibration_report;
use crate::snapshot::gate;

/// The folder in `reports/` that calibrations and their runs lie in; no scenario can have this name.
const FOLDER: &str = "calibration";

/// Measures, stores and says what this machine can tell apart.
pub(super) fn run(args: &CalibrateArgs) -> anyhow::Result<Exit> {
    let (scenario, kinds) = (args.scenario.clone(), args.kinds.clone());
    let selected = ScenarioArgs { scenario, only: Vec::new(), skip: Vec::new(), backend: None, kinds };
    let scenario = match select::scenario(&selected)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    if scenario.loads.is_empty() {
        writeln!(anstream::stderr(), "lab: {}: without a load there is nothing to calibrate", args.scenario.display())?;
        return Ok(Exit::Usage);
    }
    let mut own = against_itself(&scenario, FOLDER, args.rounds);
    let kind = Kind { checks_only: false, compared: false };
    let run::Outcome::Finished(finished) = run::execute(&mut own, args.output, kind, &places(&args.kinds)?, None)?
    else {
        return Ok(Exit::Interrupted);
    };
    let record = &finished.record;
    let metrics = calibrated(&scenario, &record.estimates);
    if metrics.is_empty() {
        return Ok(run::conclude(*finished, args.output, false, false)?.max(Exit::CouldNotRun));
    }
    let known = Calibrated {
        run: record.provenance.run.clone(),
        made: record.provenance.ended.clone(),
        stack: scenario.reference().name.clone(),
        metrics,
    };
    let file = file(&scenario.root, &record.provenance.machine);
    let mut calibration = read(&file)?.unwrap_or_else(|| Calibration {
        schema: 1,
        machine: record.provenance.machine.clone(),
        scenarios: BTreeMap::new(),
    });
    let text = calibration_report::render(&known, record);
    calibration.scenarios.insert(scenario.name.clone(), known);
    let json = serde_json::to_string_pretty(&calibration).context("write the calibration as JSON")?;
    fs::write(&file, json + "\n").with_context(|| format!("write {}", file.display()))?;

    let mut out = anstream::stdout().lock();
    if args.output.json {
        writeln!(out, "{}", serde_json::to_string(&calibration)?)?;
    } else if !args.output.quiet {
        write!(out, "{text}")?;
        writeln!(out, "\ncalibration  {}", run::shown(&file))?;
    }
    Ok(gate::exit(&record.gate, false, false))
}

/// Where the calibrations of a machine are.
fn file(root: &Path, machine: &Machine) -> PathBuf {
    root.join("reports").join(FOLDER).join(format!("{}.json", machine.fingerprint()))
}

fn read(file: &Path) -> anyhow::Result<Option<Calibration>> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        text => {
            let text = text.with_context(|| format!("read {}", file.display()))?;
            let known = serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))?;
            Ok(Some(known))
        }
    }
}

/// The calibration of the scenario on this machine, if there is one.
pub(super) fn known(root: &Path, machine: &Machine, scenario: &str) -> anyhow::Result<Option<Calibrated>> {
    Ok(read(&file(root, machine))?.and_then(|mut calibration| calibration.scenarios.remove(scenario)))
}
