//! `lab proxy`.

use anyhow::Context as _;

use crate::cli::ProxyArgs;
use crate::exit::Exit;
use crate::proxy::control::{self, Order};
use crate::proxy::{master, read_configuration, sockets};

/// Runs the proxy until it is told to stop. A configuration that is wrong is exit code 1, as in nginx.
pub(super) fn run(args: &ProxyArgs) -> anyhow::Result<Exit> {
    let settings = match read_configuration(&args.config, args.prefix.as_deref()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("lab proxy: {error}");
            if args.test {
                eprintln!("lab proxy: configuration file {} test failed", args.config.display());
            }
            return Ok(Exit::Usage);
        }
    };
    if args.test {
        eprintln!("lab proxy: the configuration file {} syntax is ok", args.config.display());
        eprintln!("lab proxy: configuration file {} test is successful", args.config.display());
        return Ok(Exit::Ok);
    }
    if let Some(name) = &args.signal {
        let Some(order) = Order::named(name) else {
            eprintln!("lab proxy: invalid option \"-s {name}\"; accepted: stop, quit, reload, reopen");
            return Ok(Exit::Usage);
        };
        if let Err(error) = control::tell(settings.process.pid.as_deref(), order) {
            eprintln!("lab proxy: {error}");
            return Ok(Exit::Usage);
        }
        return Ok(Exit::Ok);
    }
    let reread = || read_configuration(&args.config, args.prefix.as_deref()).map_err(|error| error.to_string());
    let inherited = std::env::var(sockets::INHERITED).ok();
    master::run(settings, &reread, inherited.as_deref())
        .with_context(|| format!("proxy with {}", args.config.display()))?;
    Ok(Exit::Ok)
}
