//! `lab proxy`.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{ProxyArgs, ProxySignal};
use crate::exit::Exit;
use crate::proxy::{CommandLine, master, read_configuration, sockets};

/// Runs the proxy until it is told to stop. A configuration that is wrong is exit code 1, as in nginx.
pub(super) fn run(args: &ProxyArgs) -> anyhow::Result<Exit> {
    if args.version || args.details {
        print_version(args.details);
        return Ok(Exit::Ok);
    }
    let Some(config) = args.config.as_deref() else { return Ok(Exit::Usage) };
    let line = CommandLine {
        file: config,
        prefix: args.prefix.as_deref(),
        error_log: args.error_log.as_deref(),
        directives: &args.directives,
    };
    let is_test = args.test || args.dump;
    let (settings, sources) = match read_configuration(line) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("lab proxy: {error}");
            if is_test {
                eprintln!("lab proxy: configuration file {} test failed", config.display());
            }
            return Ok(Exit::Usage);
        }
    };
    if let Some(signal) = args.signal {
        let pid_file = settings.process.pid.as_deref();
        send(signal, pid_file.context("the configuration names no pid file to find the proxy by")?)?;
        return Ok(Exit::Ok);
    }
    if is_test {
        if !args.quiet {
            eprintln!("lab proxy: the configuration file {} syntax is ok", config.display());
            eprintln!("lab proxy: configuration file {} test is successful", config.display());
        }
        if args.dump {
            let mut out = std::io::stdout().lock();
            for source in &sources {
                writeln!(out, "# configuration file {}:\n{}\n", source.file.display(), source.text)?;
            }
        }
        return Ok(Exit::Ok);
    }
    let inherited = std::env::var(sockets::INHERITED).ok();
    master::run(settings, inherited.as_deref()).with_context(|| format!("proxy with {}", config.display()))?;
    Ok(Exit::Ok)
}

/// As nginx, on standard error.
fn print_version(details: bool) {
    eprintln!("lab proxy version: lab/{}", env!("CARGO_PKG_VERSION"));
    if details {
        let kind = if cfg!(debug_assertions) { "debug" } else { "release" };
        eprintln!("built for {}-{} ({kind})", std::env::consts::ARCH, std::env::consts::OS);
        eprintln!("configured by nginx.conf; regular expressions without look-around and back-references");
    }
}

/// Signals the process whose number the pid file holds.
fn send(signal: ProxySignal, pid_file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(pid_file).with_context(|| format!("pid file {}", pid_file.display()))?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    let pid = pid.with_context(|| format!("pid file {} holds no process number", pid_file.display()))?;
    let signal = match signal {
        ProxySignal::Stop => Signal::TERM,
        ProxySignal::Quit => Signal::QUIT,
        ProxySignal::Reload => Signal::HUP,
        ProxySignal::Reopen => Signal::USR1,
    };
    kill_process(pid, signal).with_context(|| format!("process {} of {}", text.trim(), pid_file.display()))
}
