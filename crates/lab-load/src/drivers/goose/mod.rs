//! The closed loop on goose: simulated users.

mod closed_loop;
mod connect_watch;
mod exchange;
mod step;

use std::io::Write;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use reqwest::{Certificate, ClientBuilder, Url};
use tokio::runtime::Builder;

use self::closed_loop::ClosedLoop;
use super::cpu_usage;
use super::error::{DriveError, START_DEADLINE};
use super::events::{report, window_ends};
use crate::accounting::Window;
use crate::client::tls::TlsError;
use crate::wire::{DriveOutcome, DrivePlan, DriverEvent, Http, Step, Trust};

/// Carries out a plan on one thread. goose can run on several, but then the clients' pools pass connections between
/// threads and open unnecessary ones, which cost the stack: see [`connect_watch`].
///
/// # Errors
/// The plan asks for a protocol goose does not speak, goose fails, or lab has exited.
pub(super) fn drive(
    plan: &DrivePlan,
    url: &Url,
    users: NonZeroU32,
    steps: &[Step],
    output: &mut impl Write,
) -> Result<DriveOutcome, DriveError> {
    let cannot = |what| Err(DriveError::Unsupported { driver: "goose", what });
    match plan.http {
        Http::OneZero => return cannot("speak HTTP/1.0"),
        Http::OneOne => {}
        Http::Two { .. } => return cannot("speak HTTP/2"),
    }
    let users = users.get() as usize;
    let (url, adapt) = configure_tls(plan, url)?;
    let closed_loop = Arc::new(ClosedLoop::new(url, users, steps.to_vec(), plan.timeout, adapt)?);
    // goose's own end is only a backstop: dropping the attack future ends it.
    let attack = closed_loop.clone().attack(START_DEADLINE + plan.warmup + plan.window + START_DEADLINE);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            ended = attack => Err(ended.map_or_else(DriveError::Goose, |()| DriveError::EndedEarly)),
            outcome = measure(plan, users, &closed_loop, output) => outcome,
        }
    })
}

/// The URL under the plan's server name, and a function that configures goose's clients for that name and the plan's
/// trust. A client resumes its TLS sessions, as a browser does.
fn configure_tls(
    plan: &DrivePlan,
    url: &Url,
) -> Result<(Url, impl Fn(ClientBuilder) -> ClientBuilder + use<>), DriveError> {
    let mut url = url.clone();
    let mut trusted = Vec::new();
    let mut resolved = None;
    let is_insecure = plan.tls.as_ref().is_some_and(|tls| tls.trust == Trust::Insecure);
    if let Some(tls) = &plan.tls {
        if let Trust::Ca(file) = &tls.trust {
            for certificate in lab_net::tls::read_certificates(file).map_err(TlsError::from)? {
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
    report(output, &DriverEvent::Ready { window: Some(window_ends(window)) })?;

    tokio::time::sleep_until(window.opens.into()).await;
    let cpu_before = cpu_usage::of_process()?;
    report(output, &DriverEvent::WindowOpened)?;

    tokio::time::sleep_until(window.closes.into()).await;
    let driver_cpu = cpu_usage::of_process()?.since(cpu_before);
    let connections_opened = closed_loop.connections_opened();
    report(output, &DriverEvent::WindowClosed)?;

    // OK because the window was set above
    let (mut ledger, unclassified) = closed_loop.recorder.ledger().expect("a window");
    ledger.seconds = closed_loop.recorder.rows();
    Ok(DriveOutcome {
        ledger,
        second_times_us: Vec::new(),
        steps: closed_loop.step_outcomes(),
        mean_pause: closed_loop.mean_pause(),
        connections_opened: Some(connections_opened),
        driver_cpu,
        driver_threads: 1,
        unclassified,
    })
}
