//! Removes the containers, networks and images of one run, or the leftovers of ended runs.
//!
//! Only objects with lab's label are touched. Several processes may remove the same objects concurrently.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder,
};

use super::engine::{Engine, EngineError, retry_undecodable};
use super::labels::{self, Owner, RunState};
use crate::measure::procfs;

/// The time between two attempts to remove objects that were in use.
const INTERVAL: Duration = Duration::from_millis(100);

/// An object that lab created in an engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineObject {
    /// A container, by its name.
    Container(String),
    /// A network, by its name.
    Network(String),
    /// An image, by its first tag, or by its id if it has none.
    Image(String),
}

impl fmt::Display for EngineObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineObject::Container(name) => write!(f, "container {name}"),
            EngineObject::Network(name) => write!(f, "network {name}"),
            EngineObject::Image(name) => write!(f, "image {name}"),
        }
    }
}

/// The remaining objects of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers {
    pub state: RunState,
    /// In the order in which they can be removed: containers, networks, images.
    pub objects: Vec<EngineObject>,
}

/// All objects with lab's label, by run.
///
/// # Errors
/// The engine cannot list its objects.
pub async fn find_leftovers(engine: &Engine) -> Result<BTreeMap<String, Leftovers>, EngineError> {
    let me = Owner::this_process().ok();
    let mut runs: BTreeMap<String, (Option<RunState>, Vec<EngineObject>)> = BTreeMap::new();
    for (labels, object) in list(engine, labels::RUN).await? {
        let Some(run) = labels.get(labels::RUN) else { continue };
        let state = labels.get(labels::OWNER).map(|text| {
            let owner = me.as_ref().zip(Owner::parse(text));
            owner.map_or(RunState::Unknown, |(me, owner)| owner.run_state(me, procfs::started_ticks))
        });
        let (run_state, objects) = runs.entry(run.clone()).or_default();
        // A resumed run has two owners; it runs if either of them does. Objects without an owner, such as images in
        // Podman, share that of the others.
        *run_state = (*run_state).max(state);
        objects.push(object);
    }
    let left = runs.into_iter().map(|(run, (state, mut objects))| {
        objects.sort();
        (run, Leftovers { state: state.unwrap_or(RunState::Unknown), objects })
    });
    Ok(left.collect())
}

/// The images that were built from folders and kept for later runs.
///
/// # Errors
/// The engine cannot list its images.
pub async fn built_images(engine: &Engine) -> Result<Vec<EngineObject>, EngineError> {
    Ok(images(engine, labels::BUILT).await?.into_iter().map(|(_, image)| image).collect())
}

/// Removes a built image. Returns whether it is gone: an image in use stays.
pub async fn remove_built_image(engine: &Engine, image: &EngineObject) -> bool {
    match image {
        EngineObject::Image(name) => {
            let options = RemoveImageOptionsBuilder::new().build();
            engine.docker.remove_image(name, Some(options), None).await.is_ok()
        }
        EngineObject::Container(_) | EngineObject::Network(_) => false,
    }
}

/// Removes all objects of one run, repeatedly until nothing is left or the deadline has passed. Returns the objects that are
/// left.
///
/// # Errors
/// The engine cannot list its objects.
pub async fn remove_run(engine: &Engine, run: &str, deadline: Duration) -> Result<Vec<EngineObject>, EngineError> {
    let label = format!("{}={run}", labels::RUN);
    let until = tokio::time::Instant::now() + deadline;
    loop {
        let mut objects: Vec<EngineObject> =
            list(engine, &label).await?.into_iter().map(|(_, object)| object).collect();
        objects.sort();
        for object in &objects {
            // An object may still be in use, or removed by another process.
            let _ = remove(engine, object).await;
        }
        if objects.is_empty() || tokio::time::Instant::now() > until {
            return Ok(objects);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Waits until the run's keepers have stopped all its containers, or the deadline has passed.
///
/// # Errors
/// The engine cannot list its containers.
pub async fn wait_for_keepers(engine: &Engine, run: &str, deadline: Duration) -> Result<(), EngineError> {
    let label = format!("{}={run}", labels::RUN);
    let until = tokio::time::Instant::now() + deadline;
    while !containers(engine, &label).await?.is_empty() && tokio::time::Instant::now() < until {
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(())
}

type Labelled = (HashMap<String, String>, EngineObject);

/// All objects with this label (`name` or `name=value`).
async fn list(engine: &Engine, label: &str) -> Result<Vec<Labelled>, EngineError> {
    let mut found = containers(engine, label).await?;
    let filters = HashMap::from([("label", vec![label])]);
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = engine.docker.list_networks(Some(networks)).await.map_err(EngineError::refused("list networks"))?;
    found.extend(networks.into_iter().filter_map(|network| {
        let labels = network.labels.unwrap_or_default();
        Some((labels, EngineObject::Network(network.name?)))
    }));
    found.extend(images(engine, label).await?);
    Ok(found)
}

async fn images(engine: &Engine, label: &str) -> Result<Vec<Labelled>, EngineError> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListImagesOptionsBuilder::new().all(true).filters(&filters).build();
    let images = engine.docker.list_images(Some(options)).await.map_err(EngineError::refused("list images"))?;
    let named = images.into_iter().map(|image| {
        let name = image.repo_tags.into_iter().find(|tag| !tag.starts_with("<none>")).unwrap_or(image.id);
        (image.labels, EngineObject::Image(name))
    });
    Ok(named.collect())
}

async fn containers(engine: &Engine, label: &str) -> Result<Vec<Labelled>, EngineError> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = retry_undecodable(|| engine.docker.list_containers(Some(options.clone()))).await;
    let found = found.map_err(EngineError::refused("list containers"))?;
    Ok(found
        .into_iter()
        .filter_map(|container| {
            let name = container.names.and_then(|names| names.into_iter().next()).or(container.id)?;
            Some((
                container.labels.unwrap_or_default(),
                EngineObject::Container(name.trim_start_matches('/').to_owned()),
            ))
        })
        .collect())
}

async fn remove(engine: &Engine, object: &EngineObject) -> Result<(), Error> {
    match object {
        EngineObject::Container(name) => {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            engine.docker.remove_container(name, Some(options)).await
        }
        EngineObject::Network(name) => engine.docker.remove_network(name).await,
        EngineObject::Image(name) => {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            engine.docker.remove_image(name, Some(options), None).await.map(drop)
        }
    }
}
