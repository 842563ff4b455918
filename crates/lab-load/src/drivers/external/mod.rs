//! External drivers for cross-checks: httperf, wrk and h2load, as installed.
//!
//! Each counts and classifies in its own way. Their output is converted to the same ledger without inventing data:
//! coarse classes for failures a program does not distinguish, an empty histogram for times it does not print, and
//! `possibly_cut` for responses that a program does not tell from complete ones. None has
//! a suitable warm-up of its own, so each runs once for the warm-up and again for the window.

mod h2load;
mod httperf;
mod wrk;

use std::env;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use reqwest::Url;
use rustix::fs::{MemfdFlags, memfd_create};

use super::cpu_usage;
use super::error::DriveError;
use super::events::report;
use crate::wire::{DriveOutcome, DrivePlan, DriverEvent, Http, Ledger, Program, Trust};

/// One run of a program.
struct ToolRun<'a> {
    url: &'a Url,
    /// The index of the run.
    number: usize,
    duration: Duration,
    timeout: Duration,
    http: Http,
    /// The path of a file for the run: wrk's script, h2load's log.
    file: &'a str,
}

/// The contents of a program's output.
struct ToolReport {
    ledger: Ledger,
    connections_opened: Option<u64>,
}

/// The path of the installed program, by `PATH`.
///
/// # Errors
/// A message with the missing program and its Debian package.
pub fn find(program: &Program) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(program.name())).find(|file| file.is_file());
    let package = match program {
        Program::Httperf { .. } => "httperf",
        Program::Wrk { .. } => "wrk",
        Program::H2load { .. } => "nghttp2-client",
    };
    found.ok_or_else(|| format!("{} is not installed (Debian: apt-get install {package})", program.name()))
}

/// The first demand of a plan that the program does not support, as a verb phrase.
fn unsupported(program: &Program, plan: &DrivePlan) -> Option<&'static str> {
    let is_supported = match plan.http {
        Http::OneZero => matches!(program, Program::Httperf { .. }),
        Http::OneOne => true,
        Http::Two { .. } => matches!(program, Program::H2load { .. }),
    };
    let tls = plan.tls.as_ref();
    if !is_supported {
        Some(match plan.http {
            Http::OneZero => "speak HTTP/1.0",
            Http::OneOne | Http::Two { .. } => "speak HTTP/2",
        })
    } else if tls.is_some_and(|tls| tls.trust != Trust::Insecure) {
        Some("verify certificates; it needs an insecure plan")
    } else if tls.is_some_and(|tls| tls.server_name.is_some()) {
        Some("request another server name than that of the URL")
    } else {
        None
    }
}

fn arguments(program: &Program, run: &ToolRun<'_>) -> Vec<String> {
    match program {
        Program::Httperf { rates, calls, is_poisson } => {
            httperf::arguments(run, rates[run.number].rate_per_s, *calls, *is_poisson)
        }
        Program::Wrk { connections } => wrk::arguments(run, *connections),
        Program::H2load { connections } => h2load::arguments(run, *connections),
    }
}

/// The durations of the program's runs within the window.
fn runs(program: &Program, window: Duration) -> Vec<Duration> {
    match program {
        Program::Httperf { rates, .. } => rates.iter().map(|rate| rate.lasts).collect(),
        Program::Wrk { .. } | Program::H2load { .. } => vec![window],
    }
}

/// Runs the program of a plan.
///
/// # Errors
/// The program is not installed, fails, or prints unexpected output; or lab has exited.
pub(super) fn drive(
    plan: &DrivePlan,
    url: &Url,
    program: &Program,
    output: &mut impl Write,
) -> Result<DriveOutcome, DriveError> {
    let runs = runs(program, plan.window);
    let schedule: Duration = runs.iter().sum();
    if schedule != plan.window || runs.is_empty() {
        return Err(DriveError::Schedule { schedule: schedule + plan.warmup, plan: plan.window + plan.warmup });
    }
    if let Some(what) = unsupported(program, plan) {
        return Err(DriveError::Unsupported { driver: program.name(), what });
    }
    let path = find(program).map_err(DriveError::Unavailable)?;
    let run = |number: usize, duration: Duration| -> Result<(String, String), DriveError> {
        // A memfd, which the child opens through its inherited descriptor.
        let mut file = File::from(memfd_create(program.name(), MemfdFlags::empty()).map_err(io::Error::from)?);
        if let Program::Wrk { .. } = program {
            file.write_all(wrk::SCRIPT.as_bytes())?;
        }
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        let (timeout, http) = (plan.timeout, plan.http);
        let arguments = arguments(program, &ToolRun { url, number, duration, timeout, http, file: &name });
        let ended = Command::new(&path).args(arguments).stdin(Stdio::null()).output()?;
        let mut written = String::new();
        file.rewind()?;
        file.read_to_string(&mut written)?;
        Ok((standard_output(program, &ended)?, written))
    };
    report(output, &DriverEvent::Ready { window: None })?;
    if !plan.warmup.is_zero() {
        run(0, plan.warmup)?;
    }
    let cpu_before = cpu_usage::of_children()?;
    report(output, &DriverEvent::WindowOpened)?;
    let mut ended = Vec::new();
    for (number, duration) in runs.into_iter().enumerate() {
        ended.push(run(number, duration)?);
    }
    report(output, &DriverEvent::WindowClosed)?;
    let driver_cpu = cpu_usage::of_children()?.since(cpu_before);

    let (text, written) = &ended[0]; // OK because a window without runs was refused above
    let report = match program {
        Program::Httperf { rates, calls, .. } => {
            let texts: Vec<&str> = ended.iter().map(|(text, _)| text.as_str()).collect();
            httperf::combine_runs(&texts, rates, *calls)
        }
        Program::Wrk { connections } => wrk::parse(text, *connections),
        Program::H2load { .. } => h2load::parse(text, written, matches!(plan.http, Http::Two { .. })),
    }?;
    Ok(DriveOutcome {
        ledger: report.ledger,
        second_times_us: Vec::new(),
        steps: Vec::new(),
        mean_pause: Duration::ZERO,
        connections_opened: report.connections_opened,
        driver_cpu,
        // The arguments limit each program to one thread.
        driver_threads: 1,
        unclassified: Vec::new(),
    })
}

/// The standard output of a program that has ended.
fn standard_output(program: &Program, ended: &Output) -> Result<String, DriveError> {
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    if ended.status.success() {
        return Ok(text);
    }
    let stderr = String::from_utf8_lossy(&ended.stderr);
    let message = if stderr.trim().is_empty() { text.trim().to_owned() } else { stderr.trim().to_owned() };
    Err(DriveError::ProgramFailed { program: program.name(), message })
}

/// A time as an argument: seconds, possibly with a fraction.
fn seconds(time: Duration) -> String {
    format!("{}", time.as_secs_f64())
}

/// The number after `label` in `text`.
fn number_after<T: std::str::FromStr>(text: &str, label: &str) -> Option<T> {
    let after = text.split_once(label)?.1.trim_start();
    let end = after.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(after.len());
    after[..end].parse().ok()
}

/// The number before `label` in `text`.
fn number_before<T: std::str::FromStr>(text: &str, label: &str) -> Option<T> {
    let before = text.split_once(label)?.0.trim_end();
    let start = before.rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
    before[start..].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_beside_their_labels() {
        let text = "requests: 164 total, 168 started\ntest-duration 1.981 s";
        assert_eq!(number_after(text, "requests:"), Some(164));
        assert_eq!(number_before(text, " started"), Some(168));
        assert_eq!(number_after(text, "test-duration"), Some(1.981));
        assert_eq!(number_after::<u64>(text, "absent"), None);
        assert_eq!(number_before::<u64>(text, "requests"), None);
    }
}
