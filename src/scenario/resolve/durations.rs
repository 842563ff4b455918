//! Durations with a lower bound.

use std::time::Duration;

use toml::Spanned;

use super::super::wire::DurationText;
use crate::document::diagnostic::{Diagnostic, Problems};

/// A duration in whole seconds, at least `shortest`.
pub(super) fn whole_seconds(
    time: &Spanned<DurationText>,
    what: &str,
    shortest: Duration,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    let duration = time.get_ref().0;
    let problem = if duration < shortest {
        format!("{what} is too short")
    } else if duration.subsec_nanos() != 0 {
        format!("{what} is not a number of whole seconds")
    } else {
        return Some(duration);
    };
    let hint = format!("accepted: whole seconds from \"{}s\" on", shortest.as_secs());
    problems.push(Diagnostic::at(time.span(), problem).hint(hint));
    None
}

/// A duration of at least `shortest`, which is below a second.
pub(super) fn at_least(
    time: &Spanned<DurationText>,
    what: &str,
    shortest: Duration,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    let duration = time.get_ref().0;
    if duration < shortest {
        let hint = format!("accepted: from \"{}ms\" on", shortest.as_millis());
        problems.push(Diagnostic::at(time.span(), format!("{what} is too short")).hint(hint));
        return None;
    }
    Some(duration)
}
