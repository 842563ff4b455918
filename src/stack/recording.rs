//! What a stack records of the requests behind its proxy, for checks.

use crate::scenario::model::Check;

/// What to record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recording {
    /// The requests as they arrive at the server.
    pub upstream: bool,
    /// The requests as the application sees them.
    pub app: bool,
    /// The access logs that the proxy's configuration has.
    pub access_logs: bool,
}

impl Recording {
    /// Under load: nothing.
    pub const NONE: Recording = Recording { upstream: false, app: false, access_logs: false };
    /// As outside lab.
    pub const LOGS: Recording = Recording { access_logs: true, ..Recording::NONE };

    /// The logs, and what the checks have expectations of.
    pub fn for_checks<'c>(checks: impl Iterator<Item = &'c Check>) -> Recording {
        checks.fold(Recording::LOGS, |recording, check| Recording {
            upstream: recording.upstream || !check.expect.upstream.is_empty(),
            app: recording.app || !check.expect.app.is_empty(),
            ..recording
        })
    }
}
