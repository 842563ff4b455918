//! `lab coordinate`: leads the agents of a run on behalf of lab. Hidden; see
//! [`hosts::coordinator_process`](crate::hosts::coordinator_process).

use anyhow::Context as _;
use tokio::net::unix::pipe;

use crate::cli::CoordinateArgs;
use crate::exit::Exit;
use crate::hosts::{coordinator_process, keys};

/// Serves the lab on the other end of standard input and output.
pub(super) fn run(args: &CoordinateArgs) -> anyhow::Result<Exit> {
    let tls = keys::coordinator_config(&args.keys)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Pipes, because a thread that reads a terminal would outlive the end of the coordinator.
        let input = rustix::io::dup(rustix::stdio::stdin()).context("keep standard input")?;
        let input = pipe::Receiver::from_owned_fd(input).context("standard input must be a pipe")?;
        let output = rustix::io::dup(rustix::stdio::stdout()).context("keep standard output")?;
        let output = pipe::Sender::from_owned_fd(output).context("standard output must be a pipe")?;
        coordinator_process::run(tls, input, output).await?;
        Ok(Exit::Ok)
    })
}
