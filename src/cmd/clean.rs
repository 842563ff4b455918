//! `lab clean`: removes leftovers of ended runs from the container engine, and the images that were built for them.

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
        match left.state {
            RunState::Running => writeln!(out, "run {run} is still running; its containers are kept")?,
            RunState::Unknown if !args.all => writeln!(out, "run {run} is not visible from here; --all removes it")?,
            RunState::Ended | RunState::Unknown => {
                writeln!(out, "run {run}")?;
                let remaining = match args.dry_run {
                    true => Vec::new(),
                    false => sweep::remove_run(&engine, run, DEADLINE).await?,
                };
                for object in &left.objects {
                    let result = match (args.dry_run, remaining.contains(object)) {
                        (true, _) => "would be removed",
                        (false, true) => "cannot be removed",
                        (false, false) => "removed",
                    };
                    writeln!(out, "  {object}: {result}")?;
                }
                if !remaining.is_empty() {
                    exit = Exit::CouldNotRun;
                }
            }
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
