//! The commands that find the commit of a change point: git's bisection, with `lab compare` as the test.

use std::fmt::Write as _;

use super::trend::{ChangeSize, Trend, TrendChange};

/// A shell script with the commands for each change between two commits; each bisection ends before the next begins. What
/// cannot be bisected is a comment.
#[must_use]
pub fn commands(trends: &[Trend], scenario: &str) -> String {
    let mut text = String::new();
    for trend in trends {
        for change in &trend.changes {
            let _ = writeln!(text, "# {}", subject(trend, change));
            let (before, after) = trend.around(change);
            let _ = match (&before.revision, &after.revision) {
                (Some(one), Some(other)) if one == other => {
                    writeln!(text, "# both sessions are of {one}: the machine or an uncommitted change made it\n")
                }
                (Some(one), Some(other)) => writeln!(text, "{}\n", bisection(change, [one, other], scenario)),
                _ => writeln!(text, "# a session of it was not in git\n"),
            };
        }
    }
    text
}

fn subject(trend: &Trend, change: &TrendChange) -> String {
    let ChangeSize { percentage, levels } = trend.size(change);
    let size = percentage.map_or_else(|| levels.clone(), |percentage| format!("{percentage} ({levels})"));
    format!("{} of {} under {}: {size}", trend.metric, trend.stack, trend.load)
}

/// The better level is what each commit is compared with, since only what is worse than that fails.
fn bisection(change: &TrendChange, [before, after]: [&str; 2], scenario: &str) -> String {
    let (better, failed, passed) = match change.is_worse {
        true => (before, "new", "old"),
        false => (after, "old", "new"),
    };
    // Of git bisect run, 0 says `old`, 1 says `new`, and 125 says that the commit cannot be tested.
    let code = |term: &str| if term == "old" { 0 } else { 1 };
    let test = format!(
        "lab compare {better} {scenario} --gate; case $? in 0) exit {};; 4) exit {};; *) exit 125;; esac",
        code(passed),
        code(failed),
    );
    format!(
        "git bisect start --term-old old --term-new new {after} {before}\ngit bisect run sh -c '{test}'\ngit bisect reset"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::view::trend::TrendPoint;

    fn trend(metric: &str, revisions: [Option<&str>; 2], is_worse: bool) -> Trend {
        let point = |revision: Option<&str>| TrendPoint {
            value: 1.0,
            interval: None,
            ended: "2026-11-24T00:00:00Z".to_owned(),
            revision: revision.map(str::to_owned),
            is_modified: false,
        };
        Trend {
            machine: "m".to_owned(),
            cpu: "c".to_owned(),
            load: "l".to_owned(),
            stack: "s".to_owned(),
            metric: metric.to_owned(),
            points: revisions.map(point).to_vec(),
            changes: vec![TrendChange { index: 1, before: 1000.0, after: 1120.0, is_worse }],
        }
    }

    #[test]
    fn commits_are_compared_with_the_better_level() {
        let worse = commands(&[trend("cpu_per_request", [Some("aaa"), Some("bbb")], true)], "scenarios/s.toml");
        assert_eq!(
            worse,
            "# cpu_per_request of s under l: +12.0 % (1.00 ms → 1.12 ms)\n\
             git bisect start --term-old old --term-new new bbb aaa\n\
             git bisect run sh -c 'lab compare aaa scenarios/s.toml --gate; \
             case $? in 0) exit 0;; 4) exit 1;; *) exit 125;; esac'\n\
             git bisect reset\n\n"
        );
        let better = commands(&[trend("throughput", [Some("aaa"), Some("bbb")], false)], "s.toml");
        assert!(better.contains("lab compare bbb s.toml --gate; case $? in 0) exit 1;; 4) exit 0;;"), "{better}");
    }

    #[test]
    fn change_without_two_commits_is_a_comment() {
        let same = commands(&[trend("p99", [Some("aaa"), Some("aaa")], true)], "s.toml");
        assert!(same.contains("# both sessions are of aaa") && !same.contains("git bisect"), "{same}");
        let none = commands(&[trend("p99", [None, Some("aaa")], true)], "s.toml");
        assert!(none.contains("# a session of it was not in git") && !none.contains("git bisect"), "{none}");
    }
}
