//! A run against what is committed: read before it, asked at every look, told after it.

use std::collections::BTreeSet;

use anyhow::Context as _;

use crate::engine::Findings;
use crate::engine::estimates::estimates;
use crate::record::{
    Estimate, FactsVerdict, GateOutcome, MetricVerdict, RoundOutcome, RoundRecord, StackRecord, Verdict,
};
use crate::report::render::terminal::text_diff;
use crate::scenario::model::{Against, Scenario};
use crate::snapshot::facts;
use crate::snapshot::gate::{self, GateContext};
use crate::snapshot::ratios::Ratios;
use crate::snapshot::store::{Comparison as Compared, Store};
use lab_stats::decision::Looks;

/// What a run is compared with.
pub(super) struct Comparison<'a> {
    scenario: &'a Scenario,
    store: Store,
    /// In words, for the reader of the ratios.
    machine: String,
    looks: Looks,
    committed: Option<Ratios>,
}

impl<'a> Comparison<'a> {
    /// Reads what is committed.
    pub(super) fn read(scenario: &'a Scenario, store: Store, machine: String, looks: Looks) -> anyhow::Result<Self> {
        let name = ratios_name(scenario);
        let text = store.committed(&name).context("read the committed ratios")?;
        let file = store.committed_file(&name);
        // Read now, though it is compared later: what cannot be read must not cost a whole run.
        store.committed(&scenario.name).context("read the committed facts")?;
        let committed =
            text.map(|text| Ratios::parse(&text)).transpose().with_context(|| file.display().to_string())?;
        Ok(Comparison { scenario, store, machine, looks, committed })
    }

    /// Whether the first `made` looks leave nothing undecided. What cannot be compared, no further rounds decide.
    pub(super) fn is_decided(&self, rounds: &[RoundRecord], made: usize) -> bool {
        let estimates = estimates(self.scenario, rounds);
        !gate::is_open(&self.judge(&estimates, &self.ratios(&estimates), made))
    }

    /// Compares a finished run with both snapshots; differences wait for review. Returns them, to be shown.
    pub(super) fn finish(
        &self,
        findings: &Findings,
        estimates: &[Estimate],
        gate: &mut GateOutcome,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let Comparison { scenario, store, .. } = self;
        let mut differences = Vec::new();
        let describe = |what: &str| format!("{what} of the scenario {}", scenario.name);
        let text = facts::render(&findings.stacks, &findings.rounds, &scenario.counted_loads());
        let compared =
            store.compare(&scenario.name, &describe("exact facts"), &text).context("compare the exact facts")?;
        gate.facts = match compared {
            Compared::Same => FactsVerdict::Same,
            Compared::New => FactsVerdict::New,
            Compared::Changed { committed } => {
                differences.push((scenario.name.clone(), text_diff::render(&committed, &text)));
                FactsVerdict::Changed
            }
        };
        let ratios = self.ratios(estimates);
        gate.metrics = self.judge(estimates, &ratios, findings.looks_made);
        // Ratios are never the same to the last digit: they wait for review only when there is something to decide, or
        // when those that are committed cannot decide anything.
        let is_settled = |metric: &MetricVerdict| match metric.verdict {
            Verdict::Pass => true,
            Verdict::Inconclusive => metric.further_rounds.is_some(),
            Verdict::Fail | Verdict::Improved | Verdict::Incomparable | Verdict::Invalid => false,
        };
        let all_settled = scenario.gate.against == Against::Reference || gate.metrics.iter().all(is_settled);
        if !ratios.ratios.is_empty() && (self.committed.is_none() || !all_settled) {
            let name = ratios_name(scenario);
            store.compare(&name, &describe("ratios"), &ratios.render()).context("keep the ratios for review")?;
        } else {
            // What an earlier run left for review is not this run's.
            store.reject(&ratios_name(scenario)).context("remove ratios of an earlier run")?;
        }
        Ok(differences)
    }

    fn ratios(&self, estimates: &[Estimate]) -> Ratios {
        Ratios::of(self.machine.clone(), &self.scenario.loads, estimates)
    }

    fn judge(&self, estimates: &[Estimate], ratios: &Ratios, made: usize) -> Vec<MetricVerdict> {
        let rules = GateContext {
            gate: &self.scenario.gate,
            reference: &self.scenario.reference().name,
            looks: &self.looks,
            made,
        };
        gate::evaluate(rules, estimates, ratios, self.committed.as_ref())
    }
}

fn ratios_name(scenario: &Scenario) -> String {
    format!("{}.ratios", scenario.name)
}

/// What of a run could not run, and how many checks failed; nothing compared yet.
pub(super) fn outcome(scenario: &Scenario, findings: &Findings) -> GateOutcome {
    // What may be missing and is, is a row; what was asked for by itself could not run.
    let is_missing = |stack: &StackRecord| stack.unavailable.is_some() && !stack.is_optional;
    let stacks = findings.stacks.iter().filter(|stack| stack.error.is_some() || is_missing(stack)).count();
    // A cross-validation whose program is not installed is a row, and so is one that came to nothing.
    let is_ranked = |round: &&RoundRecord| scenario.ranked_loads().any(|load| load.name == round.load);
    let failed = |round: &&RoundRecord| match round.outcome {
        RoundOutcome::Failed { .. } => true,
        RoundOutcome::Unavailable { .. } => is_ranked(round),
        RoundOutcome::Measured(_) => false,
    };
    let checks = findings.stacks.iter().flat_map(|stack| &stack.checks);
    let counted = scenario.counted_loads();
    let judged = findings.rounds.iter().filter(|round| !counted.contains(&round.load.as_str()));
    let measured = judged.filter_map(|round| match &round.outcome {
        RoundOutcome::Measured(measured) => Some(measured),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => None,
    });
    let visited: BTreeSet<_> =
        findings.rounds.iter().filter(is_ranked).map(|round| (&round.load, &round.stack)).collect();
    let valid = findings.rounds.iter().filter(|round| round.valid().is_some());
    let valid: BTreeSet<_> = valid.map(|round| (&round.load, &round.stack)).collect();
    GateOutcome {
        could_not_run: stacks + findings.rounds.iter().filter(failed).count(),
        failed_checks: checks.filter(|check| !check.passed()).count(),
        errors_under_load: measured.flat_map(|measured| measured.failed.values()).sum(),
        without_valid_rounds: visited.difference(&valid).count(),
        ..GateOutcome::default()
    }
}
