//! The driver's process: reads a plan, lets goose's users loose, reports events.
//!
//! The warm-up begins when all users run, so a slow start shortens no warm-up; the window is set by instants then.
//! When it has closed, the process reports and ends; requests still under way end with it and are counted as
//! unfinished.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::goose::prelude::GooseError;
use reqwest::Url;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;

use super::goose::ClosedLoop;
use super::protocol::{DriveOutcome, DrivePlan, Event, ProtocolError};
use super::recorder::Window;

/// How long all users may take to start.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Why a drive came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The plan cannot be read, or an event not be written.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The plan cannot be carried out.
    #[error("cannot drive `{url}`: expected http://HOST[:PORT]/PATH")]
    Url {
        /// The plan's URL.
        url: String,
    },
    /// Standard input or output failed: lab has gone.
    #[error("cannot talk to lab")]
    Io(#[from] io::Error),
    /// The HTTP client could not be built.
    #[error("cannot build the HTTP client")]
    Client(#[from] reqwest::Error),
    /// goose failed.
    #[error("goose cannot run")]
    Goose(#[from] Box<GooseError>),
    /// goose ended before the window did.
    #[error("goose ended before the measured window")]
    EndedEarly,
    /// Not every user started.
    #[error("{started} of {users} users had started after {} s", START_DEADLINE.as_secs())]
    SlowStart {
        /// Users that had started.
        started: usize,
        /// Users of the plan.
        users: usize,
    },
}

/// Carries out the plan on `input` and writes its events to `output`: the whole life of a driver process.
///
/// One process is one thread. goose would run on several, but then the clients' pools hand connections from thread
/// to thread and open ones that nobody asked for, which the stack pays for: see [`super::exchange::ConnectWatch`].
///
/// # Errors
/// See [`DriveError`]; no outcome has been written then.
pub fn run_child(mut input: impl Read, mut output: impl Write) -> Result<(), DriveError> {
    let mut document = String::new();
    input.read_to_string(&mut document)?;
    let plan = DrivePlan::from_json(&document)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(drive(&plan, &mut output))?;
    report(&mut output, &Event::Outcome(Box::new(outcome)))
}

async fn drive(plan: &DrivePlan, output: &mut impl Write) -> Result<DriveOutcome, DriveError> {
    let users = plan.users.get() as usize;
    let closed_loop = Arc::new(ClosedLoop::new(parse_url(&plan.url)?, users, plan.timeout)?);
    // goose's own end is only a backstop: dropping the attack ends it.
    let attack = closed_loop.clone().attack(START_DEADLINE + plan.warmup + plan.window + START_DEADLINE);
    tokio::select! {
        ended = attack => Err(ended.map_or_else(DriveError::Goose, |()| DriveError::EndedEarly)),
        outcome = measure(plan, &closed_loop, output) => outcome,
    }
}

async fn measure(
    plan: &DrivePlan,
    closed_loop: &ClosedLoop,
    output: &mut impl Write,
) -> Result<DriveOutcome, DriveError> {
    if tokio::time::timeout(START_DEADLINE, closed_loop.all_started()).await.is_err() {
        return Err(DriveError::SlowStart { started: closed_loop.started(), users: plan.users.get() as usize });
    }
    let opens = Instant::now() + plan.warmup;
    let window = Window { opens, closes: opens + plan.window };
    closed_loop.recorder.set_window(window);
    report(output, &Event::Ready)?;

    tokio::time::sleep_until(window.opens.into()).await;
    let cpu_before = cpu_time();
    report(output, &Event::WindowOpened)?;

    tokio::time::sleep_until(window.closes.into()).await;
    let driver_cpu = cpu_time().saturating_sub(cpu_before);
    let connections_opened = closed_loop.connections_opened();
    report(output, &Event::WindowClosed)?;

    // OK because the window was set above
    let (ledger, unclassified) = closed_loop.recorder.ledger().expect("a window");
    Ok(DriveOutcome { ledger, connections_opened, driver_cpu, unclassified })
}

fn parse_url(text: &str) -> Result<Url, DriveError> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.host().is_some());
    url.ok_or_else(|| DriveError::Url { url: text.to_owned() })
}

/// CPU time of all threads of this process, ended ones included.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn report(output: &mut impl Write, event: &Event) -> Result<(), DriveError> {
    let mut line = event.to_line()?;
    line.push('\n');
    output.write_all(line.as_bytes())?;
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(plan: &str) -> String {
        let mut output = Vec::new();
        let error = run_child(plan.as_bytes(), &mut output).unwrap_err();
        assert_eq!(output, b"", "nothing but events is written");
        error.to_string()
    }

    #[test]
    fn plans_that_cannot_be_carried_out() {
        assert!(refused("{}").starts_with("cannot read the plan"));
        for url in ["https://127.0.0.1/", "pong", "unix:/tmp/socket"] {
            let plan = format!(r#"{{"url":"{url}","users":1,"warmup_us":0,"window_us":1,"timeout_us":1}}"#);
            assert_eq!(refused(&plan), format!("cannot drive `{url}`: expected http://HOST[:PORT]/PATH"));
        }
    }
}
