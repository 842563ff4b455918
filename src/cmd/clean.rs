//! `lab clean`: removes leftovers of ended runs from the container engine, the images that were built for them, and the folders
//! of old runs.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use super::clean_swarm;
use super::leftover_list::{self, RunLeftovers};
use crate::cli::CleanArgs;
use crate::engine::run_folder;
use crate::exit::Exit;
use crate::stack::container::engine::Engine;
use crate::stack::container::sweep;

/// How long the removal of one run may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// The folder of runs, in the folder of the project.
const REPORTS: &str = "reports";

/// Removes the leftovers, or only lists them. 3 if something could not be removed.
pub(super) fn run(args: &CleanArgs) -> anyhow::Result<Exit> {
    if let Some(kept) = args.keep {
        clean_reports(Path::new(REPORTS), kept, args.dry_run)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match args.swarm || args.context.is_some() {
        true => runtime.block_on(clean_swarm::clean(args)),
        false => runtime.block_on(clean(args)),
    }
}

/// Removes old runs of every scenario in `reports`.
fn clean_reports(reports: &Path, kept: NonZeroU32, dry_run: bool) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let entries = match std::fs::read_dir(reports) {
        Ok(entries) => entries.collect::<std::io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(anyhow::Error::new(error).context(format!("read {}", reports.display()))),
    };
    let mut folders: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let mut is_clean = true;
    for folder in folders {
        let old = run_folder::clean_runs(&folder, kept, dry_run)?;
        let result = if dry_run { "would be removed" } else { "removed" };
        for (paths, result) in [(&old.removed, result), (&old.in_use, "still running, kept")] {
            for path in paths {
                is_clean = false;
                writeln!(out, "{}: {result}", path.display())?;
            }
        }
    }
    if is_clean {
        writeln!(out, "no scenario in {} has more than {kept} runs", reports.display())?;
    }
    Ok(())
}

async fn clean(args: &CleanArgs) -> anyhow::Result<Exit> {
    let engine = match Engine::find().await {
        // Runs without containers need no engine.
        Err(_) if args.keep.is_some() => return Ok(Exit::Ok),
        found => found?,
    };
    let mut out = anstream::stdout().lock();
    let mut exit = Exit::Ok;
    let runs = sweep::find_leftovers(&engine).await?;
    for (run, left) in &runs {
        let left = RunLeftovers { run, state: left.state, objects: &left.objects, kept: "containers" };
        if !leftover_list::remove(&mut out, args, left, sweep::remove_run(&engine, run, DEADLINE)).await? {
            exit = Exit::CouldNotRun;
        }
    }
    let built = sweep::built_images(&engine).await?;
    if !built.is_empty() {
        writeln!(out, "built from folders; rebuilt by the next run that uses them")?;
    }
    for image in &built {
        let result = match args.dry_run {
            true => "would be removed",
            false if sweep::remove_built_image(&engine, image).await => "removed",
            false => "in use, kept",
        };
        writeln!(out, "  {image}: {result}")?;
    }
    if runs.is_empty() && built.is_empty() {
        writeln!(out, "lab has left nothing in {} ({})", engine.endpoint, engine.version)?;
    }
    Ok(exit)
}
