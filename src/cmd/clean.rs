//! `lab clean`: removes what ended runs have left in the container engine, and the images that were built for them.

use std::io::Write as _;
use std::time::Duration;

use crate::cli::CleanArgs;
use crate::exit::Exit;
use crate::stack::container::engine::Engine;
use crate::stack::container::labels::RunState;
use crate::stack::container::sweep;

/// How long the removal of one run may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Removes the leftovers, or only lists them. 3 if something could not be removed.
pub(super) fn run(args: &CleanArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(clean(args))
}

async fn clean(args: &CleanArgs) -> anyhow::Result<Exit> {
    let engine = Engine::find().await?;
    let mut out = anstream::stdout().lock();
    let mut exit = Exit::Ok;
    let runs = sweep::find_leftovers(&engine).await?;
    for (run, left) in &runs {
        match left.life {
            RunState::Running => writeln!(out, "run {run} is at work; its containers stay")?,
            RunState::Unknown if !args.all => writeln!(out, "run {run} cannot be seen from here; --all removes it")?,
            RunState::Ended | RunState::Unknown => {
                writeln!(out, "run {run}")?;
                let remaining = match args.dry_run {
                    true => Vec::new(),
                    false => sweep::remove_run(&engine, run, DEADLINE).await?,
                };
                for made in &left.made {
                    let done = match (args.dry_run, remaining.contains(made)) {
                        (true, _) => "would be removed",
                        (false, true) => "cannot be removed",
                        (false, false) => "removed",
                    };
                    writeln!(out, "  {made}: {done}")?;
                }
                if !remaining.is_empty() {
                    exit = Exit::CouldNotRun;
                }
            }
        }
    }
    let built = sweep::built_images(&engine).await?;
    if !built.is_empty() {
        writeln!(out, "built from folders, and built anew by the next run that names them")?;
    }
    for made in &built {
        let done = match args.dry_run {
            true => "would be removed",
            false if sweep::remove_built_image(&engine, made).await => "removed",
            false => "in use; stays",
        };
        writeln!(out, "  {made}: {done}")?;
    }
    if runs.is_empty() && built.is_empty() {
        writeln!(out, "nothing of lab's is in {} ({})", engine.endpoint, engine.version)?;
    }
    Ok(exit)
}
