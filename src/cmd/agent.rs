//! `lab agent`: runs drivers on its node for the coordinator of a run. Hidden; see [`hosts::agent`](crate::hosts::agent).

use std::io::Write as _;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::AgentArgs;
use crate::exit::Exit;
use crate::hosts::agent::Agent;
use crate::hosts::keys;
use crate::stack::orphans;

/// Serves coordinators until there is none for some time.
pub(super) fn run(args: &AgentArgs) -> anyhow::Result<Exit> {
    orphans::adopt().context("become the parent of orphaned processes")?;
    let agent = Agent {
        lab: std::env::current_exe().context("find the lab binary")?,
        node: args.node.clone(),
        folder: std::path::absolute(&args.folder).with_context(|| format!("find {}", args.folder.display()))?,
        tls: keys::agent_config(&args.keys)?,
        coordinator_timeout: args.coordinator_timeout.into(),
        log: |message| _ = writeln!(anstream::stderr(), "lab agent: {message}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listen on {}", args.listen))?;
        writeln!(anstream::stdout(), "listening on {}", listener.local_addr()?)?;
        // The first process of a container has no default action for the signal.
        let mut stop = signal(SignalKind::terminate()).context("handle SIGTERM")?;
        tokio::select! {
            _ = stop.recv() => {}
            ended = agent.run(listener) => ended.context("accept connections")?,
        }
        Ok(Exit::Ok)
    })
}
