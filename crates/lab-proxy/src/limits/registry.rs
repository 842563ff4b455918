//! The zones that are in use, by their parameters: a configuration that was loaded again continues with the state of the
//! one before it, as in nginx.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The zones of one kind.
pub(crate) struct Registry<Z> {
    zones: Mutex<Option<HashMap<String, Weak<Z>>>>,
}

impl<Z> Registry<Z> {
    pub(crate) const fn new() -> Registry<Z> {
        Registry { zones: Mutex::new(None) }
    }

    /// The zone with these parameters, which is made if no configuration has it.
    pub(crate) fn find_or_add(&self, parameters: &str, make: impl FnOnce() -> Z) -> Arc<Z> {
        let Ok(zone) = self.find_or_try_add(parameters, || Ok::<Z, Infallible>(make()));
        zone
    }

    /// As [`find_or_add`](Registry::find_or_add), for zones that cannot always be made.
    ///
    /// # Errors
    /// That of `make`.
    pub(crate) fn find_or_try_add<E>(
        &self,
        parameters: &str,
        make: impl FnOnce() -> Result<Z, E>,
    ) -> Result<Arc<Z>, E> {
        let mut zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        let zones = zones.get_or_insert_default();
        if let Some(zone) = zones.get(parameters).and_then(Weak::upgrade) {
            return Ok(zone);
        }
        zones.retain(|_, zone| zone.strong_count() > 0);
        let zone = Arc::new(make()?);
        zones.insert(parameters.to_owned(), Arc::downgrade(&zone));
        Ok(zone)
    }
}
