//! The zones of `proxy_cache_path` and `uwsgi_cache_path`: folders of stored responses.

use lab_cache::store::ZoneSettings;

/// A `proxy_cache_path` or `uwsgi_cache_path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheZone {
    pub name: String,
    /// Whether it is for `uwsgi_cache` instead of `proxy_cache`.
    pub is_uwsgi: bool,
    pub settings: ZoneSettings,
}
