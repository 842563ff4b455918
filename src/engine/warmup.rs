//! Warms a stack up before it is measured: for a fixed time, or until the driver's seconds show a steady state.
//!
//! For the latter, the stack is driven repeatedly for the number of seconds that must be similar, until they are. The
//! measuring driver then only needs time to connect.

use std::time::Duration;

use super::backend::Backend;
use super::error::RoundError;
use crate::record::{RoundIssue, WarmupRecord, micros};
use crate::scenario::model::{Driver, Load, Rate, Warmup};
use lab_load::wire::SecondRow;
use lab_stats::warmup::{TAIL, WarmupSecond, is_steady};

/// How long the measuring driver warms up itself before its window: its connections are new.
const CONNECTING: Duration = Duration::from_secs(1);

/// The result of a warm-up.
pub(super) struct WarmupResult {
    /// The part of the warm-up that is left to the measuring driver.
    pub(super) remaining: Duration,
    /// The warm-up as a whole.
    pub(super) record: WarmupRecord,
}

pub(super) async fn warm_up<B: Backend>(
    running: &mut B::Running,
    load: &Load,
    warmup: Warmup,
    visit: &str,
    backend: &mut B,
) -> Result<WarmupResult, RoundError> {
    let max = match warmup {
        Warmup::Fixed(duration) => {
            let record = WarmupRecord { lasted_us: micros(duration), is_steady: None, seconds: Vec::new() };
            return Ok(WarmupResult { remaining: duration, record });
        }
        Warmup::Auto { max } => max,
    };
    let load = steady_part(load);
    let mut seconds: Vec<SecondRow> = Vec::new();
    let mut steady = false;
    while !steady && Duration::from_secs(seconds.len() as u64) + load.duration <= max {
        let driven = backend.drive(running, &load, Duration::ZERO, visit).await;
        let ledger = driven.map_err(RoundError::WarmUp)?.outcome.ledger;
        if ledger.seconds.len() < TAIL {
            return Err(RoundError::NoSeconds);
        }
        seconds.extend(ledger.seconds);
        steady = is_steady(&seconds.iter().map(second).collect::<Vec<_>>());
    }
    let lasted = Duration::from_secs(seconds.len() as u64) + CONNECTING;
    let record = WarmupRecord { lasted_us: micros(lasted), is_steady: Some(steady), seconds };
    Ok(WarmupResult { remaining: CONNECTING, record })
}

/// The load for the number of seconds that must be similar, at the first rate of a ramp: its rates differ on purpose.
fn steady_part(load: &Load) -> Load {
    let mut load = Load { duration: Duration::from_secs(TAIL as u64), ..load.clone() };
    if let Driver::Open(open) = &mut load.driver
        && let Rate::Ramp { rates, .. } = &open.rate
        && let Some(first) = rates.first()
    {
        open.rate = Rate::Constant(*first);
    }
    load
}

fn second(row: &SecondRow) -> WarmupSecond {
    WarmupSecond {
        ended: row.answered + row.failed,
        failed: row.failed,
        p50_us: row.times_us.as_ref().map_or(0, |times| times.p50),
    }
}

/// The issue of a round whose warm-up ended without a steady state.
pub(super) fn unsteady(record: &WarmupRecord) -> Option<RoundIssue> {
    let seconds = Duration::from_micros(record.lasted_us).as_secs();
    (record.is_steady == Some(false)).then(|| RoundIssue {
        kind: "no-steady-state".to_owned(),
        invalidates: false,
        message: format!("no steady state within {seconds} s: the last {TAIL} seconds varied or drifted"),
    })
}
