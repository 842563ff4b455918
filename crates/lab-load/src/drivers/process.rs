//! The driver's process: reads a plan, carries it out, reports events.
//!
//! The warm-up begins when all users run, so a slow start does not shorten it; the window's instants are set then. When
//! the window has closed, a closed loop reports and ends; it drops the requests under way and counts them as
//! unfinished. An open loop waits for the requests scheduled within the window, which its timeout bounds.

use std::io::{BufReader, Read, Write};

use reqwest::Url;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::Deserialize as _;

use super::barrier::{Barrier, Documents};
use super::error::DriveError;
use super::events::report;
use super::threads::{self, LoopMode};
use super::{external, goose};
use crate::wire::{DivisionError, DrivePlan, DriverEvent, Mode, ProtocolError};

/// Carries out the plan on `input` and writes its events to `output`: the whole life of a driver process.
///
/// # Errors
/// See [`DriveError`]; then no outcome has been written.
pub fn run(input: impl Read, mut output: impl Write) -> Result<(), DriveError> {
    let mut documents = Documents::from_reader(Box::new(BufReader::new(input)));
    let unreadable = |source| ProtocolError::Json { what: "the plan", source };
    let plan = DrivePlan::deserialize(&mut documents).map_err(unreadable)?;
    let barrier = match plan.awaits_start {
        true => Some(Barrier(documents)),
        false => {
            documents.end().map_err(unreadable)?;
            None
        }
    };
    let url = parse_url(&plan)?;
    raise_descriptor_limit();
    let outcome = match &plan.mode {
        Mode::Goose { .. } | Mode::External { .. } if barrier.is_some() => {
            Err(DivisionError::OwnWindow { driver: plan.mode.driver() }.into())
        }
        Mode::Goose { users, steps } => goose::drive(&plan, &url, *users, steps, &mut output),
        Mode::Closed { connections } => {
            threads::drive(&plan, &url, LoopMode::Closed(*connections), barrier, &mut output)
        }
        Mode::Open(open) => {
            let (schedule, whole) = (open.schedule.length(), plan.warmup + plan.window);
            if schedule != whole {
                return Err(DriveError::Schedule { schedule, plan: whole });
            }
            threads::drive(&plan, &url, LoopMode::Open(open), barrier, &mut output)
        }
        Mode::External { program } => external::drive(&plan, &url, program, &mut output),
    }?;
    report(&mut output, &DriverEvent::Outcome(Box::new(outcome)))
}

fn parse_url(plan: &DrivePlan) -> Result<Url, DriveError> {
    let scheme = if plan.tls.is_some() { "https" } else { "http" };
    let url = Url::parse(&plan.url).ok().filter(|url| url.scheme() == scheme && url.host().is_some());
    url.ok_or_else(|| DriveError::Url { url: plan.url.clone() })
}

/// An open loop may need more connections than the usual soft limit has descriptors. If the limit cannot be raised,
/// running out is counted and invalidates the round.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(plan: &str) -> String {
        let mut output = Vec::new();
        let error = run(plan.as_bytes(), &mut output).unwrap_err();
        assert_eq!(output, b"", "only events are written");
        error.to_string()
    }

    #[test]
    fn unsupported_protocols_are_refused() {
        let with = |mode: &str, protocol: &str| {
            let plan = plan("http://127.0.0.1:1/", mode);
            plan.replacen('{', &format!("{{{protocol},"), 1)
        };
        let (http2, goose) = (r#""http":{"2":{"streams":1}}"#, r#"{"goose":{"users":1,"steps":[]}}"#);
        assert_eq!(refused(&with(goose, http2)), "driver `goose` does not speak HTTP/2");
        let wrk = r#"{"external":{"program":{"wrk":{"connections":1}}}}"#;
        assert_eq!(refused(&with(wrk, http2)), "driver `wrk` does not speak HTTP/2");
        let tls = |protocol: &str, mode: &str| refused(&with(mode, protocol).replace("http://", "https://"));
        let ca = r#""tls":{"trust":{"ca":"/ca.pem"}}"#;
        assert_eq!(tls(ca, wrk), "driver `wrk` does not verify certificates; it needs an insecure plan");
        let named = r#""tls":{"trust":"insecure","server_name":"example.org"}"#;
        assert_eq!(tls(named, wrk), "driver `wrk` does not request another server name than that of the URL");
        assert!(tls(ca, r#"{"closed":{"connections":1}}"#).starts_with("cannot read certificates from /ca.pem"));
    }

    fn plan(url: &str, mode: &str) -> String {
        format!(r#"{{"url":"{url}","mode":{mode},"warmup_us":0,"window_us":1000000,"timeout_us":1}}"#)
    }

    #[test]
    fn only_own_loops_await_a_start() {
        let shared = |mode: &str| plan("http://127.0.0.1:1/", mode).replacen('{', r#"{"awaits_start":true,"#, 1);
        assert!(refused(&shared(r#"{"goose":{"users":1,"steps":[]}}"#)).starts_with("driver `goose` cannot be one"));
        let wrk = r#"{"external":{"program":{"wrk":{"connections":1}}}}"#;
        assert!(refused(&shared(wrk)).starts_with("driver `wrk` cannot be one"));
    }

    #[test]
    fn late_or_missing_start_is_an_error() {
        let shared = plan("http://127.0.0.1:1/", r#"{"closed":{"connections":1}}"#);
        let shared = shared.replacen('{', r#"{"awaits_start":true,"#, 1);
        for (start, expected) in [("", "cannot read the start"), (r#"{"at_us":1}"#, "the start was")] {
            let mut output = Vec::new();
            let error = run(format!("{shared}\n{start}").as_bytes(), &mut output).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert_eq!(String::from_utf8(output).unwrap(), "{\"event\":\"prepared\"}\n");
        }
        let trailing = format!("{} {{}}", plan("http://127.0.0.1:1/", r#"{"closed":{"connections":1}}"#));
        assert!(refused(&trailing).starts_with("cannot read the plan"));
    }

    #[test]
    fn impossible_plans_are_refused() {
        assert!(refused("{}").starts_with("cannot read the plan"));
        for url in ["https://127.0.0.1/", "pong", "unix:/tmp/socket"] {
            let plan = plan(url, r#"{"closed":{"connections":1}}"#);
            let accepted = "expected http://HOST[:PORT]/PATH, or https:// in a plan with a `tls` section";
            assert_eq!(refused(&plan), format!("cannot drive `{url}`: {accepted}"));
        }
        let schedule = r#"{"stages":[{"rate_per_s":1,"lasts_us":7000}],"arrivals":"uniform"}"#;
        let arrival = r#"{"session":{"calls":1}}"#;
        let open =
            format!(r#"{{"open":{{"schedule":{schedule},"arrival":{arrival},"max_open":1,"timer":"timerfd"}}}}"#);
        assert_eq!(refused(&plan("http://[::1]/", &open)), "the schedule lasts 7 ms, but warm-up and window 1000 ms");
    }
}
