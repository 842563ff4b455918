//! Makes lab's own image from the running binary and its libraries.
//!
//! It needs no registry and no base image: the root file system holds only lab, its loader and its libraries, at their own
//! paths. The files are streamed to the engine as a tar archive.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use testcontainers::bollard::body_try_stream;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;
use tokio::io::AsyncWrite;
use tokio_tar::{Builder, EntryType, Header};
use tokio_util::io::ReaderStream;

use super::engine::{Engine, EngineError};
use super::labels;
use super::libraries::{self, LibrariesError};

/// The path of lab's binary in its image.
pub(crate) const LAB: &str = "/lab";

/// The name of lab's own images; their tag consists of the run and the number of the environment.
pub(super) const OWN_NAME: &str = "lab-own";

/// The buffer between the writer of an archive and its sender, in bytes.
pub(in crate::stack) const ARCHIVE_BUFFER: usize = 256 * 1024;

/// Why lab's own image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LabImageError {
    #[error(transparent)]
    Libraries(#[from] LibrariesError),
    #[error("cannot read a file of the image")]
    Unreadable(#[source] io::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A reference to an image in two parts, as testcontainers takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// Everything before the last colon.
    pub(super) name: String,
    pub(super) tag: String,
}

impl ImageReference {
    /// From a name with its tag or digest.
    pub(super) fn from_name(name: &str) -> ImageReference {
        let (name, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        ImageReference { name: name.to_owned(), tag: tag.to_owned() }
    }

    /// From an image id, `sha256:` and a digest.
    pub(super) fn from_id(id: &str) -> ImageReference {
        let (name, tag) = id.split_once(':').unwrap_or(("sha256", id));
        ImageReference { name: name.to_owned(), tag: tag.to_owned() }
    }
}

/// lab's own image.
#[derive(Debug, Clone)]
pub(super) struct LabImage {
    pub(super) reference: ImageReference,
    /// `LD_LIBRARY_PATH` of its containers, where the loader's cache is missing. Empty if lab is a static program.
    pub(super) library_path: String,
}

/// Makes the image `tag` of the lab binary at `lab`, with additional libraries.
///
/// # Errors
/// The binary's libraries are not found, or the engine refuses the image.
pub(super) async fn import(
    engine: &Engine,
    lab: &Path,
    additional: &BTreeSet<PathBuf>,
    tag: String,
    labels: &HashMap<String, String>,
) -> Result<LabImage, LabImageError> {
    let mut files = libraries::program_libraries(lab)?;
    files.extend(additional.iter().cloned());
    // Podman accepts only one change: it takes the others for a part of the first one's value.
    let kept = labels.iter().filter(|(name, _)| !engine.is_podman || *name == labels::RUN);
    let changes = kept.map(|(name, value)| format!("LABEL {name}={value}")).collect();
    let library_path = library_path(&files);
    let reference = ImageReference { name: OWN_NAME.to_owned(), tag };
    let (archive, end) = tokio::io::duplex(ARCHIVE_BUFFER);
    let lab = lab.to_owned();
    let writing = tokio::spawn(async move { write_root(archive, &lab, &files).await });
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(&reference.name).tag(&reference.tag);
    let options = options.changes(changes).build();
    let body = body_try_stream(ReaderStream::with_capacity(end, ARCHIVE_BUFFER));
    let imported = engine.docker.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await;
    // An unreadable file is the cause of the engine's error.
    let infos = match writing.await {
        Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => return Err(LabImageError::Unreadable(error)),
        _ => imported.map_err(EngineError::refused("import lab's own image"))?,
    };
    // Podman ignores the requested tag and uses `latest`, so the id identifies the image.
    let id = infos.into_iter().filter_map(|info| info.status).rfind(|status| status.starts_with("sha256:"));
    Ok(LabImage { reference: id.map_or(reference, |id| ImageReference::from_id(&id)), library_path })
}

/// `LD_LIBRARY_PATH` for libraries at these paths, where the loader's cache is missing.
pub(in crate::stack) fn library_path(libraries: &BTreeSet<PathBuf>) -> String {
    let folders = libraries.iter().filter_map(|file| file.parent());
    let folders: BTreeSet<String> = folders.map(|folder| folder.display().to_string()).collect();
    folders.into_iter().collect::<Vec<_>>().join(":")
}

/// A tag that names the digested content.
pub(in crate::stack) fn tag(digest: Sha256) -> String {
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the root file system: lab at [`LAB`], everything else at its own path.
pub(in crate::stack) async fn write_root(
    archive: impl AsyncWrite + Unpin + Send + 'static,
    lab: &Path,
    files: &BTreeSet<PathBuf>,
) -> io::Result<()> {
    let mut tar = Builder::new(archive);
    let mut created = BTreeSet::new();
    let entries = files.iter().map(|file| (file.as_path(), file.as_path()));
    for (target, source) in std::iter::once((Path::new(LAB), lab)).chain(entries) {
        let inside = target.strip_prefix("/").unwrap_or(target);
        let folders: Vec<&Path> = inside.ancestors().skip(1).filter(|path| *path != Path::new("")).collect();
        for folder in folders.into_iter().rev() {
            if created.insert(folder.to_owned()) {
                let mut header = header(EntryType::Directory, 0);
                tar.append_data(&mut header, folder, tokio::io::empty()).await?;
            }
        }
        let file = tokio::fs::File::open(source).await?;
        let mut header = header(EntryType::Regular, file.metadata().await?.len());
        tar.append_data(&mut header, inside, file).await?;
    }
    tar.into_inner().await.map(drop)
}

/// Owned by root, readable and executable by everyone, and without a time: the same files make the same image.
pub(in crate::stack) fn header(kind: EntryType, bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(bytes);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
