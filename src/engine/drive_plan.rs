//! From a load of the scenario to a plan for its driver. Pure.

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use crate::scenario::model::{ArrivalProcess, Driver, External, Load, OpenLoop, Placeholders, Rate, TimerKind};
use lab_load::accounting::audit::OfferedLoad;
use lab_load::wire::{DrivePlan, Mode, OpenPlan, Program, Schedule, Share};

/// The plan of `load` against the stack at `entry`.
#[must_use]
pub fn drive_plan(load: &Load, warmup: Duration, entry: SocketAddr) -> DrivePlan {
    let mode = match &load.driver {
        Driver::Goose { users, steps } => {
            // Stacks are on loopback, where both ends of a connection have the same address.
            let address = entry.ip().to_string();
            let values = Placeholders::new(address.clone(), address, entry.port());
            Mode::Goose {
                users: *users,
                steps: steps.iter().map(|step| step.map_rules(|template| template.fill(&values))).collect(),
            }
        }
        Driver::Closed { connections } => Mode::Closed { connections: *connections },
        Driver::Open(open) => Mode::Open(open_plan(open, warmup, load.duration)),
        Driver::External(external) => Mode::External { program: program(external, load.duration) },
    };
    let scheme = if load.tls.is_some() { "https" } else { "http" };
    DrivePlan {
        url: format!("{scheme}://{entry}{}", load.path),
        tls: load.tls.clone(),
        http: load.http,
        mode,
        warmup,
        window: load.duration,
        timeout: load.timeout,
        awaits_start: false,
    }
}

/// `load` as it is driven in a block. Poisson arrivals differ between blocks, so no result depends on one sequence. Within
/// a block they are the same, because its visits are compared with each other.
#[must_use]
pub fn for_block(load: &Load, block: u32) -> Load {
    let mut load = load.clone();
    if let Driver::Open(OpenLoop { arrivals: ArrivalProcess::Poisson { seed }, .. }) = &mut load.driver {
        // Streams of one key do not overlap.
        let mut random = ChaCha8Rng::seed_from_u64(*seed);
        random.set_stream(block.into());
        *seed = random.next_u64();
    }
    load
}

/// The seed of a load's random arrivals.
#[must_use]
pub fn arrival_seed(load: &Load) -> Option<u64> {
    match &load.driver {
        Driver::Open(OpenLoop { arrivals: ArrivalProcess::Poisson { seed }, .. }) => Some(*seed),
        _ => None,
    }
}

/// Whether the driver reports every connection that it opens, those of the warm-up included. An external program runs
/// twice, and its report covers the second run only.
#[must_use]
pub fn counts_all_connections(load: &Load) -> bool {
    !matches!(load.driver, Driver::External(_))
}

/// The program of an external driver.
#[must_use]
pub fn program(external: &External, window: Duration) -> Program {
    match external {
        External::Httperf { rate, calls, is_poisson } => {
            Program::Httperf { rates: rate.stages(window), calls: *calls, is_poisson: *is_poisson }
        }
        External::Wrk { connections } => Program::Wrk { connections: *connections },
        External::H2load { connections } => Program::H2load { connections: *connections },
    }
}

/// For the audit of the rounds.
#[must_use]
pub fn offered_load(load: &Load) -> OfferedLoad {
    match &load.driver {
        Driver::Goose { users, .. } => OfferedLoad::Users { users: *users },
        Driver::Closed { connections }
        | Driver::External(External::Wrk { connections } | External::H2load { connections }) => {
            OfferedLoad::Users { users: connections.saturating_mul(load.http.streams()) }
        }
        Driver::Open(open) => OfferedLoad::Arrivals {
            is_constant: matches!(open.rate, Rate::Constant(_)),
            spins: open.timer == TimerKind::Spin,
        },
        // httperf polls the clock.
        Driver::External(External::Httperf { rate, .. }) => {
            OfferedLoad::Arrivals { is_constant: matches!(rate, Rate::Constant(_)), spins: true }
        }
    }
}

fn open_plan(open: &OpenLoop, warmup: Duration, window: Duration) -> OpenPlan {
    let mut stages = open.rate.stages(window);
    // The warm-up has the first rate.
    if let Some(first) = stages.first_mut() {
        first.lasts += warmup;
    }
    OpenPlan {
        schedule: Schedule { stages, arrivals: open.arrivals, share: Share::WHOLE },
        arrival: open.arrival,
        max_open: open.max_open,
        timer: open.timer,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::scenario::model::{Arrival, Http, OnErrors};

    fn load(open: OpenLoop) -> Load {
        Load {
            name: "arrivals".to_owned(),
            driver: Driver::Open(open),
            path: "/pong".to_owned(),
            tls: None,
            http: Http::OneOne,
            duration: Duration::from_secs(6),
            timeout: Duration::from_secs(2),
            errors: OnErrors::Fail,
            validates: None,
            stacks: None,
            blocks: None,
        }
    }

    #[test]
    fn poisson_arrivals_are_fixed_per_block() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let poisson = load(OpenLoop {
            rate: Rate::Constant(number(1000)),
            arrivals: ArrivalProcess::Poisson { seed: 2011 },
            arrival: Arrival::Pooled { connections: number(3) },
            max_open: number(9),
            timer: TimerKind::Timerfd,
        });
        let seeds: std::collections::BTreeSet<_> =
            (0..1000).map(|block| arrival_seed(&for_block(&poisson, block))).collect();
        assert_eq!(seeds.len(), 1000);
        assert_eq!(arrival_seed(&for_block(&poisson, 7)), arrival_seed(&for_block(&poisson, 7)));
        let instants = |block| {
            let Mode::Open(open) =
                drive_plan(&for_block(&poisson, block), Duration::ZERO, "127.0.0.1:80".parse().unwrap()).mode
            else {
                panic!("{poisson:?}")
            };
            open.schedule.instants().take(3).map(|at| at.as_micros()).collect::<Vec<_>>()
        };
        let on_every_machine = (vec![1841, 7167, 7397], vec![901, 1704, 2390]);
        assert_eq!((instants(0), instants(1)), on_every_machine);
    }

    #[test]
    fn warm_up_uses_first_rate_of_ramp() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let hold = Duration::from_secs(2);
        let open = OpenLoop {
            rate: Rate::Ramp { rates: [10, 20, 30].map(number).to_vec(), hold },
            arrivals: ArrivalProcess::Uniform,
            arrival: Arrival::Session { calls: number(3) },
            max_open: number(9),
            timer: TimerKind::Timerfd,
        };
        let plan = drive_plan(&load(open), Duration::from_secs(1), "127.0.0.1:80".parse().unwrap());
        assert_eq!(plan.url, "http://127.0.0.1:80/pong");
        let Mode::Open(open) = plan.mode else { panic!("{plan:?}") };
        assert_eq!(open.schedule.length(), plan.warmup + plan.window);
        let rates: Vec<_> =
            open.schedule.stages.iter().map(|one| (one.rate_per_s.get(), one.lasts.as_secs())).collect();
        assert_eq!(rates, [(10, 3), (20, 2), (30, 2)]);
    }
}
