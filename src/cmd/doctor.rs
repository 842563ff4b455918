//! `lab doctor`: inspects this machine for the tools and permissions of a run.

use std::io::Write as _;
use std::process::Command;

use crate::exit::Exit;
use crate::measure::machine::Machine;
use crate::measure::procfs;
use crate::report::numbers::bytes;
use crate::stack::container::engine::Engine;
use crate::stack::guarded::ListeningSocket;

/// Programs that comparisons use, with the argument that prints their version.
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

/// Prints the findings. 0 if the default scenario can run here, 3 if not.
pub(super) fn run() -> anyhow::Result<Exit> {
    let machine = Machine::read();
    let mut out = anstream::stdout().lock();
    writeln!(out, "machine")?;
    writeln!(out, "  {}, {} cores, {}", machine.cpu, machine.cores, bytes(machine.memory_bytes))?;
    writeln!(out, "  {}, governor {}", machine.kernel, machine.governor.as_deref().unwrap_or("unknown"))?;
    let mut exit = Exit::Ok;
    writeln!(out, "\nneeded")?;
    let mut needed = |name: &str, found: Result<String, String>| match found {
        Ok(state) => writeln!(out, "  ok       {name}: {state}"),
        Err(problem) => {
            exit = Exit::CouldNotRun;
            writeln!(out, "  missing  {name}: {problem}")
        }
    };
    needed(
        "loopback ports",
        ListeningSocket::loopback().map(|_| "can be reserved".to_owned()).map_err(|e| e.to_string()),
    )?;
    let own_usage = procfs::read_component(std::process::id());
    needed("/proc", own_usage.map(|_| "CPU, memory and switches can be read".to_owned()).map_err(|e| e.to_string()))?;
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let enough = descriptors.is_none_or(|limit| limit >= 1024);
    let limit = descriptors.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    needed("file descriptors", if enough { Ok(limit) } else { Err(format!("{limit}; at least 1024")) })?;

    writeln!(out, "\nmeasurement")?;
    match machine.cores {
        1 => {
            writeln!(out, "  one core: load and stack share it, which distorts throughput and latency")?;
        }
        cores => writeln!(out, "  {cores} cores: load and stack run on separate cores")?,
    }
    writeln!(out, "\ncontainers (for `backend = \"container\"`)")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(Engine::find()) {
        Ok(engine) => writeln!(out, "  found    {} at {}", engine.version, engine.endpoint)?,
        Err(error) => writeln!(out, "  absent   {:#}", anyhow::Error::new(error))?,
    }
    writeln!(out, "\nother programs (scenarios/default.toml needs none)")?;
    for (program, argument) in PROGRAMS {
        match version(program, argument) {
            Some(version) => writeln!(out, "  found    {program}: {version}")?,
            None => writeln!(out, "  absent   {program}")?,
        }
    }
    Ok(exit)
}

/// The first line a program prints about its version. Some print it on standard error, some exit with 1.
fn version(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("version unknown").to_owned())
}
