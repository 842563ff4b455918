//! Every disturbance at the same time, and clients that lose nothing: reloads, retirements, slow clients, crashes, and
//! a full disk, around `lab serve` alone, behind `lab proxy` and behind nginx.
//!
//! `cargo xtask soak` runs it for ten minutes, an ordinary test run for a few seconds.

mod canary;
pub(crate) mod disturbance;
mod site;

use std::time::{Duration, Instant};

use canary::Canary;
use disturbance::Disturbance;
use site::Site;

/// How many seconds the soak lasts, from `cargo xtask soak`.
const SECONDS: &str = "LAB_SOAK_SECONDS";
/// In an ordinary test run, where other tests need the machine as well.
const SHORT: Duration = Duration::from_secs(12);

/// When the soak ends, and how fast its clients are.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    end: Instant,
    /// Between two requests of a canary.
    pause: Duration,
}

impl Schedule {
    fn from_environment() -> Schedule {
        let seconds = std::env::var(SECONDS).ok().map(|text| text.parse().expect("LAB_SOAK_SECONDS is a number"));
        match seconds {
            Some(seconds) => Schedule { end: Instant::now() + Duration::from_secs(seconds), pause: Duration::ZERO },
            None => Schedule { end: Instant::now() + SHORT, pause: Duration::from_millis(10) },
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }
}

#[test]
fn disturbances_lose_nothing() {
    let Some(site) = Site::start() else { return };
    let schedule = Schedule::from_environment();
    let (canaries, disturbances) = std::thread::scope(|scope| {
        let canaries = Canary::all(&site).into_iter().map(|canary| scope.spawn(move || canary.run(&schedule)));
        let canaries: Vec<_> = canaries.collect();
        let disturbances = Disturbance::all(&site).into_iter();
        let disturbances: Vec<_> = disturbances.map(|each| scope.spawn(move || each.run(&schedule))).collect();
        let canaries: Vec<Canary> = canaries.into_iter().map(|thread| thread.join().expect("a canary")).collect();
        let disturbances = disturbances.into_iter().map(|thread| thread.join().expect("a disturbance"));
        (canaries, disturbances.collect::<Vec<Disturbance>>())
    });
    for disturbance in &disturbances {
        eprintln!("soak: {:>9} x {}", disturbance.count, disturbance.name);
    }
    for canary in &canaries {
        eprintln!("soak: {:>9} responses, {} lost: {}", canary.responses, canary.lost.len(), canary.name);
    }
    let lost: Vec<String> = canaries.iter().flat_map(Canary::losses).collect();
    let failed: Vec<&String> = disturbances.iter().flat_map(|disturbance| &disturbance.failures).collect();
    assert!(lost.is_empty(), "{} requests were lost:\n{}", lost.len(), lost.join("\n"));
    assert!(failed.is_empty(), "{failed:#?}");
    for disturbance in disturbances {
        assert!(disturbance.count > 1, "too few of: {}", disturbance.name);
    }
    for canary in canaries {
        assert!(canary.responses > 20, "too few responses: {}", canary.name);
    }
}
