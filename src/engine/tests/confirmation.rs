//! What fails is measured once more, and the second sample decides.

use super::*;
use crate::engine::confirmation::ConfirmationPlan;
use crate::snapshot::confirmation::SecondSample;

/// Runs two versions, of which `proxied` costs a fifth more in `disturbed` of its rounds, and confirms what fails. `earlier`
/// are the rounds of an interrupted run, of both samples.
fn confirmed(disturbed: usize, earlier: &[RoundRecord]) -> (Findings, GateOutcome, Fake) {
    let (mut scenario, mut fake) = versions(8);
    scenario.gate.margins = [(Metric::CpuPerRequest, 0.05)].into();
    fake.noise = Some(Noise { seed: 5, scatter: 0.01 });
    let proxied = fake.stacks.get_mut("proxied").unwrap();
    proxied.disturbed_drives = (0..disturbed).collect();
    let versions = VersionComparison::new(&scenario, Looks::new(vec![8]).unwrap());
    let failed_cells =
        |rounds: &[RoundRecord], made: usize| versions.failed_cells(&estimates(&scenario, rounds), rounds, made);
    let is_decided = |second: SecondSample<'_>| versions.is_confirmed(&estimates(&scenario, second.rounds), second);
    let (confirming, first) = earlier.iter().cloned().partition(|round: &RoundRecord| round.confirms);
    let confirmation = ConfirmationPlan { failed_cells: &failed_cells, is_decided: &is_decided, earlier: confirming };
    let plan = RunPlan {
        checks_only: false,
        repeats_checks: false,
        earlier: first,
        is_decided: &mut |_, _| true,
        confirmation: Some(confirmation),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let findings = runtime.block_on(run(&scenario, plan, &mut fake, &mut ()));
    let mut gate = GateOutcome::default();
    let Findings { stacks, differences, rounds, looks_made, confirmation, .. } = &findings;
    let second = confirmation.as_ref();
    let second_estimates = second.map(|second| estimates(&scenario, &second.rounds)).unwrap_or_default();
    let second = second.map(|second| {
        let sample = SecondSample { cells: &second.cells, rounds: &second.rounds, looks_made: second.looks_made };
        (second_estimates.as_slice(), sample)
    });
    let estimates = estimates(&scenario, rounds);
    let results = RunResults { stacks, rounds, estimates: &estimates, looks_made: *looks_made, second };
    versions.finish(results, differences, &mut gate);
    (findings, gate, fake)
}

fn verdict(gate: &GateOutcome) -> &MetricVerdict {
    gate.metrics.iter().find(|metric| metric.stack == "proxied").unwrap()
}

#[test]
fn disturbance_of_the_first_sample_does_not_fail() {
    let (findings, gate, fake) = confirmed(8, &[]);
    let second = findings.confirmation.unwrap();
    assert_eq!(second.cells.len(), 1);
    assert!(second.cells[0].is("load", "proxied", "cpu_per_request"), "{:?}", second.cells);
    // Only the stack and its base, in as many blocks, from folders of their own.
    let stacks: BTreeSet<&str> = second.rounds.iter().map(|round| round.stack.as_str()).collect();
    assert_eq!((stacks, second.rounds.len()), (["proxied", "proxied@base"].into(), 16));
    assert!(second.rounds.iter().all(|round| round.confirms) && findings.rounds.iter().all(|round| !round.confirms));
    assert_eq!(fake.log.iter().filter(|line| line.starts_with("start confirmation/")).count(), 16);
    let verdict = verdict(&gate);
    assert_eq!((verdict.verdict, verdict.rounds), (Verdict::Pass, 8), "{verdict:?}");
    let first = verdict.first.unwrap();
    assert!(first.rounds == 8 && first.change.unwrap().lower > 1.05, "{first:?}");
    assert_eq!(gate::exit(&gate, true, true), crate::exit::Exit::Ok);
}

#[test]
fn change_fails_in_both_samples() {
    let (_, gate, _) = confirmed(100, &[]);
    let verdict = verdict(&gate);
    assert_eq!(verdict.verdict, Verdict::Fail);
    assert!(verdict.first.is_some() && verdict.change.unwrap().lower > 1.05, "{verdict:?}");
    assert_eq!(gate::exit(&gate, true, false), crate::exit::Exit::Failed);
}

#[test]
fn nothing_is_confirmed_without_a_failure() {
    let (findings, gate, _) = confirmed(0, &[]);
    assert!(findings.confirmation.is_none() && verdict(&gate).first.is_none());
}

#[test]
fn interrupted_second_sample_continues() {
    let (whole, ..) = confirmed(100, &[]);
    let second = whole.confirmation.unwrap();
    let earlier = [whole.rounds.as_slice(), &second.rounds[..6]].concat();
    let (continued, gate, fake) = confirmed(100, &earlier);
    assert_eq!(continued.rounds.len(), whole.rounds.len());
    let order = |rounds: &[RoundRecord]| -> Vec<_> { rounds.iter().map(|r| (r.block, r.stack.clone())).collect() };
    assert_eq!(order(&continued.confirmation.unwrap().rounds), order(&second.rounds));
    assert_eq!(fake.log.iter().filter(|line| line.starts_with("drive")).count(), 10);
    assert_eq!(verdict(&gate).verdict, Verdict::Fail);
}
