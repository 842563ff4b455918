//! What a stack records of the requests behind its proxy, for checks.

use std::time::Duration;

use crate::scenario::model::Check;

/// What to record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recording {
    /// The requests as they arrive at the server.
    pub upstream: bool,
    /// The server's responses, so that those of a cache can be told apart.
    pub cache: bool,
    /// The requests as the application sees them.
    pub app: bool,
    /// The access logs that the proxy's configuration has.
    pub access_logs: bool,
}

impl Recording {
    /// Under load: nothing.
    pub const NONE: Recording = Recording { upstream: false, cache: false, app: false, access_logs: false };
    /// As outside lab.
    pub const LOGS: Recording = Recording { access_logs: true, ..Recording::NONE };

    /// The logs, and what the checks have expectations of.
    pub fn for_checks<'c>(checks: impl Iterator<Item = &'c Check>) -> Recording {
        checks.fold(Recording::LOGS, |recording, check| Recording {
            upstream: recording.upstream || !check.expect.upstream.is_empty() || check.expect.cache.is_some(),
            cache: recording.cache || check.expect.cache.is_some(),
            app: recording.app || !check.expect.app.is_empty(),
            ..recording
        })
    }

    /// How long a relay holds back each response of the server. A client that gets a stored response has it by then, so
    /// that an update of the cache does not look like the response.
    #[must_use]
    pub(super) fn response_delay(self) -> Duration {
        if self.cache { Duration::from_millis(20) } else { Duration::ZERO }
    }
}
