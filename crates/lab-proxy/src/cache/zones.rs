//! The open zones of a configuration.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use lab_cache::store::{self, Zone};

use crate::config::Config;
use crate::limits::registry::Registry;

/// The zones of a configuration, by their places in [`Config::cache_zones`]. A configuration that was loaded again goes on
/// with those of the one before it.
#[derive(Debug, Default)]
pub(crate) struct CacheZones(Vec<Arc<Zone>>);

#[derive(Debug, thiserror::Error)]
#[error("cannot open the cache {}: {source}", path.display())]
pub struct CacheZoneError {
    path: PathBuf,
    source: io::Error,
}

impl CacheZones {
    /// Opens the zones.
    ///
    /// # Errors
    /// The first folder that cannot be created, or is none.
    pub(crate) fn open(config: &Config) -> Result<CacheZones, CacheZoneError> {
        static ZONES: Registry<Zone> = Registry::new();
        let opened = config.cache_zones.iter().map(|zone| {
            let settings = &zone.settings;
            let zone = ZONES.find_or_try_add(&format!("{settings:?}"), || Zone::open(settings.clone()));
            zone.map_err(|source| CacheZoneError { path: settings.folder.clone(), source })
        });
        opened.collect::<Result<_, _>>().map(CacheZones)
    }

    /// Starts the threads of the zones that have none. A process must not fork afterwards.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(crate) fn start(&self) -> Result<(), CacheZoneError> {
        self.0.iter().try_for_each(|zone| {
            store::start(zone).map_err(|source| CacheZoneError { path: zone.folder().to_owned(), source })
        })
    }

    /// The zone at a place.
    pub(crate) fn get(&self, index: usize) -> Option<&Arc<Zone>> {
        self.0.get(index)
    }
}
