//! Warms a stack up before it is measured: for a given time, or until the evidence says that it is steady.
//!
//! The evidence comes from the load's own driver, which keeps a row per second: the stack is driven for as many seconds
//! as must be alike, again and again, until they are. Then it is measured, after a moment for the driver to connect.

use std::time::Duration;

use super::backend::Backend;
use crate::record::{Objection, WarmupRecord};
use crate::scenario::model::{Driver, Load, Rate, Warmup};
use lab_load::wire::SecondRow;
use lab_stats::warmup::{TAIL, WarmupSecond, is_steady};

/// How long a driver that finds a stack warm still drives it before it measures: its connections are new.
const CONNECTING: Duration = Duration::from_secs(1);

/// What remains of the warm-up for the driver that measures, and what was found out before.
pub(super) struct Warmed {
    /// For the driver that measures.
    pub(super) remaining: Duration,
    /// What is known of the warm-up as a whole.
    pub(super) record: WarmupRecord,
}

/// Warms a stack up.
pub(super) async fn warm_up<B: Backend>(
    running: &mut B::Running,
    load: &Load,
    warmup: Warmup,
    visit: &str,
    backend: &mut B,
) -> Result<Warmed, String> {
    let most = match warmup {
        Warmup::Fixed(lasting) => {
            let record = WarmupRecord { lasted_us: micros(lasting), is_steady: None, seconds: Vec::new() };
            return Ok(Warmed { remaining: lasting, record });
        }
        Warmup::Auto { most } => most,
    };
    let load = steady_part(load);
    let mut seconds: Vec<SecondRow> = Vec::new();
    let mut steady = false;
    while !steady && Duration::from_secs(seconds.len() as u64) + load.duration <= most {
        let driven = backend.drive(running, &load, Duration::ZERO, visit).await;
        let ledger = driven.map_err(|error| format!("while it was warmed up: {error}"))?.outcome.ledger;
        if ledger.seconds.len() < TAIL {
            return Err("while it was warmed up, the driver kept no seconds".to_owned());
        }
        seconds.extend(ledger.seconds);
        steady = is_steady(&seconds.iter().map(second).collect::<Vec<_>>());
    }
    let lasted = Duration::from_secs(seconds.len() as u64) + CONNECTING;
    let record = WarmupRecord { lasted_us: micros(lasted), is_steady: Some(steady), seconds };
    Ok(Warmed { remaining: CONNECTING, record })
}

/// The load for as many seconds as must be alike; of a ramp its first rate, for the others are not meant to be.
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

/// What an unsteady warm-up says against its round.
pub(super) fn objection(record: &WarmupRecord) -> Option<Objection> {
    let unsteady = record.is_steady == Some(false);
    let seconds = Duration::from_micros(record.lasted_us).as_secs();
    unsteady.then(|| Objection {
        kind: "no-steady-state".to_owned(),
        invalidates: false,
        said: format!("no steady state within {seconds} s: the last {TAIL} seconds scattered or drifted"),
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
