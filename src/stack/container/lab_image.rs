//! lab's own image, made on the spot from the running binary and the libraries it needs.
//!
//! No registry is asked and no base is needed: the root file system holds lab, its loader and its libraries at their
//! own paths, and nothing else. It is streamed to the engine as a tar archive while it is read.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use testcontainers::bollard::body_try_stream;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;
use tokio::io::AsyncWrite;
use tokio_tar::{Builder, EntryType, Header};
use tokio_util::io::ReaderStream;

use super::engine::{Engine, EngineError};
use super::labels;
use super::libraries::{self, LibrariesError};

/// Where lab's binary is in its image.
pub(super) const LAB: &str = "/lab";

/// The name of lab's own images; their tag is the run they belong to, and the environment they are for.
pub(super) const OWN_NAME: &str = "lab-own";

/// Bytes between the reading of the archive and its sending.
pub(super) const IN_FLIGHT: usize = 256 * 1024;

/// Why lab's own image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LabImageError {
    /// It is not known what lab's binary needs.
    #[error(transparent)]
    Libraries(#[from] LibrariesError),
    /// A file could not be read while it was sent.
    #[error("cannot read what goes into the image")]
    Unreadable(#[source] io::Error),
    /// The engine refused it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A reference to an image in two parts, as testcontainers takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// Everything before the last colon.
    pub(super) name: String,
    /// The tag.
    pub(super) tag: String,
}

impl ImageReference {
    /// The image of that id, which is `sha256:` and a digest.
    pub(super) fn from_id(id: &str) -> ImageReference {
        let (name, tag) = id.split_once(':').unwrap_or(("sha256", id));
        ImageReference { name: name.to_owned(), tag: tag.to_owned() }
    }
}

/// lab's own image.
#[derive(Debug, Clone)]
pub(super) struct LabImage {
    pub(super) reference: ImageReference,
    /// `LD_LIBRARY_PATH` of its containers: where the loader of another distribution would not look by itself, without
    /// its cache. Empty where lab needs no library.
    pub(super) library_path: String,
}

/// Makes the image of the lab binary at `lab` with that tag, which also has the libraries in `more`.
///
/// # Errors
/// The binary's libraries are not found, or the engine refuses the image.
pub(super) async fn import(
    engine: &Engine,
    lab: &Path,
    more: &BTreeSet<PathBuf>,
    tag: String,
    labels: &HashMap<String, String>,
) -> Result<LabImage, LabImageError> {
    let mut files = libraries::needed_by(lab)?;
    files.extend(more.iter().cloned());
    // Podman understands one change and takes all that follow for the first one's value.
    let told = labels.iter().filter(|(name, _)| !engine.is_podman || *name == labels::RUN);
    let changes = told.map(|(name, value)| format!("LABEL {name}={value}")).collect();
    let folders: BTreeSet<String> =
        files.iter().filter_map(|file| file.parent()).map(|folder| folder.display().to_string()).collect();
    let library_path = folders.into_iter().collect::<Vec<_>>().join(":");
    let reference = ImageReference { name: OWN_NAME.to_owned(), tag };
    let (archive, end) = tokio::io::duplex(IN_FLIGHT);
    let lab = lab.to_owned();
    let writing = tokio::spawn(async move { write_root(archive, &lab, &files).await });
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(&reference.name).tag(&reference.tag);
    let options = options.changes(changes).build();
    let body = body_try_stream(ReaderStream::with_capacity(end, IN_FLIGHT));
    let imported = engine.docker.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await;
    // A file that cannot be read is the cause of what the engine then says.
    let said = match writing.await {
        Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => return Err(LabImageError::Unreadable(error)),
        _ => imported.map_err(EngineError::refused("import lab's own image"))?,
    };
    // Podman gives it the tag `latest`, whatever it is asked for; its id is of no other.
    let id = said.into_iter().filter_map(|info| info.status).rfind(|status| status.starts_with("sha256:"));
    Ok(LabImage { reference: id.map_or(reference, |id| ImageReference::from_id(&id)), library_path })
}

/// Writes the root file system: lab at [`LAB`], everything else at its own path.
async fn write_root(
    archive: impl AsyncWrite + Unpin + Send + 'static,
    lab: &Path,
    files: &BTreeSet<PathBuf>,
) -> io::Result<()> {
    let mut tar = Builder::new(archive);
    let mut made = BTreeSet::new();
    let entries = files.iter().map(|file| (file.as_path(), file.as_path()));
    for (target, source) in std::iter::once((Path::new(LAB), lab)).chain(entries) {
        let inside = target.strip_prefix("/").unwrap_or(target);
        let folders: Vec<&Path> = inside.ancestors().skip(1).filter(|path| *path != Path::new("")).collect();
        for folder in folders.into_iter().rev() {
            if made.insert(folder.to_owned()) {
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

/// Root's, readable and executable by everyone, and of no particular time: the same files make the same image.
fn header(kind: EntryType, bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(bytes);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
