//! httperf: its arguments and its output (Mosberger and Jin, *httperf: a tool for measuring web server performance*,
//! 1998, §3).
//!
//! httperf has one rate, so each rate of a ramp is a separate run. A run ends with its last response: unlike with lab's
//! own driver, the next rate does not inherit a queue from the one before.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{ToolReport, ToolRun, number_after, seconds};
use crate::accounting::audit::BEHIND_LIMIT_US;
use crate::drivers::error::OutputError;
use crate::wire::{ErrorClass, Http, Ledger, OpenLedger, RateLedger, Shortfall, Stage};

/// The number of sessions that begin within `duration`.
fn sessions(rate_per_s: NonZeroU32, duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos() * u128::from(rate_per_s.get()) / 1_000_000_000).unwrap_or(u64::MAX)
}

pub(super) fn arguments(run: &ToolRun<'_>, rate_per_s: NonZeroU32, calls: NonZeroU32, is_poisson: bool) -> Vec<String> {
    let uri = match run.url.query() {
        Some(query) => format!("{}?{query}", run.url.path()),
        None => run.url.path().to_owned(),
    };
    let host = run.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    // A full handshake for each connection, as with lab's own drivers.
    let tls: &[&str] = if run.url.scheme() == "https" { &["--ssl", "--ssl-no-reuse"] } else { &[] };
    let version: &[&str] = if run.http == Http::OneZero { &["--http-version=1.0"] } else { &[] };
    let arguments = vec![
        "--hog".to_owned(),
        format!("--server={host}"),
        format!("--port={}", run.url.port_or_known_default().unwrap_or(80)),
        format!("--uri={uri}"),
        match is_poisson {
            false => format!("--rate={rate_per_s}"),
            true => format!("--period=e{}", f64::from(rate_per_s.get()).recip()),
        },
        format!("--num-conns={}", sessions(rate_per_s, run.duration)),
        format!("--num-calls={calls}"),
        format!("--timeout={}", seconds(run.timeout)),
    ];
    arguments.into_iter().chain(tls.iter().chain(version).map(ToString::to_string)).collect()
}

/// The report of one run.
#[derive(Debug)]
struct RunReport {
    ok: u64,
    failed: Vec<(ErrorClass, u64)>,
    /// `None` if the printed mean includes responses with an error status.
    body_bytes: Option<u64>,
    connections_opened: Option<u64>,
    took_us: u64,
    /// The largest number of connections opened at once.
    longest_burst: u64,
}

/// Combines the reports of the runs at `rates`, in their order. httperf prints means but no distribution, so every
/// histogram stays empty. Requests it does not account for were not sent: the calls of a session after a failed one.
pub(super) fn combine_runs(texts: &[&str], rates: &[Stage], calls: NonZeroU32) -> Result<ToolReport, OutputError> {
    let window = rates.iter().map(|rate| rate.lasts).sum();
    let (mut ledger, mut open) = (Ledger::empty(window), OpenLedger::empty());
    let mut opened = Some(0);
    let is_ramp = rates.len() > 1;
    for (text, stage) in texts.iter().zip(rates) {
        let report = parse(text)?;
        let rate = rate(&report, *stage, calls, is_ramp);
        ledger.ok += rate.ok;
        ledger.answered += rate.ok;
        for (class, count) in &rate.failed {
            *ledger.failed.entry(*class).or_default() += count;
        }
        ledger.body_bytes = ledger.body_bytes.zip(report.body_bytes).map(|(sum, bytes)| sum + bytes);
        opened = opened.zip(report.connections_opened).map(|(sum, opened)| sum + opened);
        open.scheduled += rate.scheduled;
        open.shed += rate.shed;
        open.unsent += rate.unsent;
        open.rates.push(rate);
    }
    if !is_ramp {
        open.rates.clear();
    }
    ledger.open = Some(open);
    // httperf 0.9 takes the end of a connection for the end of a body, whatever Content-Length says.
    ledger.possibly_cut = ledger.ok;
    Ok(ToolReport { ledger, connections_opened: opened })
}

/// The ledger of one rate. In a ramp, a run that reaches httperf's own limits invalidates only its own rate, so its
/// connections without a descriptor count as shed instead of failed.
fn rate(report: &RunReport, stage: Stage, calls: NonZeroU32, is_ramp: bool) -> RateLedger {
    let calls = u64::from(calls.get());
    let of = |class: ErrorClass| report.failed.iter().find(|(other, _)| *other == class).map_or(0, |(_, count)| *count);
    let without = [of(ErrorClass::ClientFdUnavailable), of(ErrorClass::ClientNoFreePort)];
    let is_kept = |class: ErrorClass| {
        !is_ramp || !matches!(class, ErrorClass::ClientFdUnavailable | ErrorClass::ClientNoFreePort)
    };
    let failed = report.failed.iter().copied().filter(|(class, count)| *count > 0 && is_kept(*class)).collect();
    let mut rate = RateLedger {
        scheduled: sessions(stage.rate_per_s, stage.lasts) * calls,
        ok: report.ok,
        answered: report.ok,
        failed,
        shed: if is_ramp { without[0] * calls } else { 0 },
        took_us: Some(report.took_us),
        shortfall: match without {
            [1..=u64::MAX, _] => Some(Shortfall::OutOfDescriptors),
            [_, 1..=u64::MAX] => Some(Shortfall::OutOfPorts),
            _ => (late_us(report.longest_burst, stage.rate_per_s) > BEHIND_LIMIT_US).then_some(Shortfall::Late),
        },
        ..RateLedger::empty(stage.rate_per_s, stage.lasts)
    };
    let accounted = rate.ok + rate.failed.values().sum::<u64>() + rate.shed;
    rate.unsent = rate.scheduled.saturating_sub(accounted);
    rate
}

/// The delay of the first connection in a batch that httperf opened at once. Its CPU time cannot show that it fell
/// behind, because it polls the clock and always uses a whole core; neither can its connection rate, which includes the
/// wait for the last response, so a slow server lowers it too.
fn late_us(burst: u64, rate_per_s: NonZeroU32) -> u64 {
    burst.saturating_sub(1) * 1_000_000 / u64::from(rate_per_s.get())
}

fn parse(text: &str) -> Result<RunReport, OutputError> {
    let missing = |what: &'static str| OutputError { program: "httperf", what: what.trim() };
    let count = |label: &'static str| number_after::<u64>(text, label).ok_or(missing(label));
    let failed = vec![
        (ErrorClass::Status4xx, count("4xx=")?),
        (ErrorClass::Status5xx, count("5xx=")?),
        (ErrorClass::Timeout, count("client-timo")?),
        (ErrorClass::TimeoutConnect, count("socket-timo")?),
        (ErrorClass::ConnectRefused, count("connrefused")?),
        (ErrorClass::Reset, count("connreset")?),
        (ErrorClass::ClientFdUnavailable, count("fd-unavail")? + count("ftab-full")?),
        (ErrorClass::ClientNoFreePort, count("addrunavail")?),
        (ErrorClass::ClientOther, count("other")?),
    ];
    let ok = count("2xx=")? + count("3xx=")?;
    let content: f64 = number_after(text, " content").ok_or(missing("content"))?;
    let took: f64 = number_after(text, "test-duration").ok_or(missing("test-duration"))?;
    // httperf's total counts attempts.
    let failed_to_connect = count("connrefused")? + count("socket-timo")?;
    Ok(RunReport {
        ok,
        // The mean is of all replies, errors included.
        body_bytes: (count("4xx=")? + count("5xx=")? == 0).then(|| (content * ok as f64).round() as u64),
        connections_opened: count("Total: connections")?.checked_sub(failed_to_connect),
        took_us: (took * 1e6).round() as u64,
        longest_burst: count("Maximum connect burst length:")?,
        failed,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
    const WINDOW: Duration = Duration::from_secs(2);

    fn stage(rate_per_s: u32, seconds: u64) -> Stage {
        Stage { rate_per_s: NonZeroU32::new(rate_per_s).unwrap(), lasts: Duration::from_secs(seconds) }
    }

    fn checked(report: ToolReport) -> ToolReport {
        assert!(report.ledger.adds_up(), "{:?}", report.ledger);
        report
    }

    fn constant(text: &str) -> ToolReport {
        let report = checked(combine_runs(&[text], &[stage(50, 2)], TWO).unwrap());
        assert!(report.ledger.open.as_ref().unwrap().rates.is_empty(), "one rate is no ramp");
        assert_eq!(report.ledger.window, WINDOW);
        report
    }

    #[test]
    fn healthy_server() {
        let report = constant(include_str!("../../../../../fixtures/load/httperf.ok.txt"));
        assert_eq!((report.ledger.ok, report.ledger.failures(), report.ledger.body_bytes), (200, 0, Some(1000)));
        assert_eq!(report.ledger.possibly_cut, 200, "httperf does not tell");
        assert_eq!(report.connections_opened, Some(100));
    }

    #[test]
    fn all_errors() {
        let mixed = constant(include_str!("../../../../../fixtures/load/httperf.mixed.txt")).ledger;
        let classes = [(ErrorClass::Status4xx, 20), (ErrorClass::Status5xx, 20), (ErrorClass::Reset, 4)];
        assert_eq!((mixed.ok, mixed.failed), (156, BTreeMap::from(classes)));
        let slow = constant(include_str!("../../../../../fixtures/load/httperf.slow.txt")).ledger;
        assert_eq!(slow.failed, BTreeMap::from([(ErrorClass::Timeout, 100)]));
        assert_eq!(slow.open.unwrap().unsent, 100, "the second calls");
        let refused = constant(include_str!("../../../../../fixtures/load/httperf.refused.txt")).ledger;
        assert_eq!(refused.failed, BTreeMap::from([(ErrorClass::ConnectRefused, 100)]));
    }

    #[test]
    fn ramp_limits_invalidate_single_rates() {
        let (kept, exhausted) = (
            include_str!("../../../../../fixtures/load/httperf.kept.txt"),
            include_str!("../../../../../fixtures/load/httperf.descriptors.txt"),
        );
        let ten = NonZeroU32::new(10).unwrap();
        let report = checked(combine_runs(&[kept, exhausted], &[stage(1600, 1), stage(4800, 1)], ten).unwrap());
        assert_eq!((report.ledger.ok, report.ledger.failures()), (59_410, 0), "connections it could not open are shed");
        assert_eq!(report.connections_opened, Some(1600 + 4341));
        let rates = report.ledger.open.unwrap().rates;
        let counts: Vec<_> = rates.iter().map(|rate| (rate.scheduled, rate.ok, rate.shed, rate.unsent)).collect();
        assert_eq!(counts, [(16_000, 16_000, 0, 0), (48_000, 43_410, 4590, 0)]);
        assert_eq!(rates.iter().map(|rate| rate.took_us).collect::<Vec<_>>(), [Some(1_000_000), Some(1_184_000)]);
        assert_eq!(
            rates.iter().map(|rate| rate.shortfall).collect::<Vec<_>>(),
            [None, Some(Shortfall::OutOfDescriptors)]
        );
    }

    #[test]
    fn constant_rate_without_descriptors_fails() {
        let exhausted = include_str!("../../../../../fixtures/load/httperf.descriptors.txt");
        let report = checked(combine_runs(&[exhausted], &[stage(4800, 1)], NonZeroU32::new(10).unwrap()).unwrap());
        assert_eq!(report.ledger.failed, BTreeMap::from([(ErrorClass::ClientFdUnavailable, 459)]));
    }

    #[test]
    fn batched_connections_are_late() {
        let rate = NonZeroU32::new(1000).unwrap();
        assert_eq!([0, 1, 101].map(|burst| late_us(burst, rate)), [0, 0, 100_000]);
        let late = include_str!("../../../../../fixtures/load/httperf.kept.txt").replace("length: 10", "length: 162");
        let report = parse(&late).unwrap();
        assert_eq!(super::rate(&report, stage(1600, 1), TWO, true).shortfall, Some(Shortfall::Late));
    }

    #[test]
    fn unexpected_output_is_refused() {
        let error = combine_runs(&["httperf: command not understood"], &[stage(1, 1)], TWO).err().unwrap();
        assert_eq!(error.to_string(), "cannot find 4xx= in what httperf printed");
    }

    #[test]
    fn sessions_fill_the_window() {
        assert_eq!(sessions(TWO, Duration::from_millis(1500)), 3);
    }
}
