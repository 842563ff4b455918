//! An image from a folder with a Dockerfile, built by the engine.
//!
//! Unlike everything else that lab makes in an engine, what was built is kept: the engine then builds the same again in
//! a moment, and the image has the same id in every record. It carries a label of its own, by which `lab clean` finds
//! it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use testcontainers::bollard::body_try_stream;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::BuildImageOptionsBuilder;
use tokio::io::AsyncWrite;
use tokio_tar::Builder;
use tokio_util::io::ReaderStream;

use super::engine::{Engine, EngineError};
use super::lab_image::IN_FLIGHT;
use super::labels;

/// What the tags of built images start with.
const NAME: &str = "lab-built";
/// How much of a build's output an error shows.
const SHOWN_LINES: usize = 10;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file of the folder could not be read while it was sent.
    #[error("cannot read what the image in {folder} is built from")]
    Unreadable {
        /// The folder.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
    /// The engine could not build it.
    #[error("the image in {folder} cannot be built{}", shown(last_lines))]
    Failed {
        /// The folder.
        folder: String,
        /// The end of what the build said.
        last_lines: Vec<String>,
        /// What the engine said.
        source: EngineError,
    },
}

fn shown(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  | {line}")).collect()
}

/// Has the engine build the image of `folder`, which people know as `name`, and returns the tag it can be found by. Its
/// steps run in `network`; each is passed to `print`.
///
/// # Errors
/// A file cannot be read, or a step of the Dockerfile fails.
pub(super) async fn build(
    engine: &Engine,
    (folder, name): (&Path, &str),
    network: &str,
    print: &mut dyn FnMut(&str),
) -> Result<String, BuildError> {
    let place = folder.display().to_string();
    let tag = format!("{NAME}:{:.16}", format!("{:x}", Sha256::digest(&place)));
    let labels = HashMap::from([(labels::BUILT.to_owned(), place)]);
    // What a step leaves behind is removed, however it ends; and steps run where the stacks do.
    let options = BuildImageOptionsBuilder::new().t(&tag).labels(&labels).networkmode(network);
    let options = options.rm(true).forcerm(true).build();
    let (archive, end) = tokio::io::duplex(IN_FLIGHT);
    let source = folder.to_owned();
    let writing = tokio::spawn(async move { write_context(archive, &source).await });
    let body = body_try_stream(ReaderStream::with_capacity(end, IN_FLIGHT));
    let mut building = Box::pin(engine.docker.build_image(options, None, Some(body)));
    let mut last_lines = VecDeque::new();
    let outcome = loop {
        match building.try_next().await {
            Ok(None) => break Ok(()),
            Ok(Some(news)) => {
                for line in news.stream.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()) {
                    if line.starts_with("Step ") {
                        print(&format!("building the image in {name}: {line}"));
                    }
                    last_lines.push_back(line.to_owned());
                    if last_lines.len() > SHOWN_LINES {
                        last_lines.pop_front();
                    }
                }
                if let Some(message) = news.error_detail.and_then(|detail| detail.message) {
                    break Err(Error::DockerStreamError { error: message });
                }
            }
            Err(error) => break Err(error),
        }
    };
    // A file that cannot be read is the cause of what the engine then says.
    match writing.await {
        Ok(Err(source)) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(BuildError::Unreadable { folder: name.to_owned(), source })
        }
        _ => match outcome {
            Ok(()) => Ok(tag),
            Err(error) => {
                let source = EngineError::refused("carry out its Dockerfile")(error);
                Err(BuildError::Failed { folder: name.to_owned(), last_lines: last_lines.into(), source })
            }
        },
    }
}

/// Writes the folder, links as links.
async fn write_context(archive: impl AsyncWrite + Unpin + Send + 'static, folder: &Path) -> io::Result<()> {
    let mut tar = Builder::new(archive);
    tar.follow_symlinks(false);
    tar.append_dir_all(".", folder).await?;
    tar.into_inner().await.map(drop)
}
