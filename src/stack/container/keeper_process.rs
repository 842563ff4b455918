//! Starts keepers, and reads where their containers are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::container_spec::{ContainerSpec, StartedContainer};
use super::engine::Engine;
use crate::stack::guarded::{Guarded, KeeperProgram};
use crate::stack::{StartError, io_error, write_file};

/// How long the engine may take to start a container, including the pull of its image.
pub(super) const START_DEADLINE: Duration = Duration::from_secs(600);
/// How long a keeper may take to stop and remove its container, beyond the container's own grace.
const KEEPER_DEADLINE: Duration = Duration::from_secs(15);

/// Starts the keeper of a container. `name` is that of its files in `folder`, and `what` is said in an error.
pub(super) fn start(
    lab: &Path,
    engine: &Engine,
    container: &ContainerSpec,
    (folder, name): (&Path, &str),
    what: &str,
) -> Result<Guarded, StartError> {
    let file: PathBuf = folder.join(format!("{name}.container.json"));
    let text = serde_json::to_string_pretty(container).unwrap_or_default();
    write_file(&file, &text)?;
    let keeper = KeeperProgram {
        arguments: vec!["keep".to_owned(), file.display().to_string()],
        engine: Some(engine.endpoint.to_string()),
        log: folder.join(format!("{name}.log")),
        pipes_stdout: true,
        deadline: Duration::from_secs(u64::from(container.grace_s.unsigned_abs())) + KEEPER_DEADLINE,
    };
    Guarded::keep(lab, keeper).map_err(io_error(format!("start the keeper of {what}")))
}

/// The container's location, from the first line of its keeper; `None` if the keeper ended before.
pub(super) async fn read_location(keeper: &mut Guarded) -> Option<StartedContainer> {
    let mut lines = BufReader::new(keeper.take_stdout()?).lines();
    let line = lines.next_line().await.ok()??;
    serde_json::from_str(&line).ok()
}
