//! wrk: its arguments and its output.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{ToolReport, ToolRun, seconds};
use crate::drivers::error::OutputError;
use crate::wire::{ErrorClass, Ledger, histogram};

/// Prints wrk's own counts and its whole histogram after its report.
pub(super) const SCRIPT: &str = include_str!("wrk.lua");

/// The first line of the script's output.
const MARK: &str = "lab-wrk-1\n";

pub(super) fn arguments(run: &ToolRun<'_>, connections: NonZeroU32) -> Vec<String> {
    let connections = connections.to_string();
    let (duration, timeout) = (format!("{}s", seconds(run.duration)), format!("{}s", run.timeout.as_secs().max(1)));
    let mut arguments = vec!["-t1", "-c", &connections, "-d", &duration, "--timeout", &timeout, "-s", run.file];
    arguments.push(run.url.as_str());
    arguments.into_iter().map(str::to_owned).collect()
}

/// Reads the script's output.
///
/// wrk (4.1, `stats_correct`) corrects its histogram for coordinated omission: for each time of at least twice the mean
/// interval between a connection's requests, it adds times that decrease by one interval each. lab corrects nothing, so
/// [`undo_correction`] removes them. That is exact, because the added times are smaller than the time they derive from.
pub(super) fn parse(text: &str, connections: NonZeroU32) -> Result<ToolReport, OutputError> {
    let missing = |what| OutputError { program: "wrk", what };
    let report = text.split_once(MARK).ok_or(missing("the script's report"))?.1;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut times: BTreeMap<u64, u64> = BTreeMap::new();
    for line in report.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["us", us, count] => {
                let (us, count) = us.parse().ok().zip(count.parse().ok()).ok_or(missing("a time"))?;
                times.insert(us, count);
            }
            [name, count] => _ = counts.insert(name, count.parse().map_err(|_| missing("a count"))?),
            _ => return Err(missing("a count")),
        }
    }
    let count = |name| counts.get(name).copied().ok_or(missing(name));
    let (duration_us, requests) = (count("duration_us")?, count("requests")?);
    if let Some(per_connection) = requests.checked_div(connections.get().into()).filter(|count| *count > 0) {
        undo_correction(&mut times, duration_us / per_connection);
    }
    let mut service_time_us = histogram::empty();
    for (us, count) in times {
        service_time_us.saturating_record_n(us, count);
    }
    let (status, timeout) = (count("status")?, count("timeout")?);
    let failed = [
        (ErrorClass::ConnectFailed, count("connect")?),
        (ErrorClass::Broken, count("read")? + count("write")?),
        (ErrorClass::StatusError, status),
        (ErrorClass::Timeout, timeout),
    ];
    let ok = requests.saturating_sub(status + timeout);
    let ledger = Ledger {
        ok,
        answered: ok,
        failed: failed.into_iter().filter(|(_, count)| *count > 0).collect(),
        // wrk's byte count includes heads.
        body_bytes: None,
        service_time_us,
        ..Ledger::empty(Duration::from_micros(duration_us))
    };
    Ok(ToolReport { ledger, connections_opened: None })
}

/// Removes the added times, from the largest time down.
fn undo_correction(times: &mut BTreeMap<u64, u64>, interval_us: u64) {
    let Some(bound) = interval_us.checked_mul(2).filter(|bound| *bound > 0) else { return };
    let mut next = times.last_key_value().map(|(us, _)| *us);
    while let Some(us) = next.filter(|us| *us >= bound) {
        let count = times[&us];
        let mut added = us - interval_us;
        while added > interval_us && count > 0 {
            if let Some(sum) = times.get_mut(&added) {
                *sum = sum.saturating_sub(count);
            }
            added -= interval_us;
        }
        next = times.range(..us).next_back().map(|(us, _)| *us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: NonZeroU32 = NonZeroU32::new(4).unwrap();

    #[test]
    fn run_with_all_errors() {
        let report = parse(include_str!("../../../../../fixtures/load/wrk.mixed.txt"), FOUR).unwrap();
        let ledger = report.ledger;
        assert_eq!(ledger.window, Duration::from_micros(2_099_538));
        assert_eq!(ledger.ok, 102_939 - 21_008);
        assert_eq!(ledger.failed, BTreeMap::from([(ErrorClass::Broken, 2101), (ErrorClass::StatusError, 21_008)]));
        assert_eq!(ledger.service_time_us.len(), 102_939, "one time for each response, none added");
        assert_eq!(ledger.body_bytes, None);
    }

    #[test]
    fn run_without_responses() {
        let report = parse(include_str!("../../../../../fixtures/load/wrk.slow.txt"), FOUR).unwrap();
        assert_eq!((report.ledger.ok, report.ledger.failures(), report.ledger.service_time_us.len()), (0, 0, 0));
    }

    #[test]
    fn correction_is_undone() {
        // 35 adds 25 and 15; 50 adds 40, 30 and 20.
        let mut times = BTreeMap::from([(5, 3), (15, 2), (20, 1), (25, 2), (30, 1), (35, 2), (40, 1), (50, 1)]);
        undo_correction(&mut times, 10);
        times.retain(|_, count| *count > 0);
        assert_eq!(times, BTreeMap::from([(5, 3), (35, 2), (50, 1)]));
    }

    #[test]
    fn unexpected_output_is_refused() {
        for (text, message) in [
            ("unable to connect", "cannot find the script's report in what wrk printed"),
            ("lab-wrk-1\nrequests x\n", "cannot find a count in what wrk printed"),
            ("lab-wrk-1\nrequests 1\n", "cannot find duration_us in what wrk printed"),
        ] {
            assert_eq!(parse(text, FOUR).err().unwrap().to_string(), message);
        }
    }
}
