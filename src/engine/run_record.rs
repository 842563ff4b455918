//! Makes the record of a run from its findings.

use super::Findings;
use super::baseline::looks;
use super::estimates::growth;
use super::ranking::rankings;
use super::run_mode::RunMode;
use super::validations::validations;
use crate::record::{ComparedVersions, Confirmation, Estimate, GateOutcome, LooksRecord, Provenance, Record, SCHEMA};
use crate::scenario::model::{Scenario, Volatile};
use lab_stats::decision::ALPHA;

/// The record of a run on a machine without calibration.
pub(super) fn record(
    scenario: &Scenario,
    mode: RunMode,
    provenance: Provenance,
    findings: Findings,
    (estimates, gate): (Vec<Estimate>, GateOutcome),
) -> Record {
    let has_loads = mode != RunMode::ChecksOnly;
    Record {
        schema: SCHEMA,
        provenance,
        comparison: scenario.comparison.as_ref().map(ComparedVersions::new),
        rankings: if has_loads { rankings(scenario, &findings.rounds) } else { Vec::new() },
        validations: if has_loads { validations(scenario, &findings.rounds) } else { Vec::new() },
        below_noise_floor: None,
        looks: LooksRecord { declared: looks(scenario), made: findings.looks_made },
        confirmation: findings.confirmation.map(|second| Confirmation {
            cells: second.cells,
            error: ALPHA,
            looks: LooksRecord { declared: looks(scenario), made: second.looks_made },
            rounds: second.rounds,
        }),
        growth: growth(scenario, &findings.rounds),
        stacks: findings.stacks,
        differences: findings.differences,
        volatile_line: volatile_line(scenario, findings.varying),
        rounds: findings.rounds,
        estimates,
        gate,
        left_out: Vec::new(),
    }
}

/// The volatile line of the scenario with what varies; `None` if nothing does.
fn volatile_line(scenario: &Scenario, varying: Volatile) -> Option<String> {
    if varying.is_empty() {
        return None;
    }
    let mut volatile = scenario.volatile.clone();
    volatile.add(varying);
    Some(volatile.line())
}
