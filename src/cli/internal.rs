//! The hidden subcommands that lab starts itself.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// `lab agent`, for lab's own use.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// Where to listen for the coordinator
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// The folder of the agent's keys
    #[arg(long, value_name = "FOLDER")]
    pub keys: PathBuf,
    /// The name of this node; an engine fills templates in variables only
    #[arg(long, value_name = "NAME", env = "LAB_NODE")]
    pub node: String,
    /// The folder for the files of drivers
    #[arg(long, value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Seconds to live without a message of a coordinator
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub coordinator_timeout: Seconds,
}

/// `lab coordinate`, for lab's own use.
#[derive(Debug, Args)]
pub struct CoordinateArgs {
    /// The folder of the coordinator's keys
    #[arg(long, value_name = "FOLDER")]
    pub keys: PathBuf,
}

/// A number of seconds on the command line.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(NonZeroU32);

impl std::str::FromStr for Seconds {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Seconds, Self::Err> {
        text.parse().map(Seconds)
    }
}

impl From<Seconds> for Duration {
    fn from(Seconds(seconds): Seconds) -> Duration {
        Duration::from_secs(seconds.get().into())
    }
}

/// `lab guard`, for lab's own use.
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// Cores that the program may use
    #[arg(long, value_delimiter = ',')]
    pub cores: Vec<u16>,
    /// Milliseconds between SIGTERM and SIGKILL
    #[arg(long, default_value = "1000")]
    pub grace_ms: u64,
    /// The program's standard input
    #[arg(long)]
    pub input: Option<PathBuf>,
    /// Replace this process by the program, and kill it when this parent ends
    #[arg(long, value_name = "PARENT")]
    pub exec: Option<u32>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub program: Vec<String>,
}

/// `lab keep`, for lab's own use.
#[derive(Debug, Args)]
pub struct KeepArgs {
    /// The container to run
    #[arg(value_name = "ORDER.json")]
    pub order: PathBuf,
}

/// `lab connect`, for lab's own use.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// The address to connect to
    #[arg(value_name = "ADDRESS:PORT")]
    pub address: SocketAddr,
}

/// `lab reap`, for lab's own use.
#[derive(Debug, Args)]
pub struct ReapArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Remove it from a swarm
    #[arg(long)]
    pub swarm: bool,
    /// The Docker context of the swarm's manager
    #[arg(long, value_name = "NAME", requires = "swarm")]
    pub context: Option<String>,
}

/// `lab snapshot-assert`, for lab's own use.
#[derive(Debug, Args)]
pub struct SnapshotAssertArgs {
    /// The folder of the snapshots
    pub folder: PathBuf,
    /// The snapshot's name
    #[arg(long)]
    pub name: String,
    /// One line for the snapshot's head
    #[arg(long)]
    pub description: String,
}
