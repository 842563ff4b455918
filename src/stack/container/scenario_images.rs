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
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Probe(#[from] ImageProbeError),
    /// Without an id, the image cannot be identified.
    #[error("the engine reports no id of the image {0}")]
    NoId(String),
}

/// The obtained images, and the kinds found in them.
#[derive(Debug, Default)]
pub(super) struct ScenarioImages {
    identities: BTreeMap<Image, ImageIdentity>,
    kinds: BTreeMap<(Image, Role, String), Installation>,
}

impl ScenarioImages {
    /// Pulls or builds `image` and finds `kind` in it, each only once. `root` is the scenario's.
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
        let identity = match self.identities.get(image) {
            Some(identity) => identity.clone(),
            None => {
                let identity = identify(network, image, root, print).await?;
                self.identities.insert(image.clone(), identity.clone());
                identity
            }
        };
        let key = (image.clone(), kind.role, kind.name.clone());
        if let Entry::Vacant(entry) = self.kinds.entry(key) {
            entry.insert(
                image_probe::find(&network.engine, kind, (&identity.id, &identity.name), &network.labels).await?,
            );
        }
        Ok(())
    }

    /// An image and a kind in it; `None` if they were not obtained.
    pub(super) fn get(&self, image: &Image, kind: &Kind) -> Option<(&ImageIdentity, &Installation)> {
        let found = self.kinds.get(&(image.clone(), kind.role, kind.name.clone()))?;
        Some((self.identities.get(image)?, found))
    }
}

/// Pulls or builds an image.
async fn identify(
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
    let inspected = network.engine.docker.inspect_image(&tag).await;
    let inspected = inspected.map_err(EngineError::refused(format!("describe the image {name}")))?;
    identity(&name, inspected).ok_or_else(|| ScenarioImageError::NoId(name))
}

/// An image's identity; `None` if it has no id. Containers are made from the id: the tag may move to another image during
/// the run.
fn identity(name: &str, inspected: ImageInspect) -> Option<ImageIdentity> {
    let digest = inspected.repo_digests.and_then(|digests| digests.into_iter().next());
    Some(ImageIdentity { name: name.to_owned(), id: inspected.id?, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_identified_by_its_id() {
        let inspected = |id: Option<&str>| ImageInspect {
            id: id.map(str::to_owned),
            repo_digests: Some(vec!["nginx@sha256:aa".to_owned()]),
            ..ImageInspect::default()
        };
        let found = identity("nginx:1.28", inspected(Some("sha256:bb"))).unwrap();
        assert_eq!((found.id.as_str(), found.digest.as_deref()), ("sha256:bb", Some("nginx@sha256:aa")));
        assert_eq!(identity("nginx:1.28", inspected(None)), None);
    }
}
