//! h2load: its arguments and its output.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{ToolReport, ToolRun, number_after, number_before, seconds};
use crate::drivers::error::OutputError;
use crate::wire::{ErrorClass, Http, Ledger, histogram};

pub(super) fn arguments(run: &ToolRun<'_>, connections: NonZeroU32) -> Vec<String> {
    let version = match run.http {
        Http::OneZero | Http::OneOne => "--h1".to_owned(),
        // h2load prefers HTTP/2, by ALPN and in the clear; this option limits concurrent requests.
        Http::Two { streams } => format!("--max-concurrent-streams={streams}"),
    };
    vec![
        version,
        "--threads=1".to_owned(),
        format!("--clients={connections}"),
        format!("--duration={}", seconds(run.duration)),
        format!("--connection-inactivity-timeout={}", seconds(run.timeout)),
        format!("--log-file={}", run.file),
        run.url.to_string(),
    ]
}

/// Reads its report and its log, which has a line for each response: start, status, microseconds.
///
/// A client whose connection breaks sends no further request, and h2load 1.52 counts its last request only as started;
/// the ledger counts it as unfinished. h2load counts a status as soon as its head has arrived, so the classes come from
/// the log, which has complete responses only. The others were cut, or under way at the window's end.
pub(super) fn parse(text: &str, log: &str, is_http2: bool) -> Result<ToolReport, OutputError> {
    let missing = |what: &'static str| OutputError { program: "h2load", what: what.trim() };
    // Without HTTP/2 on the server, h2load falls back to HTTP/1.1.
    if is_http2 && text.contains("Application protocol: http/1.1") {
        return Err(missing("Application protocol: h2"));
    }
    let report = text.split_once("requests:").ok_or(missing("requests:"))?.1;
    let count = |label: &'static str| number_before::<u64>(report, label).ok_or(missing(label));
    let (errored, timeout) = (count(" errored")?, count(" timeout\n")?);
    let (mut status_4xx, mut status_5xx) = (0, 0);
    let (mut service_time_us, mut failed_time_us) = (histogram::empty(), histogram::empty());
    for line in log.lines() {
        let mut words = line.split('\t').skip(1);
        let status: Option<i32> = words.next().and_then(|status| status.parse().ok());
        let us = words.next().and_then(|us| us.parse().ok());
        let (status, us) = status.zip(us).ok_or(missing("a time in the log"))?;
        match status {
            400..500 => status_4xx += 1,
            500..600 => status_5xx += 1,
            _ => {}
        }
        let times = if (200..400).contains(&status) { &mut service_time_us } else { &mut failed_time_us };
        times.saturating_record(us);
    }
    let failed = [
        (ErrorClass::Status4xx, status_4xx),
        (ErrorClass::Status5xx, status_5xx),
        (ErrorClass::Broken, errored.saturating_sub(timeout)),
        (ErrorClass::Timeout, timeout),
    ];
    let ok = count(" succeeded")?;
    let heads = count(" 2xx")? + count(" 3xx")? + count(" 4xx")? + count(" 5xx")?;
    let complete = ok + status_4xx + status_5xx;
    let window: f64 = number_after(text, "finished in").ok_or(missing("finished in"))?;
    let ledger = Ledger {
        ok,
        answered: ok,
        failed: failed.into_iter().filter(|(_, count)| *count > 0).collect(),
        unfinished: count(" started")?.saturating_sub(count(" done")?),
        possibly_cut: heads.saturating_sub(complete),
        // h2load includes the bodies of errors.
        body_bytes: None,
        service_time_us,
        failed_time_us,
        ..Ledger::empty(Duration::from_secs_f64(window))
    };
    Ok(ToolReport { ledger, connections_opened: None })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn run_with_errors() {
        let log = include_str!("../../../../../fixtures/load/h2load.mixed.log");
        let ledger = parse(include_str!("../../../../../fixtures/load/h2load.mixed.txt"), log, false).unwrap().ledger;
        assert_eq!((ledger.ok, ledger.unfinished, ledger.window), (130, 4, Duration::from_secs(2)));
        assert_eq!(ledger.failed, BTreeMap::from([(ErrorClass::Status4xx, 17), (ErrorClass::Status5xx, 17)]));
        assert_eq!((ledger.service_time_us.len(), ledger.failed_time_us.len()), (130, 34));
    }

    #[test]
    fn cut_responses_are_not_good() {
        let text = include_str!("../../../../../fixtures/load/h2load.cut.txt");
        let ledger = parse(text, "", false).unwrap().ledger;
        assert_eq!((ledger.ok, ledger.unfinished, ledger.possibly_cut), (0, 2, 2));
    }

    #[test]
    fn refused_connections() {
        let ledger = parse(include_str!("../../../../../fixtures/load/h2load.refused.txt"), "", true).unwrap().ledger;
        assert_eq!((ledger.ok, ledger.failures()), (0, 0));
    }

    #[test]
    fn unexpected_output_is_refused() {
        let error = parse("h2load: unrecognized option", "", false).err().unwrap();
        assert_eq!(error.to_string(), "cannot find requests: in what h2load printed");
        let fallen_back = parse("Application protocol: http/1.1", "", true).err().unwrap();
        assert_eq!(fallen_back.to_string(), "cannot find Application protocol: h2 in what h2load printed");
    }
}
