//! `lab proxy`.

use std::io::Write as _;

use crate::cli::ProxyArgs;
use crate::exit::Exit;
use lab_net::pid_file::PidFile;
use lab_proxy::config::nginx_version::NginxVersion;
use lab_proxy::logging::LogFiles;
use lab_proxy::runtime::control::{self, ControlSignal};
use lab_proxy::runtime::{master, sockets, temp_folders};
use lab_proxy::tls::TlsContexts;
use lab_proxy::{CommandLine, read_configuration};

/// Runs the proxy until a signal ends it. An invalid configuration exits with 1, as in nginx.
pub(super) fn run(args: &ProxyArgs) -> anyhow::Result<Exit> {
    if args.version || args.details {
        print_version(args.details, args.nginx_version.unwrap_or_default());
        return Ok(Exit::Ok);
    }
    let Some(file) = args.config.as_deref() else { return Ok(Exit::Usage) };
    let line = CommandLine {
        file,
        prefix: args.prefix.as_deref(),
        error_log: args.error_log.as_deref(),
        directives: &args.directives,
        nginx_version: args.nginx_version.unwrap_or_default(),
    };
    let is_test = args.test || args.dump;
    let failed = |error: &dyn std::fmt::Display| {
        eprintln!("lab proxy: {error}");
        if is_test {
            eprintln!("lab proxy: configuration file {} test failed", file.display());
        }
        Ok(Exit::Usage)
    };
    let (config, sources) = match read_configuration(line) {
        Ok(read) => read,
        Err(error) => return failed(&error),
    };
    if !args.quiet {
        for warning in &config.warnings {
            eprintln!("lab proxy: [warn] {warning}");
        }
    }
    if is_test {
        // as in nginx, the files of TLS belong to the configuration
        let contexts = match TlsContexts::load(&config) {
            Ok(contexts) => contexts,
            Err(error) => return failed(&error),
        };
        if !args.quiet {
            for warning in contexts.warnings() {
                eprintln!("lab proxy: [warn] {warning}");
            }
            eprintln!("lab proxy: the configuration file {} syntax is ok", file.display());
        }
        // as in nginx, the test creates the temporary folders, and opens the logs and the pid file
        if let Err(error) = temp_folders::create(&config) {
            return failed(&error);
        }
        if let Err(error) = LogFiles::open(&config) {
            return failed(&error);
        }
        if let Some(Err(error)) = config.process.pid.as_deref().map(PidFile::check) {
            return failed(&error);
        }
        if !args.quiet {
            eprintln!("lab proxy: configuration file {} test is successful", file.display());
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
        if let Err(error) = control::send(config.process.pid.as_deref(), signal) {
            eprintln!("lab proxy: {error}");
            return Ok(Exit::Usage);
        }
        return Ok(Exit::Ok);
    }
    let inherited = std::env::var(sockets::INHERITED).ok();
    let read_config = || read_configuration(line).map(|(config, _)| config).map_err(|error| error.to_string());
    if let Err(error) = master::run(config, &read_config, inherited.as_deref()) {
        // the message includes the cause
        eprintln!("lab proxy: {error}");
        return Ok(Exit::CouldNotRun);
    }
    Ok(Exit::Ok)
}

/// Like nginx, prints to standard error.
fn print_version(details: bool, version: NginxVersion) {
    eprintln!("lab proxy version: lab/{}", env!("CARGO_PKG_VERSION"));
    if details {
        let kind = if cfg!(debug_assertions) { "debug" } else { "release" };
        eprintln!("built for {}-{} ({kind})", std::env::consts::ARCH, std::env::consts::OS);
        eprintln!("twin of nginx {}, configured by nginx.conf", NginxVersion::default());
        eprintln!("defaults of nginx {version}: {}", version.defaults());
    }
}
