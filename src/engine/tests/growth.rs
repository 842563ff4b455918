//! Leaks, from curves to verdicts.

use super::*;
use crate::engine::estimates::growth;
use crate::scenario::model::{Growth, Limits};

/// A leak of 3 kB per request, beside a version and a stack that do not leak. The limit is 1 kB.
#[test]
fn leak_of_one_version_is_beyond_the_limit() {
    let (mut scenario, mut fake) = versions(6);
    scenario.gate =
        Gate { limits: Limits { growth: [(Growth::Memory, 1000.0)].into(), ..Limits::default() }, ..Gate::default() };
    fake.noise = Some(Noise { seed: 3, scatter: 0.02 });
    fake.stacks.get_mut("proxied").unwrap().leaked_bytes = 3_000_000;
    let findings = findings(&scenario, &mut fake);
    let versions = VersionComparison::new(&scenario, Looks::new(vec![6]).unwrap());
    let Findings { stacks, differences, rounds, looks_made, .. } = &findings;
    let estimates = estimates(&scenario, rounds);
    let mut gate = GateOutcome::default();
    versions.finish(
        RunResults { stacks, rounds, estimates: &estimates, looks_made: *looks_made, second: None },
        differences,
        &mut gate,
    );
    let verdicts: Vec<_> = gate.limits.iter().map(|limit| (limit.stack.as_str(), limit.verdict)).collect();
    assert_eq!(
        verdicts,
        [("direct", Verdict::Pass), ("proxied", Verdict::Inconclusive)],
        "one of two fails after seven"
    );

    let (mut longer, mut fake) = super::versions(7);
    longer.gate = scenario.gate.clone();
    fake.noise = Some(Noise { seed: 3, scatter: 0.02 });
    fake.stacks.get_mut("proxied").unwrap().leaked_bytes = 3_000_000;
    let findings = self::findings(&longer, &mut fake);
    let versions = VersionComparison::new(&longer, Looks::new(vec![7]).unwrap());
    let Findings { stacks, differences, rounds, looks_made, .. } = &findings;
    let estimates = super::estimates(&longer, rounds);
    versions.finish(
        RunResults { stacks, rounds, estimates: &estimates, looks_made: *looks_made, second: None },
        differences,
        &mut gate,
    );
    let verdicts: Vec<_> = gate.limits.iter().map(|limit| (limit.stack.as_str(), limit.verdict)).collect();
    assert_eq!(verdicts, [("direct", Verdict::Pass), ("proxied", Verdict::Fail)]);
    let value = gate.limits[1].value.unwrap();
    assert!((2900.0..3100.0).contains(&value), "{value}");

    let memory: Vec<_> =
        growth(&longer, rounds).into_iter().filter(|growth| growth.metric == "memory_growth").collect();
    let changes: Vec<_> =
        memory.iter().map(|one| (one.stack.as_str(), one.change.map(|c| c.per_request > 2900.0))).collect();
    let expected = [("direct@base", None), ("direct", Some(false)), ("proxied@base", None), ("proxied", Some(true))];
    assert_eq!(changes, expected);
}
