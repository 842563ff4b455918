//! The images of a run: lab's own, and those that add files of this machine to it.
//!
//! A node gets an image from a registry that the scenario names, or has it because it is the manager, where the image is
//! made. lab's own image is named for its content, so every run after the first finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWrite;
use tokio_tar::{Builder, EntryType};

use super::docker_client::{DockerClient, DockerError};
use crate::stack::container::lab_image::{self, ARCHIVE_BUFFER};
use crate::stack::container::labels;
use crate::stack::container::libraries::{self, LibrariesError};

/// The name of the images, below the registry's.
const NAME: &str = "lab-swarm";

/// Why an image cannot be made or distributed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error(transparent)]
    Libraries(#[from] LibrariesError),
    #[error("cannot read a file of the image")]
    Unreadable(#[source] io::Error),
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error("the image cannot be pushed to {registry}, the `registry` of `[placement]`")]
    Push { registry: String, source: DockerError },
}

/// What an image has beside lab itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddedFiles {
    /// Files and folders at their own paths.
    pub paths: BTreeSet<PathBuf>,
    /// Libraries at the paths where the loader finds them.
    pub libraries: BTreeSet<PathBuf>,
}

/// Makes the images of one run.
#[derive(Debug)]
pub struct Images {
    docker: DockerClient,
    registry: Option<String>,
    /// lab's own.
    base: String,
    library_path: String,
    run: String,
    labels: Vec<(String, String)>,
    made: BTreeMap<AddedFiles, String>,
}

impl Images {
    /// Makes lab's own image, unless the engine has it, and gives it to the registry.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn make(
        docker: DockerClient,
        lab: &Path,
        registry: Option<String>,
        run: &str,
        labels: Vec<(String, String)>,
    ) -> Result<Images, ImageError> {
        let files = libraries::program_libraries(lab)?;
        let library_path = lab_image::library_path(&files);
        let content = digest(lab, &files).map_err(ImageError::Unreadable)?;
        let base = reference(registry.as_deref(), &content);
        let known = ["image", "ls", "--quiet", &base];
        if docker.lines("list images", &known).await?.is_empty() {
            let label = format!("LABEL {}=lab-itself", labels::BUILT);
            let library_path = format!("ENV LD_LIBRARY_PATH={library_path}");
            let import = ["import", "--change", &label, "--change", &library_path, "-", &base];
            let (archive, end) = tokio::io::duplex(ARCHIVE_BUFFER);
            let lab = lab.to_owned();
            let writing = tokio::spawn(async move { lab_image::write_root(archive, &lab, &files).await });
            let imported = docker.run_with_input("import lab's own image", &import, end).await;
            written(writing).await?;
            imported?;
        }
        let images =
            Images { docker, registry, base, library_path, run: run.to_owned(), labels, made: BTreeMap::new() };
        images.push(&images.base).await?;
        Ok(images)
    }

    /// lab's own image.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether every node can pull the images.
    #[must_use]
    pub fn has_registry(&self) -> bool {
        self.registry.is_some()
    }

    /// lab's own image with these files added, made on first use.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn with(&mut self, added: AddedFiles) -> Result<String, ImageError> {
        if added == AddedFiles::default() {
            return Ok(self.base.clone());
        }
        if let Some(image) = self.made.get(&added) {
            return Ok(image.clone());
        }
        let image = reference(self.registry.as_deref(), &format!("{}-{}", self.run, self.made.len() + 1));
        let mut library_paths: BTreeSet<&str> = self.library_path.split(':').collect();
        let added_path = lab_image::library_path(&added.libraries);
        library_paths.extend(added_path.split(':').filter(|path| !path.is_empty()));
        let library_path = library_paths.into_iter().collect::<Vec<_>>().join(":");
        let recipe = format!("FROM {}\nCOPY root/ /\nENV LD_LIBRARY_PATH={library_path}\n", self.base);
        let mut build = vec!["build".to_owned(), "--quiet".to_owned(), "--tag".to_owned(), image.clone()];
        for (name, value) in &self.labels {
            build.extend(["--label".to_owned(), format!("{name}={value}")]);
        }
        build.push("-".to_owned());
        let (archive, end) = tokio::io::duplex(ARCHIVE_BUFFER);
        let files = added.clone();
        let writing = tokio::spawn(async move { write_context(archive, &recipe, &files).await });
        let built = self.docker.run_with_input("build an image of the application's files", &build, end).await;
        written(writing).await?;
        built?;
        self.push(&image).await?;
        self.made.insert(added, image.clone());
        Ok(image)
    }

    async fn push(&self, image: &str) -> Result<(), ImageError> {
        let Some(registry) = &self.registry else { return Ok(()) };
        let pushed = self.docker.run("push an image", &["push", "--quiet", image]).await;
        pushed.map(drop).map_err(|source| ImageError::Push { registry: registry.clone(), source })
    }
}

/// The name of an image with a tag.
fn reference(registry: Option<&str>, tag: &str) -> String {
    match registry {
        Some(registry) => format!("{}/{NAME}:{}", registry.trim_end_matches('/'), tag.to_lowercase()),
        None => format!("{NAME}:{}", tag.to_lowercase()),
    }
}

/// An unreadable file is the cause of docker's error. A docker that reads no further is not.
async fn written(writing: tokio::task::JoinHandle<io::Result<()>>) -> Result<(), ImageError> {
    match writing.await {
        Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(ImageError::Unreadable(error)),
        _ => Ok(()),
    }
}

/// Names the content of lab's image.
fn digest(lab: &Path, files: &BTreeSet<PathBuf>) -> io::Result<String> {
    let mut digest = Sha256::new();
    for file in std::iter::once(lab).chain(files.iter().map(PathBuf::as_path)) {
        digest.update(file.as_os_str().as_encoded_bytes());
        io::copy(&mut std::fs::File::open(file)?, &mut digest)?;
    }
    Ok(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Writes the context of a build: its recipe, and the files below `root/`.
async fn write_context(
    archive: impl AsyncWrite + Unpin + Send + 'static,
    recipe: &str,
    added: &AddedFiles,
) -> io::Result<()> {
    let mut tar = Builder::new(archive);
    tar.follow_symlinks(false);
    let mut head = lab_image::header(EntryType::Regular, recipe.len() as u64);
    tar.append_data(&mut head, "Dockerfile", recipe.as_bytes()).await?;
    for path in added.paths.iter().chain(&added.libraries) {
        let inside = Path::new("root").join(path.strip_prefix("/").unwrap_or(path));
        let kind = path.symlink_metadata()?.file_type();
        match (kind.is_dir(), kind.is_symlink()) {
            (true, _) => tar.append_dir_all(&inside, path).await?,
            // A library is looked up by its name, which may be a link's.
            (_, true) if added.libraries.contains(path) => {
                let mut file = tokio::fs::File::open(path).await?;
                let mut head = lab_image::header(EntryType::Regular, file.metadata().await?.len());
                tar.append_data(&mut head, &inside, &mut file).await?;
            }
            _ => tar.append_path_with_name(path, &inside).await?,
        }
    }
    tar.into_inner().await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_below_their_registry() {
        assert_eq!(reference(Some("10.0.0.1:5000/"), "20261201T1-2"), "10.0.0.1:5000/lab-swarm:20261201t1-2");
        assert_eq!(reference(None, "0a"), "lab-swarm:0a");
    }
}
