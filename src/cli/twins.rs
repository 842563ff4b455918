//! The command lines of `lab proxy` and `lab serve`, which are those of nginx and gunicorn.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, FromArgMatches};

use lab_proxy::config::nginx_version::NginxVersion;
use lab_serve::settings::arguments::{GivenSettings, augment, from_matches};

/// `lab proxy`, with nginx's options.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub struct ProxyArgs {
    /// The configuration file
    #[arg(short = 'c', value_name = "FILE", required_unless_present_any = ["version", "details"])]
    pub config: Option<PathBuf>,
    /// The base of relative paths in the configuration [default: the configuration's folder]
    #[arg(short = 'p', value_name = "PREFIX")]
    pub prefix: Option<PathBuf>,
    /// The error log, unless the configuration sets one [default: standard error]
    #[arg(short = 'e', value_name = "FILE")]
    pub error_log: Option<PathBuf>,
    /// Directives of the main level, before those of the file: "worker_processes 2; pid run.pid;"
    #[arg(short = 'g', value_name = "DIRECTIVES", default_value = "", hide_default_value = true)]
    pub directives: String,
    /// The version of nginx whose defaults apply [default: 1.22.1]
    #[arg(long = "nginx-version", value_name = "VERSION")]
    pub nginx_version: Option<NginxVersion>,
    /// Test the configuration and exit
    #[arg(short = 't')]
    pub test: bool,
    /// Test the configuration, print all its files and exit
    #[arg(short = 'T')]
    pub dump: bool,
    /// Print only errors while testing
    #[arg(short = 'q')]
    pub quiet: bool,
    /// Signal a running proxy, found by the configuration's pid file: stop, quit, reload, reopen
    #[arg(short = 's', value_name = "SIGNAL")]
    pub signal: Option<String>,
    /// Print the version and exit
    #[arg(short = 'v')]
    pub version: bool,
    /// Print the version and how this lab was built, and exit
    #[arg(short = 'V')]
    pub details: bool,
}

/// `lab serve`: gunicorn's settings and lab's own.
#[derive(Debug, Clone)]
pub struct ServeArgs {
    pub app: Option<String>,
    /// The virtual environment.
    pub venv: Option<PathBuf>,
    /// The given settings of gunicorn.
    pub given: GivenSettings,
}

impl Args for ServeArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let app = Arg::new("app")
            .value_name("APP")
            .help("The application: MODULE:CALLABLE, or native:NAME for an app built into lab");
        let venv = Arg::new("venv").long("venv").value_name("DIR").value_parser(clap::value_parser!(PathBuf));
        let venv =
            venv.help("The virtual environment of a WSGI application [default: $VIRTUAL_ENV, otherwise python3]");
        augment(command.arg(app).arg(venv)).infer_long_args(true)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        ServeArgs::augment_args(command)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<ServeArgs, clap::Error> {
        let app = matches.get_one::<String>("app").cloned();
        Ok(ServeArgs { app, venv: matches.get_one::<PathBuf>("venv").cloned(), given: from_matches(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = ServeArgs::from_arg_matches(matches)?;
        Ok(())
    }
}
