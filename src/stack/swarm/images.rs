//! The images of a run: lab's own, and those that add layers of this machine's files to it.
//!
//! A node gets an image from a registry that the scenario names, or has it because it is the manager, where the image is
//! made. lab's own image and those of Python environments are named for their content, so every run after the first finds
//! them; the files of an application are in images of the run.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::docker_client::{DockerClient, DockerError};
use super::image_layer::{ImageLayer, ROOT};
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

/// An image, and the folders of the libraries that its programs load.
#[derive(Debug, Clone)]
struct LayeredImage {
    reference: String,
    library_folders: BTreeSet<PathBuf>,
}

/// Makes the images of one run.
#[derive(Debug)]
pub struct Images {
    docker: DockerClient,
    registry: Option<String>,
    /// lab's own.
    base: LayeredImage,
    run: String,
    labels: Vec<(String, String)>,
    /// By the reference of the image below and the layer.
    made: BTreeMap<(String, ImageLayer), LayeredImage>,
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
        let library_folders = library_folders(&files);
        let content = digest(lab, &files).map_err(ImageError::Unreadable)?;
        let base = LayeredImage { reference: reference(registry.as_deref(), &content), library_folders };
        if !is_known(&docker, &base.reference).await? {
            let label = format!("LABEL {}=lab-itself", labels::BUILT);
            let library_path = format!("ENV {}", base.library_path());
            let import = ["import", "--change", &label, "--change", &library_path, "-", &base.reference];
            let (archive, end) = tokio::io::duplex(ARCHIVE_BUFFER);
            let lab = lab.to_owned();
            let writing = tokio::spawn(async move { lab_image::write_root(archive, &lab, &files).await });
            let imported = docker.run_with_input("import lab's own image", &import, end).await;
            written(writing).await?;
            imported?;
        }
        let images = Images { docker, registry, base, run: run.to_owned(), labels, made: BTreeMap::new() };
        images.push(&images.base.reference).await?;
        Ok(images)
    }

    /// lab's own image.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base.reference
    }

    /// Whether every node can pull the images.
    #[must_use]
    pub fn has_registry(&self) -> bool {
        self.registry.is_some()
    }

    /// lab's own image with these layers, each made on first use: those of a Python environment, and on top the files of this
    /// run.
    ///
    /// # Errors
    /// [`ImageError`].
    pub(super) async fn with(&mut self, environment: &[ImageLayer], own: ImageLayer) -> Result<String, ImageError> {
        let mut image = self.base.clone();
        for layer in environment {
            image = self.add(&image, layer.clone(), Naming::Content).await?;
        }
        Ok(self.add(&image, own, Naming::Run).await?.reference)
    }

    async fn add(
        &mut self,
        below: &LayeredImage,
        layer: ImageLayer,
        naming: Naming,
    ) -> Result<LayeredImage, ImageError> {
        if layer.is_empty() {
            return Ok(below.clone());
        }
        let key = (below.reference.clone(), layer);
        if let Some(image) = self.made.get(&key) {
            return Ok(image.clone());
        }
        let (_, layer) = &key;
        let (tag, labels) = match naming {
            Naming::Run => (format!("{}-{}", self.run, self.made.len() + 1), self.labels.clone()),
            Naming::Content => {
                let built = vec![(labels::BUILT.to_owned(), "python-environment".to_owned())];
                (content_tag(below.reference.clone(), layer.clone()).await?, built)
            }
        };
        let mut image = LayeredImage { reference: reference(self.registry.as_deref(), &tag), ..below.clone() };
        image.library_folders.extend(library_folders(&layer.libraries));
        let is_known = match naming {
            Naming::Run => false,
            Naming::Content => is_known(&self.docker, &image.reference).await?,
        };
        if !is_known {
            self.build(below, &image, layer.clone(), &labels).await?;
        }
        self.push(&image.reference).await?;
        self.made.insert(key, image.clone());
        Ok(image)
    }

    async fn build(
        &self,
        below: &LayeredImage,
        image: &LayeredImage,
        layer: ImageLayer,
        labels: &[(String, String)],
    ) -> Result<(), ImageError> {
        let recipe = format!("FROM {}\nCOPY {ROOT}/ /\nENV {}\n", below.reference, image.library_path());
        let mut build = ["build", "--quiet", "--tag", &image.reference].map(str::to_owned).to_vec();
        for (name, value) in labels {
            build.extend(["--label".to_owned(), format!("{name}={value}")]);
        }
        build.push("-".to_owned());
        let (archive, end) = tokio::io::duplex(ARCHIVE_BUFFER);
        let writing = tokio::spawn(layer.write_context(archive, recipe));
        let built = self.docker.run_with_input("build an image of an application's files", &build, end).await;
        written(writing).await?;
        built?;
        Ok(())
    }

    async fn push(&self, image: &str) -> Result<(), ImageError> {
        let Some(registry) = &self.registry else { return Ok(()) };
        let pushed = self.docker.run("push an image", &["push", "--quiet", image]).await;
        pushed.map(drop).map_err(|source| ImageError::Push { registry: registry.clone(), source })
    }
}

/// What an image is named for.
#[derive(Debug, Clone, Copy)]
enum Naming {
    /// The run, with which it is removed.
    Run,
    Content,
}

impl LayeredImage {
    /// The variable by which programs find their libraries, where the loader's cache is missing.
    fn library_path(&self) -> String {
        let folders: Vec<_> = self.library_folders.iter().map(|folder| folder.display().to_string()).collect();
        format!("LD_LIBRARY_PATH={}", folders.join(":"))
    }
}

fn library_folders(libraries: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    libraries.iter().filter_map(|library| library.parent()).map(Path::to_owned).collect()
}

async fn is_known(docker: &DockerClient, image: &str) -> Result<bool, DockerError> {
    Ok(!docker.lines("list images", &["image", "ls", "--quiet", image]).await?.is_empty())
}

/// Reads every file of the layer, so it blocks.
async fn content_tag(below: String, layer: ImageLayer) -> Result<String, ImageError> {
    match tokio::task::spawn_blocking(move || layer.digest(&below)).await {
        Ok(tag) => tag.map_err(ImageError::Unreadable),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
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
    Ok(lab_image::tag(digest))
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
