//! The upstreams of one worker.

use crate::config::Config;
use crate::upstream::pool::UpstreamPool;
use crate::upstream::resolver::ResolverCache;

/// One pool for each upstream of the configuration, and the addresses that were looked up.
#[derive(Debug)]
pub(crate) struct Upstreams {
    pools: Vec<UpstreamPool>,
    pub(crate) resolver: ResolverCache,
}

impl Upstreams {
    pub(crate) fn new(config: &Config) -> Upstreams {
        let pools = config.upstreams.iter().map(UpstreamPool::new).collect();
        Upstreams { pools, resolver: ResolverCache::default() }
    }

    /// The pool of an upstream, by its index in the configuration.
    pub(crate) fn pool(&self, index: usize) -> &UpstreamPool {
        &self.pools[index]
    }

    /// Closes idle connections that have expired or that the peer has closed.
    pub(crate) fn sweep(&self) {
        self.pools.iter().for_each(UpstreamPool::sweep);
    }
}
