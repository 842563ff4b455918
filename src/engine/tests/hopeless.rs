//! Loads that a stack cannot serve.

use super::*;

#[test]
fn hopeless_load_ends_early() {
    let scenario = scenario(6);
    let mut fake = fake();
    let proxied = fake.stacks.get_mut("proxied").unwrap();
    proxied.failed = [(ErrorClass::Status5xx, 700)].into();
    proxied.ok = 300;
    let findings = findings(&scenario, &mut fake);
    let rounds_of = |stack: &str| findings.rounds.iter().filter(|round| round.stack == stack).count();
    assert_eq!((rounds_of("direct"), rounds_of("proxied")), (6, 1), "the first round has shown all");
    let round = findings.rounds.iter().find(|round| round.stack == "proxied").unwrap();
    let RoundOutcome::Measured(measured) = &round.outcome else { panic!("{round:?}") };
    let issues: Vec<&str> = measured.issues.iter().map(|issue| issue.kind.as_str()).collect();
    assert!(issues.starts_with(&["mostly-errors"]) && issues.ends_with(&["given-up"]), "{issues:?}");
    assert!(
        measured.issues[0].message.starts_with("70 % of the responses are errors (700 status-5xx)"),
        "{measured:?}"
    );
    let estimates = estimates(&scenario, &findings.rounds);
    assert_eq!(estimate(&estimates, "proxied", Metric::Throughput).ratio, None);
}

#[test]
fn errors_that_are_only_counted_end_nothing() {
    let mut scenario = scenario(2);
    scenario.loads[0].errors = OnErrors::Count;
    let mut fake = fake();
    let proxied = fake.stacks.get_mut("proxied").unwrap();
    proxied.failed = [(ErrorClass::Status5xx, 7500)].into();
    // Little's law holds: 8000/s × 125 µs.
    proxied.service_us = 125;
    let rounds = findings(&scenario, &mut fake).rounds;
    assert_eq!(rounds.iter().filter(|round| round.stack == "proxied" && round.valid().is_some()).count(), 2);
}

#[test]
fn second_void_round_of_a_kind_is_the_last() {
    let scenario = scenario(6);
    let mut fake = fake();
    // Little's law: with one user, the requests take longer than the window.
    fake.stacks.get_mut("proxied").unwrap().service_us = 3000;
    let rounds = findings(&scenario, &mut fake).rounds;
    let proxied: Vec<_> = rounds.iter().filter(|round| round.stack == "proxied").collect();
    assert_eq!(proxied.len(), 2, "{proxied:?}");
    assert_eq!(rounds.iter().filter(|round| round.stack == "direct").count(), 6);
}
