//! Divides a plan among several drivers, which together send the load that one would send.

use std::num::NonZeroU32;

use super::plan::{Arrival, DrivePlan, Mode, OpenPlan};
use super::share::Share;

/// Why a load cannot be shared by that number of drivers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DivisionError {
    /// The program decides by itself when its window opens.
    #[error(
        "driver `{driver}` cannot be one of several, because it opens its window by itself; `open` and `closed` can"
    )]
    OwnWindow { driver: &'static str },
    #[error("{drivers} drivers cannot share {number} {things}")]
    TooFew {
        drivers: NonZeroU32,
        number: NonZeroU32,
        /// In the plural.
        things: &'static str,
    },
    #[error("the load is shared already")]
    SharedAlready,
}

impl DrivePlan {
    /// The plan of each of `drivers` drivers. Together they have the arrivals, connections and limits of this plan, and
    /// they start at one instant. A single driver gets the plan as it is.
    ///
    /// # Errors
    /// The driver cannot be one of several, or there are fewer connections than drivers.
    pub fn divided(&self, drivers: NonZeroU32) -> Result<Vec<DrivePlan>, DivisionError> {
        if drivers == NonZeroU32::MIN {
            return Ok(vec![self.clone()]);
        }
        Share::all(drivers).map(|share| self.share(share)).collect()
    }

    fn share(&self, share: Share) -> Result<DrivePlan, DivisionError> {
        let mode = match &self.mode {
            Mode::Open(open) => Mode::Open(open.share(share)?),
            Mode::Closed { connections } => Mode::Closed { connections: part(share, *connections, "connections")? },
            other @ (Mode::Goose { .. } | Mode::External { .. }) => {
                return Err(DivisionError::OwnWindow { driver: other.driver() });
            }
        };
        Ok(DrivePlan { mode, awaits_start: true, ..self.clone() })
    }
}

impl OpenPlan {
    fn share(&self, share: Share) -> Result<OpenPlan, DivisionError> {
        let mut open = self.clone();
        if !open.schedule.share.is_whole() {
            return Err(DivisionError::SharedAlready);
        }
        open.schedule.share = share;
        open.max_open = part(share, open.max_open, "open arrivals")?;
        if let Arrival::Pooled { connections } = &mut open.arrival {
            *connections = part(share, *connections, "connections")?;
        }
        Ok(open)
    }
}

/// A share's part of a number of things, at least one of them.
fn part(share: Share, whole: NonZeroU32, things: &'static str) -> Result<NonZeroU32, DivisionError> {
    let too_few = DivisionError::TooFew { drivers: share.of(), number: whole, things };
    NonZeroU32::new(share.part(whole.get())).ok_or(too_few)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::{ArrivalProcess, Http, Program, Schedule, Stage, TimerKind};

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    fn plan(mode: Mode) -> DrivePlan {
        DrivePlan {
            url: "http://127.0.0.1:8000/".to_owned(),
            tls: None,
            http: Http::OneOne,
            mode,
            warmup: Duration::ZERO,
            window: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            awaits_start: false,
        }
    }

    fn open(arrival: Arrival) -> DrivePlan {
        let stage = Stage { rate_per_s: number(100), lasts: Duration::from_secs(1) };
        plan(Mode::Open(OpenPlan {
            schedule: Schedule { stages: vec![stage], arrivals: ArrivalProcess::Uniform, share: Share::WHOLE },
            arrival,
            max_open: number(9),
            timer: TimerKind::Timerfd,
        }))
    }

    #[test]
    fn connections_and_limits_are_divided() {
        let divided = open(Arrival::Pooled { connections: number(5) }).divided(number(2)).unwrap();
        let rows: Vec<_> = divided
            .iter()
            .map(|plan| {
                let Mode::Open(OpenPlan { schedule, arrival: Arrival::Pooled { connections }, max_open, .. }) =
                    &plan.mode
                else {
                    panic!("{plan:?}")
                };
                (schedule.share.index(), connections.get(), max_open.get(), plan.awaits_start)
            })
            .collect();
        assert_eq!(rows, [(0, 3, 5, true), (1, 2, 4, true)]);
        let closed = plan(Mode::Closed { connections: number(3) }).divided(number(2)).unwrap();
        assert_eq!(closed[1].mode, Mode::Closed { connections: number(1) });
    }

    #[test]
    fn single_driver_gets_the_plan_unchanged() {
        let goose = plan(Mode::Goose { users: number(3), steps: Vec::new() });
        assert_eq!(goose.divided(number(1)).unwrap(), [goose]);
    }

    #[test]
    fn indivisible_loads_are_refused() {
        let refused = |plan: &DrivePlan, drivers| plan.divided(number(drivers)).unwrap_err().to_string();
        let own_window = |driver| {
            format!(
                "driver `{driver}` cannot be one of several, because it opens its window by itself; `open` and `closed` can"
            )
        };
        assert_eq!(refused(&plan(Mode::Goose { users: number(3), steps: Vec::new() }), 2), own_window("goose"));
        let program = Program::Wrk { connections: number(3) };
        assert_eq!(refused(&plan(Mode::External { program }), 2), own_window("wrk"));
        let pooled = open(Arrival::Pooled { connections: number(3) });
        assert_eq!(refused(&pooled, 4), "4 drivers cannot share 3 connections");
        assert_eq!(
            refused(&open(Arrival::Session { calls: number(1) }), 10),
            "10 drivers cannot share 9 open arrivals"
        );
        assert_eq!(refused(&pooled.divided(number(2)).unwrap()[0], 2), "the load is shared already");
    }
}
