//! `expires`: how long clients and caches may keep a response.

use std::time::Duration;

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive, parse_time};

/// `expires`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expires {
    Fixed(Expiry),
    /// A value with variables, which is read for each response; and whether it counts from the last modification.
    Variable(Template, bool),
}

/// When a response expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// `off`: the fields stay as they are.
    Off,
    /// `epoch`: it has expired already.
    Epoch,
    /// `max`: in 2037.
    Max,
    /// Seconds after the response, perhaps negative.
    AfterAccess(i64),
    /// `modified`: seconds after the last modification.
    AfterModification(i64),
    /// `@15h30m`: the next time of the day that is this many seconds after midnight.
    Daily(i64),
}

const ACCEPTED: &str = "off, epoch, max, a time such as 24h or -1, @ and a time of the day, or modified and a time";
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Expires {
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Expires, ConfError> {
        let (is_modified, text) = match (directive.first(), directive.arg(1)) {
            ("modified", Some(text)) => (true, text),
            (word, Some(_)) => return Err(directive.invalid(word, ACCEPTED)),
            (text, None) => (false, text),
        };
        if text.contains('$') {
            return Ok(Expires::Variable(reader.template(directive, text)?, is_modified));
        }
        Expiry::parse(text, is_modified).map(Expires::Fixed).ok_or_else(|| directive.invalid(text, ACCEPTED))
    }
}

impl Expiry {
    /// Parses a value. None if it is invalid.
    #[must_use]
    pub fn parse(text: &str, is_modified: bool) -> Option<Expiry> {
        match text {
            "off" if !is_modified => return Some(Expiry::Off),
            "epoch" if !is_modified => return Some(Expiry::Epoch),
            "max" if !is_modified => return Some(Expiry::Max),
            _ => {}
        }
        let seconds = |text: &str| parse_time(text).and_then(|time| i64::try_from(time.as_secs()).ok());
        if let Some(time) = text.strip_prefix('@') {
            let is_within_day = !is_modified && parse_time(time).is_some_and(|time| time <= DAY);
            return seconds(time).filter(|_| is_within_day).map(Expiry::Daily);
        }
        let time = match text.strip_prefix('-') {
            Some(time) => -seconds(time)?,
            None => seconds(text.strip_prefix('+').unwrap_or(text))?,
        };
        Some(if is_modified { Expiry::AfterModification(time) } else { Expiry::AfterAccess(time) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_parsed() {
        for (text, is_modified, expected) in [
            ("off", false, Some(Expiry::Off)),
            ("epoch", false, Some(Expiry::Epoch)),
            ("max", false, Some(Expiry::Max)),
            ("24h", false, Some(Expiry::AfterAccess(86_400))),
            ("+1d", false, Some(Expiry::AfterAccess(86_400))),
            ("-1", false, Some(Expiry::AfterAccess(-1))),
            ("0", false, Some(Expiry::AfterAccess(0))),
            ("@15h30m", false, Some(Expiry::Daily(55_800))),
            ("10m", true, Some(Expiry::AfterModification(600))),
            ("@25h", false, None),
            ("@1h", true, None),
            ("max", true, None),
            ("soon", false, None),
            ("", false, None),
        ] {
            assert_eq!(Expiry::parse(text, is_modified), expected, "{text}");
        }
    }
}
