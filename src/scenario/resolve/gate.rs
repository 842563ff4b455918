//! Resolves the rules of the gate: `[gate]`.

use std::collections::BTreeMap;

use super::super::model::{Gate, Growth, Limits, Metric, PastSessions, Scenario};
use super::super::wire;
use super::values::whole;
use crate::document::diagnostic::{Diagnostic, Problems};

/// More requests than a driver makes in a window.
const MOST_REQUESTS: u32 = 1_000_000_000;

/// The gate. `None` if it is invalid.
pub(super) fn gate(wire: &wire::Gate, problems: &mut Problems<'_>) -> Option<Gate> {
    let against = wire.against.value().map(|against| against.0).unwrap_or_default();
    let limits = wire.limits.or(Limits::default(), |wire| limits(wire.get_ref(), problems));
    let margins = wire.margins.value().map(margins).unwrap_or_default();
    let correction = wire.correction.value().map(|correction| correction.0).unwrap_or_default();
    let uses_past = wire.past.value().copied().unwrap_or(true);
    Some(Gate { against, correction, uses_past, margins, limits: limits? })
}

fn margins(wire: &wire::Margins) -> BTreeMap<Metric, f64> {
    let margin = |metric: &Metric| match metric {
        Metric::Throughput => wire.throughput.value(),
        Metric::CpuPerRequest => wire.cpu_per_request.value(),
        Metric::P50 => wire.p50.value(),
        Metric::P99 => wire.p99.value(),
    };
    Metric::ALL.iter().filter_map(|metric| Some((*metric, margin(metric)?.0))).collect()
}

fn limits(wire: &wire::Limits, problems: &mut Problems<'_>) -> Option<Limits> {
    let throughput =
        wire.throughput.or(None, |number| whole(number, "`throughput`", 1..=MOST_REQUESTS, problems).map(Some));
    let errors = wire.errors.or(None, |number| whole(number, "`errors`", 0..=MOST_REQUESTS, problems).map(Some));
    let times = [(Metric::CpuPerRequest, &wire.cpu_per_request), (Metric::P50, &wire.p50), (Metric::P99, &wire.p99)];
    let times = times.into_iter().filter_map(|(metric, bound)| Some((metric, bound.value()?.0)));
    let throughput = throughput?.map(|least| (Metric::Throughput, f64::from(least)));
    let growth = [
        (Growth::Memory, wire.memory_growth.value().map(|growth| growth.0)),
        (Growth::Descriptors, wire.descriptor_growth.value().map(|growth| growth.0)),
        (Growth::Threads, wire.thread_growth.value().map(|growth| growth.0)),
        (Growth::Connections, wire.connection_growth.value().map(|growth| growth.0)),
    ];
    let growth = growth.into_iter().filter_map(|(growth, most)| Some((growth, most?))).collect();
    Some(Limits { metrics: times.chain(throughput).collect(), growth, errors: errors? })
}

/// Reports margins in a scenario without any ratio and without a past: a gate with them would never fail.
pub(super) fn refuse_unjudged_margins(
    scenario: &Scenario,
    past: &dyn Fn(&Scenario) -> PastSessions,
    wire: &wire::Scenario,
    problems: &mut Problems<'_>,
) {
    let Some(margins) = wire.gate.value().and_then(|gate| gate.margins.good()) else { return };
    if scenario.gate.margins.is_empty() || scenario.has_ratios() {
        return;
    }
    let past = past(scenario);
    if scenario.gate.uses_past && past.suffice() {
        return;
    }
    let (needed, name) = (PastSessions::NEEDED, &scenario.name);
    let without_past = match scenario.gate.uses_past {
        true => format!("the past of its stacks on this machine has {} of {needed} sessions", past.0),
        false => "`past = false` leaves out the past of its stacks".to_owned(),
    };
    let message = format!(
        "nothing can judge these margins: no load measures two stacks, so there is no ratio, and {without_past}"
    );
    let file = scenario.file.display();
    let hint = format!(
        "`lab compare REVISION {file}` judges them, each stack against itself at that revision;\n\
         or make a past: `lab run {file}` without `--gate`, and `lab snapshot accept {name}`, {needed} times;\n\
         or measure a second stack; or bound the metric itself, as in `limits = {{ p99 = \"50ms\", errors = 0 }}`"
    );
    problems.push(Diagnostic::at(margins.span(), message).hint(hint));
}
