//! httperf: what is asked of it, and what it prints (Mosberger and Jin, 1998, §3).

use std::num::NonZeroU32;
use std::time::Duration;

use super::{OutputError, Run, Told, number, seconds};
use crate::load::ledger::{ErrorClass, Ledger, OpenLedger};
use crate::load::protocol::Http;

/// How many sessions begin within `lasts`.
pub(super) fn sessions(rate_per_s: NonZeroU32, lasts: Duration) -> u64 {
    u64::try_from(lasts.as_nanos() * u128::from(rate_per_s.get()) / 1_000_000_000).unwrap_or(u64::MAX)
}

pub(super) fn arguments(run: &Run<'_>, rate_per_s: NonZeroU32, calls: NonZeroU32) -> Vec<String> {
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
        format!("--rate={rate_per_s}"),
        format!("--num-conns={}", sessions(rate_per_s, run.lasts)),
        format!("--num-calls={calls}"),
        format!("--timeout={}", seconds(run.timeout)),
    ];
    arguments.into_iter().chain(tls.iter().chain(version).map(ToString::to_string)).collect()
}

/// Reads its report. It prints means and no distribution, so that every histogram stays empty; what it does not
/// account for was not sent: the calls of a session after a failed one.
pub(super) fn parse(text: &str, sessions: u64, calls: NonZeroU32, window: Duration) -> Result<Told, OutputError> {
    let missing = |what: &'static str| OutputError { program: "httperf", what: what.trim() };
    let count = |label: &'static str| number::<u64>(text, label).ok_or(missing(label));
    let failed = [
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
    let mut ledger = Ledger {
        ok,
        answered: ok,
        failed: failed.into_iter().filter(|(_, count)| *count > 0).collect(),
        // A mean of all replies; where some are errors, theirs are in it.
        body_bytes: (count("4xx=")? + count("5xx=")? == 0).then(|| (content * ok as f64).round() as u64),
        ..Ledger::empty(window)
    };
    let scheduled = sessions * u64::from(calls.get());
    let unsent = scheduled.saturating_sub(ledger.ok + ledger.failures());
    ledger.open = Some(OpenLedger { scheduled, unsent, ..OpenLedger::empty() });
    // Its total is of attempts.
    let failed_to_connect = count("connrefused")? + count("socket-timo")?;
    Ok(Told { ledger, connections_opened: count("Total: connections")?.checked_sub(failed_to_connect) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
    const WINDOW: Duration = Duration::from_secs(2);

    fn told(text: &str) -> Told {
        let told = parse(text, 100, TWO, WINDOW).unwrap();
        assert!(told.ledger.adds_up(), "{:?}", told.ledger);
        told
    }

    #[test]
    fn a_healthy_server() {
        let told = told(include_str!("../../../fixtures/load/httperf.ok.txt"));
        assert_eq!((told.ledger.ok, told.ledger.failures(), told.ledger.body_bytes), (200, 0, Some(1000)));
        assert_eq!(told.connections_opened, Some(100));
    }

    #[test]
    fn errors_of_every_kind() {
        let mixed = told(include_str!("../../../fixtures/load/httperf.mixed.txt")).ledger;
        let classes = [(ErrorClass::Status4xx, 20), (ErrorClass::Status5xx, 20), (ErrorClass::Reset, 4)];
        assert_eq!((mixed.ok, mixed.failed), (156, BTreeMap::from(classes)));
        let slow = told(include_str!("../../../fixtures/load/httperf.slow.txt")).ledger;
        assert_eq!(slow.failed, BTreeMap::from([(ErrorClass::Timeout, 100)]));
        assert_eq!(slow.open.unwrap().unsent, 100, "the second calls");
        let refused = told(include_str!("../../../fixtures/load/httperf.refused.txt")).ledger;
        assert_eq!(refused.failed, BTreeMap::from([(ErrorClass::ConnectRefused, 100)]));
    }

    #[test]
    fn other_output_is_refused() {
        let error = parse("httperf: command not understood", 1, TWO, WINDOW).err().unwrap();
        assert_eq!(error.to_string(), "cannot find 4xx= in what httperf printed");
    }

    #[test]
    fn sessions_fill_the_window() {
        assert_eq!(sessions(TWO, Duration::from_millis(1500)), 3);
    }
}
