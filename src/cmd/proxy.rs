//! `lab proxy`.

use crate::cli::ProxyArgs;
use crate::exit::Exit;

/// Runs the proxy until it is told to stop.
pub(super) fn run(_args: &ProxyArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("not there yet")
}
