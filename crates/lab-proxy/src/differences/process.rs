//! Listening and the process.

use super::{Difference, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Difference] = &[
    row(
        "listen ... fastopen",
        "Accepts data in the first packet of a connection.",
        "Accepts the parameter without effect.",
        "Clients that use it send the data once more, and their first request takes a round trip more.",
    ),
    row(
        "no pid",
        "Writes to a file that is chosen at build time.",
        "Writes no pid file.",
        "Simplicity.",
    ),
    row(
        "no daemon",
        "Runs in the background.",
        "Runs in the foreground.",
        "Simplicity.",
    ),
    row(
        "no worker_cpu_affinity",
        "Does not pin workers.",
        "Pins each worker to its own core if there are several.",
        "Workers stay on their core under load.",
    ),
    row(
        "worker_connections",
        "Counts connections to clients and to upstreams.",
        "Counts connections to clients.",
        "Simplicity.",
    ),
];
