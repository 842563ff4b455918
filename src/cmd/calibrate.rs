//! `lab calibrate`: compares the reference stack with itself, and reports which changes this machine can detect.

use std::io::Write as _;

use super::event_log::EventLog;
use super::execution::{self, GateArgs, Outputs, display_path};
use super::select;
use super::terminal_width::terminal_width;
use super::tool_paths::tool_paths;
use crate::cli::{CalibrateArgs, OutcomeArgs, ScenarioArgs, StackArgs};
use crate::engine::calibration::{calibrate, compare_with_itself, self_comparison};
use crate::engine::session::{RunMode, SessionOutcome};
use crate::exit::Exit;
use crate::record::{CALIBRATION_FOLDER, CalibrationFile, ScenarioCalibration};
use crate::report::render::terminal::calibration as calibration_report;
use crate::snapshot::gate;

/// Measures, stores the calibration and prints it.
pub(super) fn run(args: &CalibrateArgs) -> anyhow::Result<Exit> {
    let selected = ScenarioArgs { scenario: args.scenario.clone(), stacks: StackArgs::all(args.kinds.clone()) };
    let scenario = match select::scenario(&selected)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    if scenario.loads.is_empty() {
        let file = args.scenario.display();
        writeln!(anstream::stderr(), "lab: {file}: without a load there is nothing to calibrate; add a `[[load]]`")?;
        return Ok(Exit::Usage);
    }
    let blocks = match args.comparisons {
        Some(comparisons) => comparisons.saturating_mul(scenario.rounds.max_blocks()),
        None => args.rounds,
    };
    let mut calibration_run = self_comparison(&scenario, CALIBRATION_FOLDER, blocks);
    let tools = tool_paths(&args.kinds)?;
    let outcome =
        execution::execute(&mut calibration_run, args.output, RunMode::Measure, &tools, None, &mut EventLog::none())?;
    let SessionOutcome::Finished(finished) = outcome else {
        return Ok(Exit::Interrupted);
    };
    let record = &finished.record;
    let metrics = calibrate(&scenario, &record.estimates);
    if metrics.is_empty() {
        let outputs = Outputs {
            terminal: args.output,
            files: &OutcomeArgs::default(),
            step: None,
            opens_page: false,
            is_served: false,
        };
        let exit = execution::conclude(*finished, &scenario, outputs, GateArgs::default())?;
        return Ok(exit.max(Exit::CouldNotRun));
    }
    let calibrated = ScenarioCalibration {
        run: record.provenance.run.clone(),
        ended: record.provenance.ended.clone(),
        stack: scenario.reference().name.clone(),
        comparisons: Some(compare_with_itself(&scenario, &metrics)),
        metrics,
    };
    let text = calibration_report::render(&calibrated, record, terminal_width());
    let machine = &record.provenance.machine;
    // Before anything is written: a full disk must not cost the results.
    if !args.output.json && !args.output.quiet {
        write!(anstream::stdout(), "{text}")?;
    }
    let is_written = execution::print_write_errors(&finished)?;
    let file = CalibrationFile::new(&scenario.root, machine);
    let calibration = file.update(&scenario.name, machine, calibrated)?;

    let mut out = anstream::stdout().lock();
    if args.output.json {
        writeln!(out, "{}", serde_json::to_string(&calibration)?)?;
    } else if !args.output.quiet {
        writeln!(out, "\ncalibration  {}", display_path(&file.path))?;
    }
    let exit = gate::exit(&record.gate, false, false);
    Ok(if is_written { exit } else { Exit::CouldNotRun })
}
