//! wrk: what is asked of it, and what it prints.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{OutputError, Run, Told, seconds};
use crate::histogram;
use crate::ledger::{ErrorClass, Ledger};

/// Prints wrk's own counts and its whole histogram behind its report.
pub(super) const SCRIPT: &str = include_str!("wrk.lua");

/// The first line of what the script prints.
const MARK: &str = "lab-wrk-1\n";

pub(super) fn arguments(run: &Run<'_>, connections: NonZeroU32) -> Vec<String> {
    let connections = connections.to_string();
    let (duration, timeout) = (format!("{}s", seconds(run.lasts)), format!("{}s", run.timeout.as_secs().max(1)));
    let mut arguments = vec!["-t1", "-c", &connections, "-d", &duration, "--timeout", &timeout, "-s", run.file];
    arguments.push(run.url.as_str());
    arguments.into_iter().map(str::to_owned).collect()
}

/// Reads what the script printed.
///
/// wrk (4.1, `stats_correct`) adds to its histogram what it believes slow answers kept from being asked: for each time
/// of at least twice the mean interval between a connection's requests, times smaller by one interval each. lab
/// corrects nothing, so this is taken back, which is exact: the added times are smaller than the one they stem from.
pub(super) fn parse(text: &str, connections: NonZeroU32) -> Result<Told, OutputError> {
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
        take_back(&mut times, duration_us / per_connection);
    }
    let mut service_time_us = histogram::of_times_us();
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
        // Its bytes include heads.
        body_bytes: None,
        service_time_us,
        ..Ledger::empty(Duration::from_micros(duration_us))
    };
    Ok(Told { ledger, connections_opened: None })
}

/// Takes the added times back, from the largest down.
fn take_back(times: &mut BTreeMap<u64, u64>, interval_us: u64) {
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
    fn a_run_with_errors_of_every_kind() {
        let told = parse(include_str!("../../../../fixtures/load/wrk.mixed.txt"), FOUR).unwrap();
        let ledger = told.ledger;
        assert_eq!(ledger.window, Duration::from_micros(2_099_538));
        assert_eq!(ledger.ok, 102_939 - 21_008);
        assert_eq!(ledger.failed, BTreeMap::from([(ErrorClass::Broken, 2101), (ErrorClass::StatusError, 21_008)]));
        assert_eq!(ledger.service_time_us.len(), 102_939, "one time for each answer, none made up");
        assert_eq!(ledger.body_bytes, None);
    }

    #[test]
    fn a_run_without_an_answer() {
        let told = parse(include_str!("../../../../fixtures/load/wrk.slow.txt"), FOUR).unwrap();
        assert_eq!((told.ledger.ok, told.ledger.failures(), told.ledger.service_time_us.len()), (0, 0, 0));
    }

    #[test]
    fn what_was_added_is_taken_back() {
        // 35 adds 25 and 15; 50 adds 40, 30 and 20.
        let mut times = BTreeMap::from([(5, 3), (15, 2), (20, 1), (25, 2), (30, 1), (35, 2), (40, 1), (50, 1)]);
        take_back(&mut times, 10);
        times.retain(|_, count| *count > 0);
        assert_eq!(times, BTreeMap::from([(5, 3), (35, 2), (50, 1)]));
    }

    #[test]
    fn other_output_is_refused() {
        for (text, said) in [
            ("unable to connect", "cannot find the script's report in what wrk printed"),
            ("lab-wrk-1\nrequests x\n", "cannot find a count in what wrk printed"),
            ("lab-wrk-1\nrequests 1\n", "cannot find duration_us in what wrk printed"),
        ] {
            assert_eq!(parse(text, FOUR).err().unwrap().to_string(), said);
        }
    }
}
