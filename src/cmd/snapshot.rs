//! `lab snapshot`: what waits for review, and what becomes of it.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::{SnapshotAction, SnapshotArgs, SnapshotAssertArgs, SnapshotTarget};
use crate::exit::Exit;
use crate::report::render::terminal::text_diff;
use crate::snapshot::store::{self, Store};

/// Reviews, accepts or rejects.
pub(super) fn run(args: &SnapshotArgs) -> anyhow::Result<Exit> {
    let (SnapshotAction::Review(target) | SnapshotAction::Accept(target) | SnapshotAction::Reject(target)) =
        &args.action;
    let store = Store { folder: absolute(target)?, lab: std::env::current_exe()? };
    let mut waiting = store.waiting().with_context(|| format!("read {}", target.folder.display()))?;
    let mut out = anstream::stdout().lock();
    if let Some(unknown) = target.names.iter().find(|name| !waiting.iter().any(|(known, ..)| known == *name)) {
        writeln!(anstream::stderr(), "lab: {}: no snapshot `{unknown}` waits for review", target.folder.display())?;
        return Ok(Exit::Usage);
    }
    waiting.retain(|(name, ..)| target.names.is_empty() || target.names.contains(name));
    if waiting.is_empty() {
        writeln!(out, "no snapshot waits for review in {}", target.folder.display())?;
    }
    for (name, waiting, committed) in waiting {
        match &args.action {
            SnapshotAction::Review(_) => {
                writeln!(out, "{name}:")?;
                write!(out, "{}", text_diff::render(committed.as_deref().unwrap_or_default(), &waiting))?;
            }
            SnapshotAction::Accept(_) => {
                store.accept(&name).with_context(|| format!("accept {name}"))?;
                writeln!(out, "accepted {name}")?;
            }
            SnapshotAction::Reject(_) => {
                store.reject(&name).with_context(|| format!("reject {name}"))?;
                writeln!(out, "rejected {name}")?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn absolute(target: &SnapshotTarget) -> anyhow::Result<std::path::PathBuf> {
    std::path::absolute(&target.folder).with_context(|| format!("find {}", target.folder.display()))
}

/// insta's assertion, in this process: hidden, started by [`Store`].
pub(super) fn assert(args: &SnapshotAssertArgs) -> anyhow::Result<ExitCode> {
    let mut content = String::new();
    std::io::stdin().read_to_string(&mut content).context("read the content")?;
    Ok(store::assert(&args.folder, &args.name, &args.description, &content).into())
}
