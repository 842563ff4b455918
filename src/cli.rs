//! The command line: clap types only, no behaviour.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A declarative test-and-benchmark lab for Python web deployments.
#[derive(Debug, Parser)]
#[command(name = "lab", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The nginx twin: a reverse proxy that reads an nginx.conf
    Proxy(ProxyArgs),
    /// The gunicorn twin: an app server with N workers
    Serve(ServeArgs),
    /// One worker of `lab serve`, started by its master
    #[command(hide = true)]
    ServeWorker(ServeWorkerArgs),
}

/// `lab proxy`, by nginx's names.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// The configuration file
    #[arg(short = 'c', value_name = "FILE")]
    pub config: PathBuf,
    /// What relative paths in the configuration are relative to [default: the configuration's folder]
    #[arg(short = 'p', value_name = "PREFIX")]
    pub prefix: Option<PathBuf>,
    /// Test the configuration and exit
    #[arg(short = 't')]
    pub test: bool,
}

/// `lab serve`, by gunicorn's names.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The application: `native:NAME` for an app built into lab
    #[arg(value_name = "APP")]
    pub app: String,
    /// Where to listen: HOST:PORT, or fd://N for an inherited listening socket
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub bind: String,
    /// Worker processes
    #[arg(short, long, value_name = "N", default_value = "1")]
    pub workers: std::num::NonZeroU16,
    /// Seconds that in-flight requests get to finish in after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub graceful_timeout: u64,
    /// Seconds that a connection may be idle between two requests
    #[arg(long, value_name = "SECONDS", default_value = "2")]
    pub keep_alive: u64,
}

/// One worker; what its master was told, and who that is. The listening socket is its standard input.
#[derive(Debug, Clone, Args)]
pub struct ServeWorkerArgs {
    /// The application, as `lab serve` was given it
    #[arg(value_name = "APP")]
    pub app: String,
    /// The process id of the master
    #[arg(long, value_name = "PID")]
    pub master: i32,
    /// As for `lab serve`
    #[arg(long, value_name = "SECONDS")]
    pub graceful_timeout: u64,
    /// As for `lab serve`
    #[arg(long, value_name = "SECONDS")]
    pub keep_alive: u64,
}
