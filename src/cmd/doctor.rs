//! `lab doctor`: what this machine has, and what follows for a run.

use std::io::Write as _;
use std::process::Command;

use crate::exit::Exit;
use crate::measure::machine::Machine;
use crate::measure::procfs;
use crate::report::numbers::bytes;
use crate::stack::container::engine::Engine;
use crate::stack::guarded::ListeningSocket;

/// Programs a later comparison may use, with the argument that prints their version.
const PROGRAMS: [(&str, &str); 8] = [
    ("nginx", "-v"),
    ("haproxy", "-v"),
    ("gunicorn", "--version"),
    ("python3", "--version"),
    ("docker", "--version"),
    ("wrk", "-v"),
    ("httperf", "--version"),
    ("h2load", "--version"),
];

/// Prints what was found. 0 when the default scenario can run here, 3 when it cannot.
pub(super) fn run() -> anyhow::Result<Exit> {
    let machine = Machine::read();
    let mut out = anstream::stdout().lock();
    writeln!(out, "machine")?;
    writeln!(out, "  {}, {} cores, {}", machine.cpu, machine.cores, bytes(machine.memory_bytes))?;
    writeln!(out, "  {}, governor {}", machine.kernel, machine.governor.as_deref().unwrap_or("unknown"))?;
    let mut exit = Exit::Ok;
    writeln!(out, "\nneeded")?;
    let mut needed = |name: &str, found: Result<String, String>| match found {
        Ok(good) => writeln!(out, "  ok       {name}: {good}"),
        Err(bad) => {
            exit = Exit::CouldNotRun;
            writeln!(out, "  missing  {name}: {bad}")
        }
    };
    needed(
        "loopback ports",
        ListeningSocket::loopback().map(|_| "can be reserved".to_owned()).map_err(|e| e.to_string()),
    )?;
    let account = procfs::read_component(std::process::id());
    needed("/proc", account.map(|_| "CPU, memory and switches can be read".to_owned()).map_err(|e| e.to_string()))?;
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let enough = descriptors.is_none_or(|limit| limit >= 1024);
    let said = descriptors.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    needed("file descriptors", if enough { Ok(said) } else { Err(format!("{said}; at least 1024")) })?;

    writeln!(out, "\nmeasurement")?;
    match machine.cores {
        1 => {
            writeln!(out, "  one core: load and stack share it, so throughput and latency are those of both together")?;
        }
        cores => writeln!(out, "  {cores} cores: load and stack run on disjoint ones")?,
    }
    writeln!(out, "\ncontainers (for `backend = \"container\"`)")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(Engine::find()) {
        Ok(engine) => writeln!(out, "  found    {} at {}", engine.version, engine.endpoint)?,
        Err(error) => writeln!(out, "  absent   {:#}", anyhow::Error::new(error))?,
    }
    writeln!(out, "\nother programs (none is needed for scenarios/default.toml)")?;
    for (program, argument) in PROGRAMS {
        match version(program, argument) {
            Some(version) => writeln!(out, "  found    {program}: {version}")?,
            None => writeln!(out, "  absent   {program}")?,
        }
    }
    Ok(exit)
}

/// The first line a program prints about its version; some print it on standard error, some exit with 1.
fn version(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("version unknown").to_owned())
}
