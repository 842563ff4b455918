//! The stages of CI, each of which runs by itself.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::book;
use crate::packages::packages;
use crate::run::{cargo, cargo_command, root, run};
use crate::skipped::Skipped;
use crate::test_run::run_tests;

struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<(), String>,
}

/// Cheap stages come first. `run` and `containers` share a release build.
const STAGES: &[Stage] = &[
    Stage { name: "format", about: "rustfmt, nothing is written", run: format },
    Stage { name: "lints", about: "clippy on everything but the Python gateway, no warnings", run: lints },
    Stage { name: "docs", about: "rustdoc, private items included, no warnings", run: docs },
    Stage { name: "tests", about: "unit and integration tests, with the count of skipped ones", run: tests },
    Stage {
        name: "python",
        about: "clippy and tests of crates/lab-python; needs python3 with its headers",
        run: python,
    },
    Stage { name: "benches", about: "every self-contained benchmark once, unmeasured", run: benches },
    Stage { name: "run", about: "the default scenario with a release build, gated", run: gated_run },
    Stage {
        name: "containers",
        about: "the checks of the default scenario in containers; needs an engine",
        run: containers,
    },
];

/// Stages that run only where they are named.
const NAMED_STAGES: &[Stage] = &[
    Stage {
        name: "packages",
        about: "a Debian package and a Python package, tried without the source tree; only if it is named",
        run: packages,
    },
    Stage { name: "book", about: "the book of docs/, by mdbook; only if it is named", run: book::build },
];

/// One line for each stage.
pub(crate) fn list() -> String {
    STAGES.iter().chain(NAMED_STAGES).map(|stage| format!("{:<12}{}\n", stage.name, stage.about)).collect()
}

/// Runs the named stages, or all but those that have to be named; stops at the first that fails.
pub(crate) fn run_stages(names: &[&str]) -> Result<(), String> {
    let find = |name: &&str| {
        let stage = STAGES.iter().chain(NAMED_STAGES).find(|stage| stage.name == *name);
        stage.ok_or_else(|| format!("no stage is named `{name}`; the stages are:\n{}", list().trim_end()))
    };
    let named: Vec<&Stage> = names.iter().map(find).collect::<Result<_, _>>()?;
    let stages = if named.is_empty() { STAGES.iter().collect() } else { named };
    for stage in stages {
        eprintln!("\n=== {}: {}", stage.name, stage.about);
        let begun = Instant::now();
        (stage.run)().map_err(|error| format!("stage `{}`: {error}", stage.name))?;
        eprintln!("=== {}: passed in {} s", stage.name, begun.elapsed().as_secs());
    }
    Ok(())
}

/// A workspace of its own, as its build needs a Python.
const GATEWAY: &str = "crates/lab-python/Cargo.toml";

fn format() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["fmt", "--manifest-path", GATEWAY, "--check"])
}

fn lints() -> Result<(), String> {
    let everything = ["--workspace", "--all-targets", "--features", "xtask/generate,xtask/bench-gate"];
    cargo(&[&["clippy", "--locked"], &everything[..], &["--", "-D", "warnings"]].concat())
}

fn docs() -> Result<(), String> {
    let arguments = ["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"];
    run(cargo_command().args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
}

fn tests() -> Result<(), String> {
    let skipped = Skipped::collect()?;
    let arguments = ["--workspace", "--locked", "--features", "xtask/bench-gate"];
    // Compiling prints nothing to standard output for a long time.
    cargo(&[&["test"], &arguments[..], &["--no-run"]].concat())?;
    let result = run_tests(&arguments, &[("LAB_SKIPPED", skipped.file())]);
    // The summary matters most when everything else passed.
    skipped.print()?;
    result
}

fn python() -> Result<(), String> {
    // The interpreter's library may lie where the loader does not look for it.
    let program = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))";
    let output = Command::new("python3").args(["-c", program]).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot run python3: {error}"))?;
    let libraries = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let gateway = |arguments: &[&str]| {
        let target = root().join("target/lab-wsgi");
        let (command, options) = arguments.split_first().expect("a command of cargo");
        let mut cargo = cargo_command();
        cargo.args([command, "--manifest-path", GATEWAY, "--locked"]).args(options);
        run(cargo.env("CARGO_TARGET_DIR", target).env("LD_LIBRARY_PATH", &libraries))
    };
    gateway(&["clippy", "--all-targets", "--", "-D", "warnings"])?;
    gateway(&["test"])
}

fn benches() -> Result<(), String> {
    // `peers` and `servers` measure other programs and are no tests.
    cargo(&[
        "bench",
        "--locked",
        "--bench",
        "app",
        "--bench",
        "load",
        "--bench",
        "twins",
        "--bench",
        "drivers",
        "--bench",
        "instructions",
        "--",
        "--test",
    ])
}

fn gated_run() -> Result<(), String> {
    cargo(&["run", "--release", "--locked", "--", "run", "scenarios/default.toml", "--gate"])
}

fn containers() -> Result<(), String> {
    cargo(&["run", "--release", "--locked", "--", "check", "scenarios/default.toml", "--backend", "container"])
}
