//! Resolves a load's driver: its keys and their values.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::Spanned;

use super::super::model::{Arrival, ArrivalProcess, Driver, External, OpenLoop, Rate, TimerKind};
use super::super::wire::{self, ArrivalsKind, DriverKind, DurationText, RateText};
use super::durations::{at_least, whole_seconds};
use super::ramp::{RampError, Stride};
use super::rounds::DEFAULT_SEED;
use super::step;
use super::values::whole;
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{Field, Integer, Word as _};
use crate::document::suggest;
use crate::document::table::Table as _;

/// Each user holds a connection, and one address has no more local ports.
const MOST_CONNECTIONS: u32 = 65_535;
/// Below the number of Linux's ephemeral ports.
const MOST_OPEN: u32 = 60_000;
/// Room for a stack that stalls for some seconds, and far below the limits of descriptors.
const DEFAULT_MAX_OPEN: NonZeroU32 = NonZeroU32::new(4096).unwrap(); // OK because it is not zero; checked when compiled
/// Beyond what any driver can keep up with.
const MOST_RATE: u32 = 1_000_000;
/// A longer session never ends within a window.
const MOST_CALLS: u32 = 1_000_000;
/// A shorter window has too few requests to measure.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);
/// The longest ramp.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys of a driver in addition to those of every load.
fn keys_of(driver: DriverKind) -> &'static [&'static str] {
    match driver {
        DriverKind::Goose => &["users", "step"],
        DriverKind::Wrk => &["connections"],
        DriverKind::Closed | DriverKind::H2load => &["connections", "http", "streams"],
        DriverKind::Open => {
            &["rate", "calls_per_connection", "connections", "arrivals", "seed", "max_open", "timer", "http", "streams"]
        }
        DriverKind::Httperf => &["rate", "calls_per_connection", "arrivals", "http"],
    }
}

/// The driver and the measured window.
pub(super) fn driver(wire: &wire::Load, problems: &mut Problems<'_>) -> Option<(Driver, Duration)> {
    let kind = wire.driver.good()?;
    let all_fit = keys_fit(wire, kind.get_ref().0, problems);
    let place = kind.span();
    let kind = kind.get_ref().0;
    let connections = |problems: &mut Problems<'_>| {
        let connections = needed(&wire.connections, "connections", kind, &place, problems)?;
        whole(connections, "`connections`", 1..=MOST_CONNECTIONS, problems).and_then(NonZeroU32::new)
    };
    let driver = match kind {
        DriverKind::Goose => {
            let users = needed(&wire.users, "users", kind, &place, problems)
                .and_then(|users| whole(users, "`users`", 1..=MOST_CONNECTIONS, problems))
                .and_then(NonZeroU32::new);
            let steps = wire.step.or(Vec::new(), |steps| step::steps(steps, &wire.path, problems));
            users.zip(steps).map(|(users, steps)| Driver::Goose { users, steps })
        }
        DriverKind::Closed => connections(problems).map(|connections| Driver::Closed { connections }),
        DriverKind::Wrk => connections(problems).map(|connections| Driver::External(External::Wrk { connections })),
        DriverKind::H2load => {
            connections(problems).map(|connections| Driver::External(External::H2load { connections }))
        }
        DriverKind::Open => open(wire, &place, problems).map(Driver::Open),
        DriverKind::Httperf => httperf(wire, &place, problems),
    };
    let ramp = driver.as_ref().and_then(Driver::rate).filter(|rate| matches!(rate, Rate::Ramp { .. })).cloned();
    let window = match (&wire.duration, ramp) {
        (Field::Absent, Some(rate)) => Some(rate.stages(Duration::ZERO).iter().map(|stage| stage.lasts).sum()),
        (Field::Good(time), Some(_)) => {
            let message = "a ramp has no `duration`: it lasts as long as its steps";
            problems.push(Diagnostic::at(time.span(), message).hint("leave it out"));
            None
        }
        // The rate is invalid and reported; it might have been a ramp, which needs no duration.
        (Field::Absent, None) if driver.is_none() && matches!(kind, DriverKind::Open | DriverKind::Httperf) => None,
        (duration, _) => {
            needed(duration, "duration", kind, &place, problems).and_then(|time| window(time, kind, problems))
        }
    };
    driver.zip(window).filter(|_| all_fit)
}

/// The measured window: whole seconds where the driver counts in them.
fn window(time: &Spanned<DurationText>, driver: DriverKind, problems: &mut Problems<'_>) -> Option<Duration> {
    match driver {
        DriverKind::Goose | DriverKind::Wrk | DriverKind::H2load => {
            whole_seconds(time, "`duration`", Duration::from_secs(1), problems)
        }
        DriverKind::Closed | DriverKind::Open | DriverKind::Httperf => at_least(time, "`duration`", SHORTEST, problems),
    }
}

fn open(wire: &wire::Load, place: &Span, problems: &mut Problems<'_>) -> Option<OpenLoop> {
    let rate = rate(wire, DriverKind::Open, place, problems);
    let arrival = match (&wire.calls_per_connection, &wire.connections) {
        (Field::Good(calls), Field::Good(connections)) => {
            let message = "`calls_per_connection` and `connections` exclude each other";
            let hint = "an arrival is a session of calls, or a request over a pool of connections";
            problems.push(Diagnostic::at(calls.span(), message).related(connections.span(), "the pool").hint(hint));
            None
        }
        (Field::Absent, Field::Good(connections)) => {
            let connections = whole(connections, "`connections`", 1..=MOST_CONNECTIONS, problems);
            connections.and_then(NonZeroU32::new).map(|connections| Arrival::Pooled { connections })
        }
        (_, Field::Bad) => None,
        (calls, _) => self::calls(calls, problems).map(|calls| Arrival::Session { calls }),
    };
    let arrivals = wire.arrivals.value().map_or(ArrivalsKind::Uniform, |word| word.0);
    let seed = wire.seed.or(DEFAULT_SEED, |seed| whole(seed, "`seed`", 0..=u64::MAX, problems));
    let arrivals = match (arrivals, &wire.seed) {
        (ArrivalsKind::Poisson, _) => seed.map(|seed| ArrivalProcess::Poisson { seed }),
        (ArrivalsKind::Uniform, Field::Good(seed)) => {
            let hint = "write `arrivals = \"poisson\"`, or leave `seed` out";
            problems.push(Diagnostic::at(seed.span(), "evenly spaced arrivals have no `seed`").hint(hint));
            None
        }
        (ArrivalsKind::Uniform, _) => seed.map(|_| ArrivalProcess::Uniform),
    };
    let max_open = wire
        .max_open
        .or(DEFAULT_MAX_OPEN, |most| whole(most, "`max_open`", 1..=MOST_OPEN, problems).and_then(NonZeroU32::new));
    let timer = wire.timer.value().map_or(TimerKind::Timerfd, |word| word.0);
    let is_good = !matches!(wire.arrivals, Field::Bad) && !matches!(wire.timer, Field::Bad);
    let open = OpenLoop { rate: rate?, arrivals: arrivals?, arrival: arrival?, max_open: max_open?, timer };
    is_good.then_some(open)
}

fn httperf(wire: &wire::Load, place: &Span, problems: &mut Problems<'_>) -> Option<Driver> {
    let rate = rate(wire, DriverKind::Httperf, place, problems);
    let calls = calls(&wire.calls_per_connection, problems);
    let arrivals = wire.arrivals.or(ArrivalsKind::Uniform, |word| Some(word.get_ref().0));
    let is_poisson = matches!(arrivals?, ArrivalsKind::Poisson);
    Some(Driver::External(External::Httperf { rate: rate?, calls: calls?, is_poisson }))
}

fn rate(wire: &wire::Load, driver: DriverKind, place: &Span, problems: &mut Problems<'_>) -> Option<Rate> {
    let rate = needed(&wire.rate, "rate", driver, place, problems)?;
    match rate.get_ref() {
        RateText::Constant(number) => {
            per_second(&Spanned::new(rate.span(), *number), "`rate`", problems).map(Rate::Constant)
        }
        RateText::Ramp(ramp) => self::ramp(ramp, rate.span(), problems),
    }
}

fn calls(field: &Field<Integer>, problems: &mut Problems<'_>) -> Option<NonZeroU32> {
    field.or(NonZeroU32::MIN, |calls| {
        whole(calls, "`calls_per_connection`", 1..=MOST_CALLS, problems).and_then(NonZeroU32::new)
    })
}

fn per_second(number: &Spanned<Integer>, what: &str, problems: &mut Problems<'_>) -> Option<NonZeroU32> {
    whole(number, what, 1..=MOST_RATE, problems).and_then(NonZeroU32::new)
}

fn ramp(wire: &wire::Ramp, place: Span, problems: &mut Problems<'_>) -> Option<Rate> {
    let mut number = |field: &Field<Integer>, what| field.good().and_then(|number| per_second(number, what, problems));
    let (from, to) = (number(&wire.from, "`from`"), number(&wire.to, "`to`"));
    let (step, factor) = (number(&wire.step, "`step`"), number(&wire.factor, "`factor`"));
    let hold = wire.hold.good().and_then(|time| at_least(time, "`hold`", SHORTEST, problems));
    if wire.has_unknown_keys() {
        return None;
    }
    let stride = match (step, factor) {
        (Some(step), None) if wire.factor.is_absent() => Stride::Step(step),
        (None, Some(factor)) if wire.step.is_absent() => Stride::Factor(factor),
        (Some(_), Some(_)) => {
            let message = "the ramp has both `step` and `factor`";
            problems.push(Diagnostic::at(place, message).hint("keep one of the two"));
            return None;
        }
        (None, None) if wire.step.is_absent() && wire.factor.is_absent() => {
            let hint = "add `step`, the difference from one rate to the next, or `factor`";
            problems.push(Diagnostic::at(place, "the ramp has neither `step` nor `factor`").hint(hint));
            return None;
        }
        _ => return None,
    };
    let (from, to, hold) = (from?, to?, hold?);
    let (problem, hint) = match stride.rates(from, to) {
        Err(RampError::Constant) => {
            ("the ramp is constant".to_owned(), format!("write `rate = {from}` for a constant rate"))
        }
        Err(RampError::MissesEnd(last)) => {
            (format!("{stride} do not lead from {from} to {to}"), format!("they lead to {last}"))
        }
        Ok(rates) if hold.saturating_mul(u32::try_from(rates.len()).unwrap_or(u32::MAX)) > LONGEST => {
            (format!("the ramp's {} steps last longer than a day", rates.len()), "take larger steps".to_owned())
        }
        Ok(rates) => return Some(Rate::Ramp { rates, hold }),
    };
    problems.push(Diagnostic::at(place, problem).hint(hint));
    None
}

/// The value of a required key.
fn needed<'f, T>(
    field: &'f Field<T>,
    key: &str,
    driver: DriverKind,
    place: &Span,
    problems: &mut Problems<'_>,
) -> Option<&'f Spanned<T>> {
    if field.is_absent() {
        problems.push(Diagnostic::at(place.clone(), format!("driver `{}` needs the key `{key}`", name(driver))));
    }
    field.good()
}

/// Reports every key that belongs to other drivers.
fn keys_fit(wire: &wire::Load, driver: DriverKind, problems: &mut Problems<'_>) -> bool {
    let given = [
        ("users", wire.users.good().map(Spanned::span)),
        ("connections", wire.connections.good().map(Spanned::span)),
        ("rate", wire.rate.good().map(Spanned::span)),
        ("calls_per_connection", wire.calls_per_connection.good().map(Spanned::span)),
        ("arrivals", wire.arrivals.good().map(Spanned::span)),
        ("seed", wire.seed.good().map(Spanned::span)),
        ("max_open", wire.max_open.good().map(Spanned::span)),
        ("timer", wire.timer.good().map(Spanned::span)),
        ("http", wire.http.good().map(Spanned::span)),
        ("streams", wire.streams.good().map(Spanned::span)),
        ("step", wire.step.good().map(Spanned::span)),
    ];
    let fitting = keys_of(driver);
    let mut all_fit = true;
    for (key, place) in given.into_iter().filter_map(|(key, place)| Some((key, place?))) {
        if fitting.contains(&key) {
            continue;
        }
        all_fit = false;
        let others = DriverKind::ALL.iter().filter(|(_, other)| keys_of(*other).contains(&key));
        let others: Vec<_> = others.map(|(name, _)| *name).collect();
        let message = format!("`{key}` is not supported by driver `{}`", name(driver));
        let hint = format!(
            "driver `{}` takes {}; `{key}` goes with {}",
            name(driver),
            suggest::quoted(fitting),
            suggest::quoted(&others)
        );
        problems.push(Diagnostic::at(place, message).hint(hint));
    }
    all_fit
}

pub(super) fn name(driver: DriverKind) -> &'static str {
    DriverKind::ALL.iter().find(|(_, kind)| *kind == driver).map_or("", |(name, _)| name)
}
