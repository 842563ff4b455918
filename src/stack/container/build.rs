//! Builds an image from a folder with a Dockerfile, in the engine.
//!
//! Unlike all other objects of lab, built images are kept: the next build is quick, and the image has the same id in every
//! record. They carry a label of their own, by which `lab clean` finds them.

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
use super::lab_image::ARCHIVE_BUFFER;
use super::labels;

/// The name of built images; their tag is a digest of the folder.
const BUILT_NAME: &str = "lab-built";
/// How much of a build's output an error shows.
const EXCERPT_LINES: usize = 10;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("cannot read the files of the image in {folder}")]
    Unreadable { folder: String, source: io::Error },
    #[error("the image in {folder} cannot be built{}", excerpt(last_lines))]
    Failed {
        folder: String,
        /// The end of the build's output.
        last_lines: Vec<String>,
        source: EngineError,
    },
}

fn excerpt(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  | {line}")).collect()
}

/// Builds the image of `folder`, which messages call `name`, and returns its tag. Its steps run in `network`; each is
/// passed to `print`.
///
/// # Errors
/// A file cannot be read, or a step of the Dockerfile fails.
pub(super) async fn build(
    engine: &Engine,
    (folder, name): (&Path, &str),
    network: &str,
    print: &mut dyn FnMut(&str),
) -> Result<String, BuildError> {
    let path = folder.display().to_string();
    let tag = format!("{BUILT_NAME}:{:.16}", format!("{:x}", Sha256::digest(&path)));
    let labels = HashMap::from([(labels::BUILT.to_owned(), path)]);
    // Intermediate containers are always removed, and steps run in the network of the stacks.
    let options = BuildImageOptionsBuilder::new().t(&tag).labels(&labels).networkmode(network);
    let options = options.rm(true).forcerm(true).build();
    let (archive, end) = tokio::io::duplex(ARCHIVE_BUFFER);
    let source = folder.to_owned();
    let writing = tokio::spawn(async move { write_context(archive, &source).await });
    let body = body_try_stream(ReaderStream::with_capacity(end, ARCHIVE_BUFFER));
    let mut building = Box::pin(engine.docker.build_image(options, None, Some(body)));
    let mut last_lines = VecDeque::new();
    let outcome = loop {
        match building.try_next().await {
            Ok(None) => break Ok(()),
            Ok(Some(info)) => {
                for line in info.stream.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()) {
                    if line.starts_with("Step ") {
                        print(&format!("building the image in {name}: {line}"));
                    }
                    last_lines.push_back(line.to_owned());
                    if last_lines.len() > EXCERPT_LINES {
                        last_lines.pop_front();
                    }
                }
                if let Some(message) = info.error_detail.and_then(|detail| detail.message) {
                    break Err(Error::DockerStreamError { error: message });
                }
            }
            Err(error) => break Err(error),
        }
    };
    // An unreadable file is the cause of the engine's error.
    match writing.await {
        Ok(Err(source)) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(BuildError::Unreadable { folder: name.to_owned(), source })
        }
        _ => match outcome {
            Ok(()) => Ok(tag),
            Err(error) => {
                let source = EngineError::refused("run its Dockerfile")(error);
                Err(BuildError::Failed { folder: name.to_owned(), last_lines: last_lines.into(), source })
            }
        },
    }
}

/// Archives the folder. Links stay links.
async fn write_context(archive: impl AsyncWrite + Unpin + Send + 'static, folder: &Path) -> io::Result<()> {
    let mut tar = Builder::new(archive);
    tar.follow_symlinks(false);
    tar.append_dir_all(".", folder).await?;
    tar.into_inner().await.map(drop)
}
