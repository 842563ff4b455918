//! The driver's process: reads a plan, drives as it says, reports events.
//!
//! The warm-up begins when all users run, so a slow start shortens no warm-up; the window is set by instants then.
//! When it has closed, a closed loop reports and ends; requests still under way end with it and are counted as
//! unfinished. An open loop waits for what was scheduled within the window, which its timeout bounds.

use std::io::{self, Read, Write};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::goose::prelude::GooseError;
use lab_net::tls::read_certificates;
use reqwest::{Certificate, ClientBuilder, Url};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;

use crate::cpu_time::CpuTime;
use crate::external::{self, OutputError};
use crate::goose::ClosedLoop;
use crate::journey::Step;
use crate::protocol::{DriveOutcome, DrivePlan, Ends, Event, Http, Mode, ProtocolError, Trust};
use crate::recorder::Window;
use crate::threads::{self, Work};
use crate::tls::TlsError;

/// How long all users may take to start.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Why a drive came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The plan cannot be read, or an event not be written.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The plan cannot be carried out.
    #[error("cannot drive `{url}`: expected http://HOST[:PORT]/PATH, or https:// in a plan that says whom to trust")]
    Url {
        /// The plan's URL.
        url: String,
    },
    /// The driver does not speak what the plan asks for.
    #[error("driver `{driver}` does not {what}")]
    CannotSpeak {
        /// The driver.
        driver: &'static str,
        /// What it does not do, in words.
        what: &'static str,
    },
    /// TLS cannot be spoken as planned.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An open loop's schedule is not as long as its warm-up and window.
    #[error("the schedule lasts {} ms, but warm-up and window {} ms", .schedule.as_millis(), .plan.as_millis())]
    Schedule {
        /// What the schedule lasts.
        schedule: Duration,
        /// What warm-up and window last.
        plan: Duration,
    },
    /// The program that the plan asks for is not installed.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The program that the plan asks for failed.
    #[error("{program} failed: {said}")]
    ProgramFailed {
        /// The program.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// The program printed something else than it does.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Standard input or output failed, for lab has gone; or the system has no thread or timer left.
    #[error("cannot talk to lab, or to the system")]
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
/// # Errors
/// See [`DriveError`]; no outcome has been written then.
pub fn run_child(mut input: impl Read, mut output: impl Write) -> Result<(), DriveError> {
    let mut document = String::new();
    input.read_to_string(&mut document)?;
    let plan = DrivePlan::from_json(&document)?;
    let url = parse_url(&plan)?;
    raise_descriptor_limit();
    let outcome = match &plan.mode {
        Mode::Goose { users, steps } => drive_goose(&plan, &url, *users, steps, &mut output),
        Mode::Closed { connections } => threads::drive(&plan, &url, Work::Closed(*connections), &mut output),
        Mode::Open(open) => {
            let (schedule, whole) = (open.schedule.length(), plan.warmup + plan.window);
            if schedule != whole {
                return Err(DriveError::Schedule { schedule, plan: whole });
            }
            threads::drive(&plan, &url, Work::Open(open), &mut output)
        }
        Mode::External { program } => external::drive(&plan, &url, program, &mut output),
    }?;
    report(&mut output, &Event::Outcome(Box::new(outcome)))
}

/// One process is one thread. goose would run on several, but then the clients' pools hand connections from thread
/// to thread and open ones that nobody asked for, which the stack pays for: see [`crate::exchange::ConnectWatch`].
fn drive_goose(
    plan: &DrivePlan,
    url: &Url,
    users: NonZeroU32,
    steps: &[Step],
    output: &mut impl Write,
) -> Result<DriveOutcome, DriveError> {
    let cannot = |what| Err(DriveError::CannotSpeak { driver: "goose", what });
    match plan.http {
        Http::OneZero => return cannot("speak HTTP/1.0"),
        Http::OneOne => {}
        Http::Two { .. } => return cannot("speak HTTP/2"),
    }
    let users = users.get() as usize;
    let (url, adapt) = tls_of_goose(plan, url)?;
    let closed_loop = Arc::new(ClosedLoop::new(url, users, steps.to_vec(), plan.timeout, adapt)?);
    // goose's own end is only a backstop: dropping the attack ends it.
    let attack = closed_loop.clone().attack(START_DEADLINE + plan.warmup + plan.window + START_DEADLINE);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            ended = attack => Err(ended.map_or_else(DriveError::Goose, |()| DriveError::EndedEarly)),
            outcome = measure(plan, users, &closed_loop, output) => outcome,
        }
    })
}

/// The URL by the name that is asked for, and what makes goose's clients ask for it and trust as planned. A client
/// resumes its TLS sessions, as a browser does.
fn tls_of_goose(
    plan: &DrivePlan,
    url: &Url,
) -> Result<(Url, impl Fn(ClientBuilder) -> ClientBuilder + use<>), DriveError> {
    let mut url = url.clone();
    let mut trusted = Vec::new();
    let mut resolved = None;
    let is_insecure = plan.tls.as_ref().is_some_and(|tls| tls.trust == Trust::Insecure);
    if let Some(tls) = &plan.tls {
        if let Trust::Ca(file) = &tls.trust {
            for certificate in read_certificates(file).map_err(TlsError::from)? {
                trusted.push(Certificate::from_der(&certificate)?);
            }
        }
        if let Some(name) = &tls.server_name {
            let no_address = || DriveError::Url { url: plan.url.clone() };
            let address = url.socket_addrs(|| None)?.into_iter().next().ok_or_else(no_address)?;
            url.set_host(Some(name)).map_err(|_| TlsError::Name(name.clone()))?;
            resolved = Some((name.clone(), address));
        }
    }
    let adapt = move |builder: ClientBuilder| {
        let builder = builder.tls_certs_only(trusted.clone()).tls_danger_accept_invalid_certs(is_insecure);
        match &resolved {
            Some((name, address)) => builder.resolve(name, *address),
            None => builder,
        }
    };
    Ok((url, adapt))
}

async fn measure(
    plan: &DrivePlan,
    users: usize,
    closed_loop: &ClosedLoop,
    output: &mut impl Write,
) -> Result<DriveOutcome, DriveError> {
    if tokio::time::timeout(START_DEADLINE, closed_loop.all_started()).await.is_err() {
        return Err(DriveError::SlowStart { started: closed_loop.started(), users });
    }
    let opens = Instant::now() + plan.warmup;
    let window = Window { opens, closes: opens + plan.window };
    closed_loop.set_window(window);
    report(output, &Event::Ready { window: Some(ends(window)) })?;

    tokio::time::sleep_until(window.opens.into()).await;
    let cpu_before = CpuTime::of_process()?;
    report(output, &Event::WindowOpened)?;

    tokio::time::sleep_until(window.closes.into()).await;
    let driver_cpu = CpuTime::of_process()?.since(cpu_before);
    let connections_opened = closed_loop.connections_opened();
    report(output, &Event::WindowClosed)?;

    // OK because the window was set above
    let (mut ledger, unclassified) = closed_loop.recorder.ledger().expect("a window");
    ledger.seconds = closed_loop.recorder.rows();
    Ok(DriveOutcome {
        ledger,
        steps: closed_loop.step_outcomes(),
        mean_pause: closed_loop.mean_pause(),
        connections_opened: Some(connections_opened),
        driver_cpu,
        driver_threads: 1,
        unclassified,
    })
}

fn parse_url(plan: &DrivePlan) -> Result<Url, DriveError> {
    let scheme = if plan.tls.is_some() { "https" } else { "http" };
    let url = Url::parse(&plan.url).ok().filter(|url| url.scheme() == scheme && url.host().is_some());
    url.ok_or_else(|| DriveError::Url { url: plan.url.clone() })
}

/// An open loop may have more connections than the usual soft limit has descriptors. If it cannot be raised, running
/// out is counted and voids the round.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    _ = setrlimit(Resource::Nofile, limit);
}

/// A window that lies ahead, on the clock that is shared with lab.
pub(super) fn ends(window: Window) -> Ends {
    let time = clock_gettime(ClockId::Monotonic);
    let shared = Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    let now = Instant::now();
    let ahead = |at: Instant| shared + at.saturating_duration_since(now);
    Ends { opens: ahead(window.opens), closes: ahead(window.closes) }
}

pub(super) fn report(output: &mut impl Write, event: &Event) -> Result<(), DriveError> {
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
    fn what_a_driver_does_not_speak_is_refused_by_name() {
        let with = |mode: &str, spoken: &str| {
            let plan = plan("http://127.0.0.1:1/", mode);
            plan.replacen('{', &format!("{{{spoken},"), 1)
        };
        let (http2, goose) = (r#""http":{"2":{"streams":1}}"#, r#"{"goose":{"users":1,"steps":[]}}"#);
        assert_eq!(refused(&with(goose, http2)), "driver `goose` does not speak HTTP/2");
        let wrk = r#"{"external":{"program":{"wrk":{"connections":1}}}}"#;
        assert_eq!(refused(&with(wrk, http2)), "driver `wrk` does not speak HTTP/2");
        let tls = |spoken: &str, mode: &str| refused(&with(mode, spoken).replace("http://", "https://"));
        let ca = r#""tls":{"trust":{"ca":"/ca.pem"}}"#;
        assert_eq!(tls(ca, wrk), "driver `wrk` does not verify certificates: only an insecure plan can be its");
        let named = r#""tls":{"trust":"insecure","server_name":"example.org"}"#;
        assert_eq!(tls(named, wrk), "driver `wrk` does not ask for another name than that of the URL");
        assert!(tls(ca, r#"{"closed":{"connections":1}}"#).starts_with("cannot read certificates from /ca.pem"));
    }

    fn plan(url: &str, mode: &str) -> String {
        format!(r#"{{"url":"{url}","mode":{mode},"warmup_us":0,"window_us":1000000,"timeout_us":1}}"#)
    }

    #[test]
    fn plans_that_cannot_be_carried_out() {
        assert!(refused("{}").starts_with("cannot read the plan"));
        for url in ["https://127.0.0.1/", "pong", "unix:/tmp/socket"] {
            let plan = plan(url, r#"{"closed":{"connections":1}}"#);
            let told = "expected http://HOST[:PORT]/PATH, or https:// in a plan that says whom to trust";
            assert_eq!(refused(&plan), format!("cannot drive `{url}`: {told}"));
        }
        let schedule = r#"{"stretches":[{"rate_per_s":1,"lasts_us":7000}],"arrivals":"uniform"}"#;
        let arrival = r#"{"session":{"calls":1}}"#;
        let open =
            format!(r#"{{"open":{{"schedule":{schedule},"arrival":{arrival},"most_open":1,"timer":"timerfd"}}}}"#);
        assert_eq!(refused(&plan("http://[::1]/", &open)), "the schedule lasts 7 ms, but warm-up and window 1000 ms");
    }
}
