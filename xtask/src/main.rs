//! `cargo xtask`: the chores of this repository. See CONTRIBUTING.md.

mod book;
mod ci;
mod packages;
mod run;
mod skipped;
mod test_run;

use std::process::ExitCode;

const USAGE: &str = "\
Usage:
  cargo xtask ci [STAGE…]         run all stages of CI, or the named ones in the given order
  cargo xtask ci --list           list the stages
  cargo xtask soak [MINUTES]      disturb servers and proxies under load, for ten minutes; nothing may be lost
  cargo xtask storms [RESPONSES]  let workers leave under load in six ways, for 200,000 responses each
  cargo xtask generate [--check]  write the generated files, or fail if one is out of date
  cargo xtask docs                build the book of docs/ in target/book
  cargo xtask bench-gate [REV]    compare the benchmarks with those of the merge base; --help has its options
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["ci", "--list"] => {
            print!("{}", ci::list());
            Ok(())
        }
        ["ci", ref stages @ ..] => ci::run_stages(stages),
        ["soak"] => soak("10"),
        ["soak", minutes] => soak(minutes),
        ["storms"] => storms("200000"),
        ["storms", responses] => storms(responses),
        ["docs"] => book::build(),
        ["generate", ref options @ ..] => program("generate", options),
        ["bench-gate", ref options @ ..] => program("bench-gate", options),
        [] | ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("unknown arguments\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A test of the integration tests, for longer than `cargo test` runs it.
fn soak(minutes: &str) -> Result<(), String> {
    let minutes: u64 = minutes.parse().map_err(|error| format!("{minutes} is no number of minutes: {error}"))?;
    if !(1..=600).contains(&minutes) {
        return Err(format!("{minutes} minutes: accepted are 1 to 600"));
    }
    let mut cargo = run::cargo_command();
    cargo.args(["test", "--locked", "--test", "it", "--", "--exact", "soak::disturbances_lose_nothing", "--nocapture"]);
    run::run(cargo.env("LAB_SOAK_SECONDS", (minutes * 60).to_string()))
}

/// A test of the integration tests, with more responses than `cargo test` waits for.
fn storms(responses: &str) -> Result<(), String> {
    let responses: u64 =
        responses.parse().map_err(|error| format!("{responses} is no number of responses: {error}"))?;
    let test = "serve::storms::departing_workers_lose_no_request";
    let mut cargo = run::cargo_command();
    cargo.args(["test", "--locked", "--test", "it", "--", "--exact", test, "--nocapture"]);
    run::run(cargo.env("LAB_STORM_RESPONSES", responses.to_string()))
}

/// A program of its own, because it is compiled with parts of lab in it. Its feature has its name.
fn program(name: &str, options: &[&str]) -> Result<(), String> {
    let arguments = ["run", "--quiet", "--package", "xtask", "--features", name, "--bin", name, "--"];
    run::cargo(&[&arguments, options].concat())
}
