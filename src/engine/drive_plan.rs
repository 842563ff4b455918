//! From a load of the scenario to a plan for its driver. Pure.

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use crate::scenario::model::{
    Arrival, Arrivals, Driver, External, HeaderRule, Http, Load, OpenLoop, Placeholders, Rate, Source, Step, StepText,
    TextPiece, TextRule, TimerKind, Tls, Trust,
};
use lab_load::audit::Offer;
use lab_load::external::Program;
use lab_load::journey::{self, Extract, Pattern, Piece, Text};
use lab_load::plan::{self, Schedule, Stretch};
use lab_load::protocol::{self, DrivePlan, Mode, OpenPlan};

/// The plan of `load` against the stack at `entry`.
#[must_use]
pub fn drive_plan(load: &Load, warmup: Duration, entry: SocketAddr) -> DrivePlan {
    let mode = match &load.driver {
        Driver::Goose { users, steps } => {
            // Stacks are on loopback, where both ends of a connection have the same address.
            let address = entry.ip().to_string();
            let values = Placeholders { client: address.clone(), host: address, port: entry.port() };
            Mode::Goose { users: *users, steps: steps.iter().map(|step| self::step(step, &values)).collect() }
        }
        Driver::Closed { connections } => Mode::Closed { connections: *connections },
        Driver::Open(open) => Mode::Open(open_plan(open, warmup, load.duration)),
        Driver::External(external) => Mode::External { program: program(external, load.duration) },
    };
    let scheme = if load.tls.is_some() { "https" } else { "http" };
    DrivePlan {
        url: format!("{scheme}://{entry}{}", load.path),
        tls: load.tls.as_ref().map(tls),
        http: http(load.http),
        mode,
        warmup,
        window: load.duration,
        timeout: load.timeout,
    }
}

fn tls(tls: &Tls) -> protocol::Tls {
    let trust = match &tls.trust {
        Trust::Ca(file) => protocol::Trust::Ca(file.clone()),
        Trust::Insecure => protocol::Trust::Insecure,
    };
    protocol::Tls { trust, server_name: tls.server_name.clone() }
}

/// `load` as it is driven in a block: Poisson arrivals come at other instants in every block, so that no block's chance
/// is all blocks' rule, and at the same in all visits of a block, which are compared with each other.
#[must_use]
pub fn of_block(load: &Load, block: u32) -> Load {
    let mut load = load.clone();
    if let Driver::Open(OpenLoop { arrivals: Arrivals::Poisson { seed }, .. }) = &mut load.driver {
        // Streams of one key do not overlap.
        let mut random = ChaCha8Rng::seed_from_u64(*seed);
        random.set_stream(block.into());
        *seed = random.next_u64();
    }
    load
}

/// What the instants of a load are seeded with, if chance has a part in them.
#[must_use]
pub fn seed_of(load: &Load) -> Option<u64> {
    match &load.driver {
        Driver::Open(OpenLoop { arrivals: Arrivals::Poisson { seed }, .. }) => Some(*seed),
        _ => None,
    }
}

/// Whether the driver tells of every connection that it opens, those of the warm-up included; a program that is not
/// lab's own is run twice, and tells of the second time.
#[must_use]
pub fn counts_all_connections(load: &Load) -> bool {
    !matches!(load.driver, Driver::External(_))
}

/// The program that such a driver is, for a window of so long.
#[must_use]
pub fn program(external: &External, window: Duration) -> Program {
    match external {
        External::Httperf { rate, calls, is_poisson } => {
            Program::Httperf { rates: stretches(rate, window), calls: *calls, is_poisson: *is_poisson }
        }
        External::Wrk { connections } => Program::Wrk { connections: *connections },
        External::H2load { connections } => Program::H2load { connections: *connections },
    }
}

fn stretches(rate: &Rate, window: Duration) -> Vec<Stretch> {
    rate.stretches(window).into_iter().map(|(rate_per_s, lasts)| Stretch { rate_per_s, lasts }).collect()
}

fn http(version: Http) -> protocol::Http {
    match version {
        Http::OneZero => protocol::Http::OneZero,
        Http::OneOne => protocol::Http::OneOne,
        Http::Two { streams } => protocol::Http::Two { streams },
    }
}

/// What a load offers, for the audit of its rounds.
#[must_use]
pub fn offer(load: &Load) -> Offer {
    match &load.driver {
        Driver::Goose { users, .. } => Offer::Users { users: *users },
        Driver::Closed { connections }
        | Driver::External(External::Wrk { connections } | External::H2load { connections }) => {
            Offer::Users { users: connections.saturating_mul(http(load.http).streams()) }
        }
        Driver::Open(open) => Offer::Arrivals {
            is_constant: matches!(open.rate, Rate::Constant(_)),
            spins: open.timer == TimerKind::Spin,
        },
        // httperf looks at the clock all the time.
        Driver::External(External::Httperf { rate, .. }) => {
            Offer::Arrivals { is_constant: matches!(rate, Rate::Constant(_)), spins: true }
        }
    }
}

fn open_plan(open: &OpenLoop, warmup: Duration, window: Duration) -> OpenPlan {
    let mut stretches = stretches(&open.rate, window);
    // The warm-up has the first rate.
    if let Some(first) = stretches.first_mut() {
        first.lasts += warmup;
    }
    let arrivals = match open.arrivals {
        Arrivals::Uniform => plan::Arrivals::Uniform,
        Arrivals::Poisson { seed } => plan::Arrivals::Poisson { seed },
    };
    OpenPlan {
        schedule: Schedule { stretches, arrivals },
        arrival: match open.arrival {
            Arrival::Session { calls } => protocol::Arrival::Session { calls },
            Arrival::Pooled { connections } => protocol::Arrival::Pooled { connections },
        },
        most_open: open.max_open,
        timer: match open.timer {
            TimerKind::Timerfd => protocol::TimerKind::Timerfd,
            TimerKind::Spin => protocol::TimerKind::Spin,
        },
    }
}

fn step(step: &Step, values: &Placeholders) -> journey::Step {
    let source = |source: &Source| match source {
        Source::Header(name) => journey::Source::Header(name.clone()),
        Source::Cookie(name) => journey::Source::Cookie(name.clone()),
        Source::Json(pointer) => journey::Source::Json(pointer.clone()),
    };
    let expect = &step.expect;
    journey::Step {
        name: step.name.clone(),
        method: step.method.clone(),
        target: text(&step.target),
        headers: step.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        body: text(&step.body),
        times: step.weight,
        think: step.think,
        extract: step.extract.iter().map(|(name, from)| Extract { name: name.clone(), from: source(from) }).collect(),
        expect: journey::StepExpectation {
            status: expect.status,
            headers: expect.headers.iter().map(|(name, rule)| (name.clone(), header_rule(rule, values))).collect(),
            body: expect.body.as_ref().map(|rule| text_rule(rule, values)),
        },
    }
}

fn text(text: &StepText) -> Text {
    let piece = |piece: &TextPiece| match piece {
        TextPiece::Literal(text) => Piece::Literal(text.clone()),
        TextPiece::Value(name) => Piece::Value(name.clone()),
    };
    Text(text.0.iter().map(piece).collect())
}

fn header_rule(rule: &HeaderRule, values: &Placeholders) -> journey::HeaderRule {
    match rule {
        HeaderRule::Absent => journey::HeaderRule::Absent,
        HeaderRule::Present => journey::HeaderRule::Present,
        HeaderRule::Count(count) => journey::HeaderRule::Count(*count),
        HeaderRule::Lines(rules) => {
            journey::HeaderRule::Lines(rules.iter().map(|rule| text_rule(rule, values)).collect())
        }
    }
}

fn text_rule(rule: &TextRule, values: &Placeholders) -> journey::TextRule {
    match rule {
        TextRule::Equal(template) => journey::TextRule::Equal(template.fill(values)),
        TextRule::Contains(template) => journey::TextRule::Contains(template.fill(values)),
        TextRule::Matches(regex) => journey::TextRule::Matches(Pattern(regex.clone())),
        TextRule::Empty => journey::TextRule::Empty,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::scenario::model::OnErrors;

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
    fn blocks_differ_in_their_poisson_arrivals_and_repeat_them() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let poisson = load(OpenLoop {
            rate: Rate::Constant(number(1000)),
            arrivals: Arrivals::Poisson { seed: 2011 },
            arrival: Arrival::Pooled { connections: number(3) },
            max_open: number(9),
            timer: TimerKind::Timerfd,
        });
        let seeds: std::collections::BTreeSet<_> = (0..1000).map(|block| seed_of(&of_block(&poisson, block))).collect();
        assert_eq!(seeds.len(), 1000);
        assert_eq!(seed_of(&of_block(&poisson, 7)), seed_of(&of_block(&poisson, 7)));
        let instants = |block| {
            let Mode::Open(open) =
                drive_plan(&of_block(&poisson, block), Duration::ZERO, "127.0.0.1:80".parse().unwrap()).mode
            else {
                panic!("{poisson:?}")
            };
            open.schedule.instants().take(3).map(|at| at.as_micros()).collect::<Vec<_>>()
        };
        let on_every_machine = (vec![1841, 7167, 7397], vec![901, 1704, 2390]);
        assert_eq!((instants(0), instants(1)), on_every_machine);
    }

    #[test]
    fn the_warm_up_has_a_ramps_first_rate_and_the_plan_fills_its_time() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let hold = Duration::from_secs(2);
        let open = OpenLoop {
            rate: Rate::Ramp { rates: [10, 20, 30].map(number).to_vec(), hold },
            arrivals: Arrivals::Uniform,
            arrival: Arrival::Session { calls: number(3) },
            max_open: number(9),
            timer: TimerKind::Timerfd,
        };
        let plan = drive_plan(&load(open), Duration::from_secs(1), "127.0.0.1:80".parse().unwrap());
        assert_eq!(plan.url, "http://127.0.0.1:80/pong");
        let Mode::Open(open) = plan.mode else { panic!("{plan:?}") };
        assert_eq!(open.schedule.length(), plan.warmup + plan.window);
        let rates: Vec<_> =
            open.schedule.stretches.iter().map(|one| (one.rate_per_s.get(), one.lasts.as_secs())).collect();
        assert_eq!(rates, [(10, 3), (20, 2), (30, 2)]);
    }
}
