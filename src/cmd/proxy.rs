//! `lab proxy`.

use std::io::Write as _;

use crate::cli::ProxyArgs;
use crate::exit::Exit;
use lab_proxy::logging::LogFiles;
use lab_proxy::runtime::control::{self, ControlSignal};
use lab_proxy::runtime::{master, sockets};
use lab_proxy::{CommandLine, read_configuration};

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
    let failed = |error: &dyn std::fmt::Display| {
        eprintln!("lab proxy: {error}");
        if is_test {
            eprintln!("lab proxy: configuration file {} test failed", config.display());
        }
        Ok(Exit::Usage)
    };
    let (settings, sources) = match read_configuration(line) {
        Ok(read) => read,
        Err(error) => return failed(&error),
    };
    if is_test {
        if !args.quiet {
            eprintln!("lab proxy: the configuration file {} syntax is ok", config.display());
        }
        // as nginx: what cannot be logged to is found out now
        if let Err(error) = LogFiles::open(&settings) {
            return failed(&error);
        }
        if !args.quiet {
            eprintln!("lab proxy: configuration file {} test is successful", config.display());
        }
        if args.dump {
            let mut out = std::io::stdout().lock();
            for source in &sources {
                writeln!(out, "# configuration file {}:\n{}", source.file.display(), source.text)?;
            }
        }
        return Ok(Exit::Ok);
    }
    if let Some(name) = &args.signal {
        let Some(signal) = ControlSignal::from_name(name) else {
            eprintln!("lab proxy: invalid option \"-s {name}\"; accepted: stop, quit, reload, reopen");
            return Ok(Exit::Usage);
        };
        if let Err(error) = control::send(settings.process.pid.as_deref(), signal) {
            eprintln!("lab proxy: {error}");
            return Ok(Exit::Usage);
        }
        return Ok(Exit::Ok);
    }
    let inherited = std::env::var(sockets::INHERITED).ok();
    let reread = || read_configuration(line).map(|(settings, _)| settings).map_err(|error| error.to_string());
    if let Err(error) = master::run(settings, &reread, inherited.as_deref()) {
        // the error names its cause itself
        eprintln!("lab proxy: {error}");
        return Ok(Exit::CouldNotRun);
    }
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
