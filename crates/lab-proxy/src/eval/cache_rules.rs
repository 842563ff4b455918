//! `proxy_cache_bypass`, `proxy_no_cache`: whether a request passes the cache by.

use super::Scope;
use crate::config::proxy::cache::CacheConfig;
use crate::variables::Template;

impl CacheConfig {
    /// Whether no stored response is used.
    pub(crate) fn is_bypassed(&self, scope: &Scope<'_>) -> bool {
        is_any_set(&self.bypass, scope)
    }

    /// Whether the response is not stored.
    pub(crate) fn is_storing_refused(&self, scope: &Scope<'_>) -> bool {
        is_any_set(&self.no_cache, scope)
    }
}

/// Whether a value is neither empty nor `0`.
fn is_any_set(values: &[Template], scope: &Scope<'_>) -> bool {
    values.iter().map(|template| template.value(scope)).any(|value| !value.is_empty() && value != b"0")
}
