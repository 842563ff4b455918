//! The images that a scenario names: pulled or built before anything is started, and probed for the kinds in them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use testcontainers::bollard::models::ImageInspect;

use super::build::{self, BuildError};
use super::engine::EngineError;
use super::image_probe::{self, ImageProbeError};
use super::pull;
use super::run_network::RunNetwork;
use crate::catalog::Role;
use crate::catalog::kind::Kind;
use crate::provision::Installation;
use crate::scenario::model::Image;
use crate::stack::component_spec::ImageIdentity;

/// Why a component's image cannot be obtained.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioImageError {
    /// The engine does not have it and cannot pull it, or does not describe it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The kind is not in it.
    #[error(transparent)]
    Inside(#[from] ImageProbeError),
    /// It has no id by which it could be told from another.
    #[error("the engine does not tell the id of the image {0}")]
    Nameless(String),
}

/// The obtained images, and the kinds found in them.
#[derive(Debug, Default)]
pub(super) struct ScenarioImages {
    origins: BTreeMap<Image, ImageIdentity>,
    kinds: BTreeMap<(Image, Role, String), Installation>,
}

impl ScenarioImages {
    /// Has the engine get `image`, and finds `kind` in it. Each is done once. `root` is the scenario's.
    ///
    /// # Errors
    /// [`ScenarioImageError`].
    pub(super) async fn obtain(
        &mut self,
        network: &RunNetwork,
        image: &Image,
        kind: &Kind,
        root: &Path,
        print: &mut dyn FnMut(&str),
    ) -> Result<(), ScenarioImageError> {
        let origin = match self.origins.get(image) {
            Some(origin) => origin.clone(),
            None => {
                let origin = origin(network, image, root, print).await?;
                self.origins.insert(image.clone(), origin.clone());
                origin
            }
        };
        let key = (image.clone(), kind.role, kind.name.clone());
        if let Entry::Vacant(entry) = self.kinds.entry(key) {
            entry.insert(image_probe::find(&network.engine, kind, (&origin.id, &origin.name), &network.labels).await?);
        }
        Ok(())
    }

    /// An image and a kind in it; `None` if they were not obtained.
    pub(super) fn get(&self, image: &Image, kind: &Kind) -> Option<(&ImageIdentity, &Installation)> {
        let found = self.kinds.get(&(image.clone(), kind.role, kind.name.clone()))?;
        Some((self.origins.get(image)?, found))
    }
}

/// The image as the engine has it, once it has it.
async fn origin(
    network: &RunNetwork,
    image: &Image,
    root: &Path,
    print: &mut dyn FnMut(&str),
) -> Result<ImageIdentity, ScenarioImageError> {
    let (name, tag) = match image {
        Image::Named(name) => {
            pull::pull(&network.engine, name, print).await?;
            (name.clone(), name.clone())
        }
        Image::Built(folder) => {
            let name = folder.strip_prefix(root).unwrap_or(folder).display().to_string();
            let tag = build::build(&network.engine, (folder, &name), &network.network, print).await?;
            (name, tag)
        }
    };
    let seen = network.engine.docker.inspect_image(&tag).await;
    let seen = seen.map_err(EngineError::refused(format!("describe the image {name}")))?;
    described(&name, seen).ok_or_else(|| ScenarioImageError::Nameless(name))
}

/// An image's identity; `None` if it has no id. Containers are made from the id: the tag may move to another image during
/// the run.
fn described(name: &str, seen: ImageInspect) -> Option<ImageIdentity> {
    let digest = seen.repo_digests.and_then(|digests| digests.into_iter().next());
    Some(ImageIdentity { name: name.to_owned(), id: seen.id?, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_identified_by_its_id() {
        let seen = |id: Option<&str>| ImageInspect {
            id: id.map(str::to_owned),
            repo_digests: Some(vec!["nginx@sha256:aa".to_owned()]),
            ..ImageInspect::default()
        };
        let origin = described("nginx:1.28", seen(Some("sha256:bb"))).unwrap();
        assert_eq!((origin.id.as_str(), origin.digest.as_deref()), ("sha256:bb", Some("nginx@sha256:aa")));
        assert_eq!(described("nginx:1.28", seen(None)), None);
    }
}
