//! Snapshots that await a decision, and the sessions that they come from.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::execution::display_path;
use crate::cli::SnapshotTarget;
use crate::exit::Exit;
use crate::snapshot::history::History;
use crate::snapshot::store::{PendingSnapshot, Store};

/// What follows a scenario's name in the name of the snapshot of its ratios.
const RATIOS: &str = ".ratios";

/// The scenario of a snapshot.
pub(super) fn scenario_of(snapshot: &str) -> &str {
    snapshot.strip_suffix(RATIOS).unwrap_or(snapshot)
}

/// What a command is about.
pub(super) struct Selection {
    pub(super) pending: Vec<PendingSnapshot>,
    /// The scenarios whose newest session is not part of the history yet.
    pub(super) sessions: BTreeSet<String>,
}

/// The snapshots of one root, and the sessions that they come from.
pub(super) struct Snapshots {
    store: Store,
    history: History,
}

impl Snapshots {
    pub(super) fn open(target: &SnapshotTarget) -> anyhow::Result<Snapshots> {
        let folder = std::path::absolute(&target.folder);
        let folder = folder.with_context(|| format!("find {}", target.folder.display()))?;
        let history = History::new(folder.parent().unwrap_or(Path::new("/")));
        Ok(Snapshots { store: Store { folder, lab: std::env::current_exe()? }, history })
    }

    /// Selects by the names of the command line. Prints which one is unknown, and returns the exit code.
    pub(super) fn select(&self, target: &SnapshotTarget, is_accept: bool) -> anyhow::Result<Result<Selection, Exit>> {
        let folder = target.folder.display();
        let mut pending = self.store.pending().with_context(|| format!("read {folder}"))?;
        // Before anything is accepted: a history that cannot be read must not cost the session.
        let scenarios: BTreeSet<String> = self.history.scenarios()?.into_iter().collect();
        let mut sessions = BTreeSet::new();
        for scenario in scenarios {
            let is_named = |name: &String| scenario_of(name) == scenario;
            let is_wanted = target.names.is_empty() || target.names.iter().any(is_named);
            if is_wanted && self.history.pending(&scenario)?.is_some() {
                sessions.insert(scenario);
            }
        }
        // One review takes the facts and the ratios of a run together.
        let is_selected = |name: &str, wanted: &String| name == wanted || (is_accept && scenario_of(name) == wanted);
        let is_known = |wanted: &&String| {
            let has_session = is_accept && sessions.contains(wanted.as_str());
            has_session || pending.iter().any(|known| is_selected(&known.name, wanted))
        };
        if let Some(unknown) = target.names.iter().find(|wanted| !is_known(wanted)) {
            let known: Vec<String> = pending.iter().map(|known| format!("`{}`", known.name)).collect();
            let accepted = match known.as_slice() {
                [] => "none is, and `lab run` makes one where the facts of a run differ".to_owned(),
                known => format!("accepted: {}", known.join(", ")),
            };
            writeln!(anstream::stderr(), "lab: {folder}: no snapshot `{unknown}` is pending; {accepted}")?;
            return Ok(Err(Exit::Usage));
        }
        pending
            .retain(|known| target.names.is_empty() || target.names.iter().any(|name| is_selected(&known.name, name)));
        Ok(Ok(Selection { pending, sessions }))
    }

    /// Commits a pending snapshot.
    pub(super) fn accept(&self, out: &mut dyn std::io::Write, name: &str) -> anyhow::Result<()> {
        self.store.accept(name).with_context(|| format!("accept {name}"))?;
        let what = if name.ends_with(RATIOS) { "ratios" } else { "exact facts" };
        Ok(writeln!(out, "accepted {name}: {what}")?)
    }

    /// Adds the newest session of a scenario to its history, unless it is there.
    pub(super) fn record(&self, out: &mut dyn std::io::Write, scenario: &str) -> anyhow::Result<()> {
        if let Some(session) = self.history.pending(scenario)? {
            self.history.add(scenario, &session)?;
            let file = self.history.file(scenario);
            writeln!(out, "recorded run {} in {}", session.run, display_path(&file))?;
        }
        Ok(())
    }

    /// Discards a pending snapshot, and the session that it comes from.
    pub(super) fn reject(&self, out: &mut dyn std::io::Write, name: &str) -> anyhow::Result<()> {
        self.store.reject(name).with_context(|| format!("reject {name}"))?;
        self.history.reject(scenario_of(name))?;
        Ok(writeln!(out, "rejected {name}")?)
    }
}
