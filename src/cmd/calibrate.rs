//! `lab calibrate`: runs the reference stack against itself, and reports what this machine can tell apart.

use std::io::Write as _;

use super::run::{self, display_path};
use super::select;
use super::tool_paths::tool_paths;
use crate::cli::{CalibrateArgs, ScenarioArgs};
use crate::engine::calibration::{against_itself, calibrated};
use crate::engine::session::{RunMode, SessionOutcome};
use crate::exit::Exit;
use crate::record::{CALIBRATION_FOLDER, Calibrated, CalibrationFile};
use crate::report::render::terminal::calibration as calibration_report;
use crate::snapshot::gate;

/// Measures, stores the calibration and prints it.
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
    let mut calibration_run = against_itself(&scenario, CALIBRATION_FOLDER, args.rounds);
    let tools = tool_paths(&args.kinds)?;
    let outcome = run::execute(&mut calibration_run, args.output, RunMode::Measure, &tools, None)?;
    let SessionOutcome::Finished(finished) = outcome else {
        return Ok(Exit::Interrupted);
    };
    let record = &finished.record;
    let metrics = calibrated(&scenario, &record.estimates);
    if metrics.is_empty() {
        return Ok(run::conclude(*finished, args.output, false, false)?.max(Exit::CouldNotRun));
    }
    let calibrated = Calibrated {
        run: record.provenance.run.clone(),
        made: record.provenance.ended.clone(),
        stack: scenario.reference().name.clone(),
        metrics,
    };
    let text = calibration_report::render(&calibrated, record);
    let machine = &record.provenance.machine;
    let file = CalibrationFile::new(&scenario.root, machine);
    let calibration = file.update(&scenario.name, machine, calibrated)?;

    let mut out = anstream::stdout().lock();
    if args.output.json {
        writeln!(out, "{}", serde_json::to_string(&calibration)?)?;
    } else if !args.output.quiet {
        write!(out, "{text}")?;
        writeln!(out, "\ncalibration  {}", display_path(&file.path))?;
    }
    Ok(gate::exit(&record.gate, false, false))
}
