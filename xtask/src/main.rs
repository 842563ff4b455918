//! `cargo xtask`: the chores of this repository. See CONTRIBUTING.md.

mod ci;
mod run;
mod skipped;

use std::process::ExitCode;

const USAGE: &str = "\
Usage:
  cargo xtask ci [STAGE…]         run all stages of CI, or the named ones in the given order
  cargo xtask ci --list           list the stages
  cargo xtask generate [--check]  write the generated files, or fail if one is out of date
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
        ["generate", ref options @ ..] => generate(options),
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

/// A second program, because it is compiled with lab in it.
fn generate(options: &[&str]) -> Result<(), String> {
    let arguments = ["run", "--quiet", "--package", "xtask", "--features", "generate", "--bin", "generate", "--"];
    run::cargo(&[&arguments, options].concat())
}
