//! httperf: what is asked of it, and what it prints (Mosberger and Jin, 1998, §3).
//!
//! It has one rate, so a ramp is a run for each of its rates. A run ends with its last answer, so that the next rate does
//! not meet what the one before has left, as it does with lab's own driver.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{OutputError, Run, Told, number, seconds};
use crate::audit::BEHIND_LIMIT_US;
use crate::ledger::{ErrorClass, Ledger, OpenLedger, RateLedger, Shortfall};
use crate::plan::Stretch;
use crate::protocol::Http;

/// How many sessions begin within `lasts`.
fn sessions(rate_per_s: NonZeroU32, lasts: Duration) -> u64 {
    u64::try_from(lasts.as_nanos() * u128::from(rate_per_s.get()) / 1_000_000_000).unwrap_or(u64::MAX)
}

pub(super) fn arguments(run: &Run<'_>, rate_per_s: NonZeroU32, calls: NonZeroU32, is_poisson: bool) -> Vec<String> {
    let uri = match run.url.query() {
        Some(query) => format!("{}?{query}", run.url.path()),
        None => run.url.path().to_owned(),
    };
    let host = run.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    // Each connection with a handshake of its own, as lab's own drivers have it.
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
        format!("--num-conns={}", sessions(rate_per_s, run.lasts)),
        format!("--num-calls={calls}"),
        format!("--timeout={}", seconds(run.timeout)),
    ];
    arguments.into_iter().chain(tls.iter().chain(version).map(ToString::to_string)).collect()
}

/// What one run's report says.
#[derive(Debug)]
struct Report {
    ok: u64,
    failed: Vec<(ErrorClass, u64)>,
    /// `None` if the mean that it prints is not that of good answers alone.
    body_bytes: Option<u64>,
    connections_opened: Option<u64>,
    took_us: u64,
    /// The most connections that were begun in one go.
    longest_burst: u64,
}

/// Reads the reports of the runs at `rates`, in their order. httperf prints means and no distribution, so that every
/// histogram stays empty; what it does not account for was not sent: the calls of a session after a failed one.
pub(super) fn told(texts: &[&str], rates: &[Stretch], calls: NonZeroU32) -> Result<Told, OutputError> {
    let window = rates.iter().map(|rate| rate.lasts).sum();
    let (mut ledger, mut open) = (Ledger::empty(window), OpenLedger::empty());
    let mut opened = Some(0);
    let is_ramp = rates.len() > 1;
    for (text, stretch) in texts.iter().zip(rates) {
        let report = parse(text)?;
        let rate = rate(&report, *stretch, calls, is_ramp);
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
    Ok(Told { ledger, connections_opened: opened })
}

/// One rate of a ramp. A run in which the program itself came to its limits voids nothing but its own rate, so that its
/// connections without a descriptor are not a failure of the round: they are shed.
fn rate(report: &Report, stretch: Stretch, calls: NonZeroU32, is_ramp: bool) -> RateLedger {
    let calls = u64::from(calls.get());
    let of = |class: ErrorClass| report.failed.iter().find(|(other, _)| *other == class).map_or(0, |(_, count)| *count);
    let without = [of(ErrorClass::ClientFdUnavailable), of(ErrorClass::ClientNoFreePort)];
    let is_kept = |class: ErrorClass| {
        !is_ramp || !matches!(class, ErrorClass::ClientFdUnavailable | ErrorClass::ClientNoFreePort)
    };
    let failed = report.failed.iter().copied().filter(|(class, count)| *count > 0 && is_kept(*class)).collect();
    let mut rate = RateLedger {
        scheduled: sessions(stretch.rate_per_s, stretch.lasts) * calls,
        ok: report.ok,
        answered: report.ok,
        failed,
        shed: if is_ramp { without[0] * calls } else { 0 },
        took_us: Some(report.took_us),
        shortfall: match without {
            [1..=u64::MAX, _] => Some(Shortfall::OutOfDescriptors),
            [_, 1..=u64::MAX] => Some(Shortfall::OutOfPorts),
            _ => (late_us(report.longest_burst, stretch.rate_per_s) > BEHIND_LIMIT_US).then_some(Shortfall::Late),
        },
        ..RateLedger::empty(stretch.rate_per_s, stretch.lasts)
    };
    let accounted = rate.ok + rate.failed.values().sum::<u64>() + rate.shed;
    rate.unsent = rate.scheduled.saturating_sub(accounted);
    rate
}

/// How late the first of so many connections was that were begun in one go. httperf looks at the clock all the time and
/// begins what is due; it has all of the CPU time it can get whatever it does, so that its CPU time says nothing, and its
/// connection rate is that of a run with its last answer, so that a slow server lowers it as well.
fn late_us(burst: u64, rate_per_s: NonZeroU32) -> u64 {
    burst.saturating_sub(1) * 1_000_000 / u64::from(rate_per_s.get())
}

fn parse(text: &str) -> Result<Report, OutputError> {
    let missing = |what: &'static str| OutputError { program: "httperf", what: what.trim() };
    let count = |label: &'static str| number::<u64>(text, label).ok_or(missing(label));
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
    let content: f64 = number(text, " content").ok_or(missing("content"))?;
    let took: f64 = number(text, "test-duration").ok_or(missing("test-duration"))?;
    // Its total is of attempts.
    let failed_to_connect = count("connrefused")? + count("socket-timo")?;
    Ok(Report {
        ok,
        // A mean of all replies; where some are errors, theirs are in it.
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

    fn stretch(rate_per_s: u32, seconds: u64) -> Stretch {
        Stretch { rate_per_s: NonZeroU32::new(rate_per_s).unwrap(), lasts: Duration::from_secs(seconds) }
    }

    fn sound(told: Told) -> Told {
        assert!(told.ledger.adds_up(), "{:?}", told.ledger);
        told
    }

    fn constant(text: &str) -> Told {
        let told = sound(told(&[text], &[stretch(50, 2)], TWO).unwrap());
        assert!(told.ledger.open.as_ref().unwrap().rates.is_empty(), "one rate is no ramp");
        assert_eq!(told.ledger.window, WINDOW);
        told
    }

    #[test]
    fn a_healthy_server() {
        let told = constant(include_str!("../../../../fixtures/load/httperf.ok.txt"));
        assert_eq!((told.ledger.ok, told.ledger.failures(), told.ledger.body_bytes), (200, 0, Some(1000)));
        assert_eq!(told.connections_opened, Some(100));
    }

    #[test]
    fn errors_of_every_kind() {
        let mixed = constant(include_str!("../../../../fixtures/load/httperf.mixed.txt")).ledger;
        let classes = [(ErrorClass::Status4xx, 20), (ErrorClass::Status5xx, 20), (ErrorClass::Reset, 4)];
        assert_eq!((mixed.ok, mixed.failed), (156, BTreeMap::from(classes)));
        let slow = constant(include_str!("../../../../fixtures/load/httperf.slow.txt")).ledger;
        assert_eq!(slow.failed, BTreeMap::from([(ErrorClass::Timeout, 100)]));
        assert_eq!(slow.open.unwrap().unsent, 100, "the second calls");
        let refused = constant(include_str!("../../../../fixtures/load/httperf.refused.txt")).ledger;
        assert_eq!(refused.failed, BTreeMap::from([(ErrorClass::ConnectRefused, 100)]));
    }

    #[test]
    fn a_ramp_is_a_run_for_each_rate_and_its_limits_are_those_of_a_rate() {
        let (kept, exhausted) = (
            include_str!("../../../../fixtures/load/httperf.kept.txt"),
            include_str!("../../../../fixtures/load/httperf.descriptors.txt"),
        );
        let ten = NonZeroU32::new(10).unwrap();
        let told = sound(told(&[kept, exhausted], &[stretch(1600, 1), stretch(4800, 1)], ten).unwrap());
        assert_eq!((told.ledger.ok, told.ledger.failures()), (59_410, 0), "what it could not open is shed");
        assert_eq!(told.connections_opened, Some(1600 + 4341));
        let rates = told.ledger.open.unwrap().rates;
        let counts: Vec<_> = rates.iter().map(|rate| (rate.scheduled, rate.ok, rate.shed, rate.unsent)).collect();
        assert_eq!(counts, [(16_000, 16_000, 0, 0), (48_000, 43_410, 4590, 0)]);
        assert_eq!(rates.iter().map(|rate| rate.took_us).collect::<Vec<_>>(), [Some(1_000_000), Some(1_184_000)]);
        assert_eq!(
            rates.iter().map(|rate| rate.shortfall).collect::<Vec<_>>(),
            [None, Some(Shortfall::OutOfDescriptors)]
        );
    }

    #[test]
    fn without_a_descriptor_a_constant_rate_is_void() {
        let exhausted = include_str!("../../../../fixtures/load/httperf.descriptors.txt");
        let told = sound(told(&[exhausted], &[stretch(4800, 1)], NonZeroU32::new(10).unwrap()).unwrap());
        assert_eq!(told.ledger.failed, BTreeMap::from([(ErrorClass::ClientFdUnavailable, 459)]));
    }

    #[test]
    fn connections_begun_in_one_go_were_due_before() {
        let rate = NonZeroU32::new(1000).unwrap();
        assert_eq!([0, 1, 101].map(|burst| late_us(burst, rate)), [0, 0, 100_000]);
        let late = include_str!("../../../../fixtures/load/httperf.kept.txt").replace("length: 10", "length: 162");
        let report = parse(&late).unwrap();
        assert_eq!(super::rate(&report, stretch(1600, 1), TWO, true).shortfall, Some(Shortfall::Late));
    }

    #[test]
    fn other_output_is_refused() {
        let error = told(&["httperf: command not understood"], &[stretch(1, 1)], TWO).err().unwrap();
        assert_eq!(error.to_string(), "cannot find 4xx= in what httperf printed");
    }

    #[test]
    fn sessions_fill_the_window() {
        assert_eq!(sessions(TWO, Duration::from_millis(1500)), 3);
    }
}
