//! Drivers that are not lab's own: httperf, wrk and h2load, run as they are installed, for cross-checks.
//!
//! Each counts and classifies in its own way; its output is brought into the same ledger without making up what it
//! does not tell. Coarse classes stand for what a program does not tell apart, an empty histogram for times it does not
//! print. They have no warm-up of their own that fits: they are run once for the warm-up and again for the window.

mod h2load;
mod httperf;
mod wrk;

use std::env;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use reqwest::Url;
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::cpu_time::CpuTime;
use crate::driver::{DriveError, report};
use crate::ledger::Ledger;
use crate::plan::Stretch;
use crate::protocol::{DriveOutcome, DrivePlan, Event, Http, Trust};

/// A program, with the settings that it has and others have not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// An open loop of sessions, <https://github.com/httperf/httperf>. It knows one rate: each is a run of its own, which
    /// ends with its last answer, and the warm-up is one more at the first of them.
    Httperf {
        /// Sessions per second, and for how long they come; together as long as the window.
        rates: Vec<Stretch>,
        /// Calls of each session.
        calls: NonZeroU32,
        /// Whether the gaps between sessions are exponentially distributed, by httperf's own generator, which draws the
        /// same ones in every run.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_poisson: bool,
    },
    /// A closed loop, <https://github.com/wg/wrk>.
    Wrk {
        /// Connections.
        connections: NonZeroU32,
    },
    /// A closed loop, <https://nghttp2.org/documentation/h2load-howto.html>; the only one that speaks HTTP/2.
    H2load {
        /// Connections.
        connections: NonZeroU32,
    },
}

/// One run of a program.
struct Run<'a> {
    url: &'a Url,
    /// Which of the program's runs it is.
    number: usize,
    lasts: Duration,
    timeout: Duration,
    http: Http,
    /// A file of the program's own, empty before it starts.
    file: &'a str,
}

/// What a program's output says.
struct Told {
    ledger: Ledger,
    connections_opened: Option<u64>,
}

/// Output that is not what the program prints.
#[derive(Debug, thiserror::Error)]
#[error("cannot find {what} in what {program} printed")]
pub struct OutputError {
    program: &'static str,
    what: &'static str,
}

impl Program {
    /// The command.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Program::Httperf { .. } => "httperf",
            Program::Wrk { .. } => "wrk",
            Program::H2load { .. } => "h2load",
        }
    }

    /// Where it is installed, by `PATH`; else what is missing, and the Debian package that has it.
    ///
    /// # Errors
    /// It is not installed.
    pub fn find(&self) -> Result<PathBuf, String> {
        let path = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&path).map(|folder| folder.join(self.name())).find(|file| file.is_file());
        let package = match self {
            Program::Httperf { .. } => "httperf",
            Program::Wrk { .. } => "wrk",
            Program::H2load { .. } => "nghttp2-client",
        };
        found.ok_or_else(|| format!("{} is not installed (Debian: apt-get install {package})", self.name()))
    }

    /// What a plan asks for that the program does not do, in words.
    fn cannot(&self, plan: &DrivePlan) -> Option<&'static str> {
        let speaks = match plan.http {
            Http::OneZero => matches!(self, Program::Httperf { .. }),
            Http::OneOne => true,
            Http::Two { .. } => matches!(self, Program::H2load { .. }),
        };
        let tls = plan.tls.as_ref();
        if !speaks {
            Some(match plan.http {
                Http::OneZero => "speak HTTP/1.0",
                Http::OneOne | Http::Two { .. } => "speak HTTP/2",
            })
        } else if tls.is_some_and(|tls| tls.trust != Trust::Insecure) {
            Some("verify certificates: only an insecure plan can be its")
        } else if tls.is_some_and(|tls| tls.server_name.is_some()) {
            Some("ask for another name than that of the URL")
        } else {
            None
        }
    }

    fn arguments(&self, run: &Run<'_>) -> Vec<String> {
        match self {
            Program::Httperf { rates, calls, is_poisson } => {
                httperf::arguments(run, rates[run.number].rate_per_s, *calls, *is_poisson)
            }
            Program::Wrk { connections } => wrk::arguments(run, *connections),
            Program::H2load { connections } => h2load::arguments(run, *connections),
        }
    }

    /// How long each of its runs within the window lasts.
    fn runs(&self, window: Duration) -> Vec<Duration> {
        match self {
            Program::Httperf { rates, .. } => rates.iter().map(|rate| rate.lasts).collect(),
            Program::Wrk { .. } | Program::H2load { .. } => vec![window],
        }
    }
}

/// Runs the program of a plan.
///
/// # Errors
/// It is not installed, fails, or prints something else than it does; or lab has gone.
pub(super) fn drive(
    plan: &DrivePlan,
    url: &Url,
    program: &Program,
    output: &mut impl Write,
) -> Result<DriveOutcome, DriveError> {
    let runs = program.runs(plan.window);
    let schedule: Duration = runs.iter().sum();
    if schedule != plan.window || runs.is_empty() {
        return Err(DriveError::Schedule { schedule: schedule + plan.warmup, plan: plan.window + plan.warmup });
    }
    if let Some(what) = program.cannot(plan) {
        return Err(DriveError::CannotSpeak { driver: program.name(), what });
    }
    let path = program.find().map_err(DriveError::Unavailable)?;
    let run = |number: usize, lasts: Duration| -> Result<(String, String), DriveError> {
        // A file without a name, which the program opens by its descriptor.
        let mut file = File::from(memfd_create(program.name(), MemfdFlags::empty()).map_err(io::Error::from)?);
        if let Program::Wrk { .. } = program {
            file.write_all(wrk::SCRIPT.as_bytes())?;
        }
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        let (timeout, http) = (plan.timeout, plan.http);
        let arguments = program.arguments(&Run { url, number, lasts, timeout, http, file: &name });
        let ended = Command::new(&path).args(arguments).stdin(Stdio::null()).output()?;
        let mut written = String::new();
        file.rewind()?;
        file.read_to_string(&mut written)?;
        Ok((printed(program, &ended)?, written))
    };
    report(output, &Event::Ready { window: None })?;
    if !plan.warmup.is_zero() {
        run(0, plan.warmup)?;
    }
    let cpu_before = CpuTime::of_children()?;
    report(output, &Event::WindowOpened)?;
    let mut ended = Vec::new();
    for (number, lasts) in runs.into_iter().enumerate() {
        ended.push(run(number, lasts)?);
    }
    report(output, &Event::WindowClosed)?;
    let driver_cpu = CpuTime::of_children()?.since(cpu_before);

    let (text, written) = &ended[0]; // OK because a window without runs was refused above
    let told = match program {
        Program::Httperf { rates, calls, .. } => {
            let texts: Vec<&str> = ended.iter().map(|(text, _)| text.as_str()).collect();
            httperf::told(&texts, rates, *calls)
        }
        Program::Wrk { connections } => wrk::parse(text, *connections),
        Program::H2load { .. } => h2load::parse(text, written, matches!(plan.http, Http::Two { .. })),
    }?;
    Ok(DriveOutcome {
        ledger: told.ledger,
        steps: Vec::new(),
        mean_pause: Duration::ZERO,
        connections_opened: told.connections_opened,
        driver_cpu,
        // Each is told to use one.
        driver_threads: 1,
        unclassified: Vec::new(),
    })
}

/// What a program that has ended printed.
fn printed(program: &Program, ended: &Output) -> Result<String, DriveError> {
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    if ended.status.success() {
        return Ok(text);
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = if said.trim().is_empty() { text.trim().to_owned() } else { said.trim().to_owned() };
    Err(DriveError::ProgramFailed { program: program.name(), said })
}

/// A time as programs take it: seconds, possibly with a fraction.
fn seconds(time: Duration) -> String {
    format!("{}", time.as_secs_f64())
}

/// The number behind `label` in `text`.
fn number<T: std::str::FromStr>(text: &str, label: &str) -> Option<T> {
    let behind = text.split_once(label)?.1.trim_start();
    let end = behind.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(behind.len());
    behind[..end].parse().ok()
}

/// The number in front of `label` in `text`.
fn number_before<T: std::str::FromStr>(text: &str, label: &str) -> Option<T> {
    let before = text.split_once(label)?.0.trim_end();
    let start = before.rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
    before[start..].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_behind_or_in_front_of_their_labels() {
        let text = "requests: 164 total, 168 started\ntest-duration 1.981 s";
        assert_eq!(number(text, "requests:"), Some(164));
        assert_eq!(number_before(text, " started"), Some(168));
        assert_eq!(number(text, "test-duration"), Some(1.981));
        assert_eq!(number::<u64>(text, "absent"), None);
        assert_eq!(number_before::<u64>(text, "requests"), None);
    }
}
