//! `lab snapshot`: reviews, accepts and rejects pending snapshots.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;

use super::pending_snapshots::{Selection, Snapshots};
use super::snapshot_review;
use crate::cli::{SnapshotAction, SnapshotArgs, SnapshotAssertArgs, SnapshotTarget};
use crate::exit::Exit;
use crate::report::render::terminal::text_diff;
use crate::snapshot::store::{self, PendingSnapshot};

pub(super) fn run(args: &SnapshotArgs) -> anyhow::Result<Exit> {
    let target = target(&args.action);
    let snapshots = Snapshots::open(target)?;
    let is_accept = matches!(args.action, SnapshotAction::Accept(_));
    let Selection { pending, sessions } = match snapshots.select(target, is_accept)? {
        Ok(selected) => selected,
        Err(exit) => return Ok(exit),
    };
    let mut out = anstream::stdout().lock();
    if pending.is_empty() && (!is_accept || sessions.is_empty()) {
        writeln!(out, "no snapshot is pending in {}", target.folder.display())?;
        return Ok(Exit::Ok);
    }
    match &args.action {
        SnapshotAction::Review(_) => return snapshot_review::run(&snapshots, &pending),
        SnapshotAction::Show(_) => {
            for PendingSnapshot { name, content, .. } in &pending {
                writeln!(out, "{name}:\n{content}\n")?;
            }
        }
        SnapshotAction::Diff(_) => {
            for PendingSnapshot { name, content, committed } in &pending {
                writeln!(out, "{name}:")?;
                write!(out, "{}", text_diff::render(committed.as_deref().unwrap_or_default(), content))?;
            }
        }
        SnapshotAction::Accept(_) => {
            for snapshot in &pending {
                snapshots.accept(&mut out, &snapshot.name)?;
            }
            for scenario in &sessions {
                snapshots.record(&mut out, scenario)?;
            }
        }
        SnapshotAction::Reject(_) => {
            for snapshot in &pending {
                snapshots.reject(&mut out, &snapshot.name)?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn target(action: &SnapshotAction) -> &SnapshotTarget {
    let (SnapshotAction::Review(target)
    | SnapshotAction::Show(target)
    | SnapshotAction::Diff(target)
    | SnapshotAction::Accept(target)
    | SnapshotAction::Reject(target)) = action;
    target
}

/// The hidden subcommand that [`Store`](store::Store) starts: runs insta's assertion in this process.
pub(super) fn assert(args: &SnapshotAssertArgs) -> anyhow::Result<ExitCode> {
    let mut content = String::new();
    std::io::stdin().read_to_string(&mut content).context("read the content")?;
    Ok(store::assert(&args.folder, &args.name, &args.description, &content).into())
}
