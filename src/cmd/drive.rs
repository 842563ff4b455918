//! `lab drive`: the load driver in a process of its own. Hidden; see [`load::driver`](crate::load::driver).

use anyhow::Context as _;

use crate::exit::Exit;
use crate::load::driver;

/// Carries out the plan on standard input; events go to standard output.
pub(super) fn run() -> anyhow::Result<Exit> {
    driver::run_child(std::io::stdin().lock(), std::io::stdout().lock()).context("drive")?;
    Ok(Exit::Ok)
}
