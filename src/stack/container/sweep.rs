//! Removal: of one run's containers, networks and images, or of those that dead runs have left.
//!
//! Only what carries lab's label is looked at. Whoever else removes the same at the same time is welcome.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder,
};

use super::engine::{Engine, EngineError, settled};
use super::labels::{self, Owner, RunState};
use crate::measure::procfs;

/// Time between two attempts to remove what was still in use.
const INTERVAL: Duration = Duration::from_millis(100);

/// What lab made in an engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineObject {
    /// A container, by its name.
    Container(String),
    /// A network, by its name.
    Network(String),
    /// An image, by its first tag, else its id.
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

/// What is left of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers {
    /// Whether its process runs.
    pub life: RunState,
    /// Its objects in the order in which they can be removed: containers, networks, images.
    pub made: Vec<EngineObject>,
}

/// Everything that carries lab's label, by run.
///
/// # Errors
/// The engine does not tell.
pub async fn find_leftovers(engine: &Engine) -> Result<BTreeMap<String, Leftovers>, EngineError> {
    let me = Owner::this_process().ok();
    let mut runs: BTreeMap<String, (Option<RunState>, Vec<EngineObject>)> = BTreeMap::new();
    for (labels, made) in listed(engine, labels::RUN).await? {
        let Some(run) = labels.get(labels::RUN) else { continue };
        let life = labels.get(labels::OWNER).map(|text| {
            let owner = me.as_ref().zip(Owner::parse(text));
            owner.map_or(RunState::Unknown, |(me, owner)| owner.life(me, procfs::started_ticks))
        });
        let (lives, all) = runs.entry(run.clone()).or_default();
        // Where two owners share a run (an interrupted one, resumed), the livelier counts. What does not tell its owner,
        // as an image in Podman, has that of the rest.
        *lives = (*lives).max(life);
        all.push(made);
    }
    let left = runs.into_iter().map(|(run, (life, mut made))| {
        made.sort();
        (run, Leftovers { life: life.unwrap_or(RunState::Unknown), made })
    });
    Ok(left.collect())
}

/// The images that were built from folders, and kept for the next time.
///
/// # Errors
/// The engine does not tell.
pub async fn built_images(engine: &Engine) -> Result<Vec<EngineObject>, EngineError> {
    Ok(images(engine, labels::BUILT).await?.into_iter().map(|(_, made)| made).collect())
}

/// Removes such an image. Returns whether it is gone: one that a container is made from stays.
pub async fn remove_built_image(engine: &Engine, made: &EngineObject) -> bool {
    match made {
        EngineObject::Image(name) => {
            let options = RemoveImageOptionsBuilder::new().build();
            engine.docker.remove_image(name, Some(options), None).await.is_ok()
        }
        EngineObject::Container(_) | EngineObject::Network(_) => false,
    }
}

/// Removes everything of one run, again and again until nothing is left or the time is up. Returns what is left.
///
/// # Errors
/// The engine does not tell what is there.
pub async fn remove_run(engine: &Engine, run: &str, deadline: Duration) -> Result<Vec<EngineObject>, EngineError> {
    let label = format!("{}={run}", labels::RUN);
    let until = tokio::time::Instant::now() + deadline;
    loop {
        let mut made: Vec<EngineObject> = listed(engine, &label).await?.into_iter().map(|(_, made)| made).collect();
        made.sort();
        for one in &made {
            // What is still in use now is not in a moment; what another has removed is removed.
            let _ = remove(engine, one).await;
        }
        if made.is_empty() || tokio::time::Instant::now() > until {
            return Ok(made);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Waits until no container of the run is left, at most so long: its keepers stop them in order.
///
/// # Errors
/// The engine does not tell what is there.
pub async fn wait_for_keepers(engine: &Engine, run: &str, deadline: Duration) -> Result<(), EngineError> {
    let label = format!("{}={run}", labels::RUN);
    let until = tokio::time::Instant::now() + deadline;
    while !containers(engine, &label).await?.is_empty() && tokio::time::Instant::now() < until {
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(())
}

type Labelled = (HashMap<String, String>, EngineObject);

/// Everything with this label (`name` or `name=value`).
async fn listed(engine: &Engine, label: &str) -> Result<Vec<Labelled>, EngineError> {
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
    let found = settled(|| engine.docker.list_containers(Some(options.clone()))).await;
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

async fn remove(engine: &Engine, made: &EngineObject) -> Result<(), Error> {
    match made {
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
