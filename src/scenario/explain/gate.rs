//! Explains how each margin and each limit of the gate is judged.

use std::fmt::{self, Write as _};

use lab_stats::decision::ALPHA;
use lab_stats::signed_rank::min_sample_size;

use crate::scenario::model::{Against, Correction, Limits, Metric, OnErrors, PastSessions, Scenario};

/// A line for the facts, and one for each margin and each limit.
pub(super) fn write_gate(f: &mut fmt::Formatter<'_>, scenario: &Scenario, past: PastSessions) -> fmt::Result {
    let gate = &scenario.gate;
    writeln!(
        f,
        "gate       exact facts{}",
        if gate.margins.is_empty() && gate.limits.is_empty() { " only" } else { "" }
    )?;
    let judge = judge(scenario, past);
    for (metric, margin) in &gate.margins {
        // A metric fails when it changes in its worse direction.
        let sign = if metric.more_is_better() { '-' } else { '+' };
        writeln!(f, "           {} {sign}{}{judge}", metric.name(), Percent(*margin))?;
    }
    if !gate.margins.is_empty() {
        let (needed, blocks) = (min_sample_size(ALPHA / 2.0), scenario.rounds.max_blocks().get());
        if scenario.has_ratios() && gate.against == Against::Snapshot && (blocks as usize) < needed {
            writeln!(f, "           a snapshot of ratios takes {needed} blocks, and `[rounds]` allows {blocks}")?;
        }
        writeln!(f, "           {}", past_in_words(scenario, past))?;
        writeln!(
            f,
            "           `lab compare REVISION` judges margins by each stack as it was at the revision instead"
        )?;
    }
    write_limits(f, &gate.limits, scenario)?;
    if gate.margins.is_empty() && gate.limits.metrics.is_empty() && gate.limits.growth.is_empty() {
        return Ok(());
    }
    if gate.correction == Correction::FalseDiscoveryRate {
        writeln!(
            f,
            "           false discovery rate: of all that fails, at most 2.5% are expected to be false alarms"
        )?;
    }
    let blocks = scenario.rounds.max_blocks();
    writeln!(
        f,
        "           with --gate, what fails is measured once more in up to {blocks} blocks, which decide (error 2.5%)"
    )
}

/// What the margins are relative to, as the end of a sentence.
fn judge(scenario: &Scenario, past: PastSessions) -> String {
    let reference = &scenario.reference().name;
    if !scenario.has_ratios() {
        return match scenario.gate.uses_past && past.suffice() {
            true => " of each stack's own past".to_owned(),
            false => ": nothing judges it in `lab run`, as no load measures two stacks; `--gate` is refused".to_owned(),
        };
    }
    match scenario.gate.against {
        Against::Snapshot => format!(" of the ratio to {reference} in the snapshot"),
        Against::Reference => format!(" of {reference}, the reference stack"),
    }
}

/// Whether margins are judged by each stack's own past.
fn past_in_words(scenario: &Scenario, past: PastSessions) -> String {
    let (PastSessions(sessions), needed) = (past, PastSessions::NEEDED);
    match scenario.gate.uses_past {
        false => "not by each stack's own past, because of `past = false`".to_owned(),
        true if past.suffice() => {
            format!(
                "by each stack's own past: {sessions} accepted sessions of this machine, whose scatter is in the interval"
            )
        }
        true => format!("not yet by each stack's own past: {sessions} of {needed} accepted sessions of this machine"),
    }
}

fn write_limits(f: &mut fmt::Formatter<'_>, limits: &Limits, scenario: &Scenario) -> fmt::Result {
    if limits.is_empty() {
        return Ok(());
    }
    let bounds = limits.metrics.iter().map(|(metric, limit)| match metric {
        Metric::Throughput => format!("{} at least {limit}/s", metric.name()),
        _ => format!("{} at most {}", metric.name(), Micros(*limit)),
    });
    let growth = limits.growth.iter();
    let growth = growth.map(|(growth, most)| format!("{} at most {}", growth.name(), growth.display(*most)));
    let errors = limits.errors.map(|most| format!("errors at most {most} in a window"));
    writeln!(f, "limits     {}", bounds.chain(growth).chain(errors).collect::<Vec<_>>().join(", "))?;
    let is_exempt = scenario.loads.iter().any(|load| load.errors == OnErrors::Count);
    let loads = if is_exempt { "each load whose errors are not only counted" } else { "each load" };
    writeln!(f, "           judged for each measured stack under {loads}, also in `lab compare`")
}

/// Microseconds in the unit of a bound.
struct Micros(f64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us if us < 1e3 => write!(f, "{us}us"),
            us if us < 1e6 => write!(f, "{}ms", us / 1e3),
            us => write!(f, "{}s", us / 1e6),
        }
    }
}

/// A fraction as a percentage, without trailing zeros.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = format!("{:.3}", self.0 * 100.0);
        digits.truncate(digits.trim_end_matches('0').trim_end_matches('.').len());
        f.write_str(&digits)?;
        f.write_char('%')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_no_trailing_zeros() {
        for (fraction, text) in [(0.05, "5%"), (0.125, "12.5%"), (1.0, "100%"), (0.001, "0.1%"), (0.07, "7%")] {
            assert_eq!(Percent(fraction).to_string(), text);
        }
    }

    #[test]
    fn bounds_are_shown_as_written() {
        assert_eq!([800.0, 1500.0, 2e6].map(|us| Micros(us).to_string()), ["800us", "1.5ms", "2s"]);
    }
}
