//! Which settings lab refuses, as far as the text of a configuration shows it.

use super::lookup::lookup;
use super::table::{DefaultValue, Support};
use super::validation::worker_class_refusal;

/// What to use instead of a setting with this value, which is a literal of Python without quotes; `None` if lab takes it.
#[must_use]
pub fn refusal(name: &str, value: &str) -> Option<&'static str> {
    if name == "worker_class" {
        return worker_class_refusal(value);
    }
    let setting = lookup(name)?;
    let Support::Refused(hint) = setting.support else { return None };
    let is_default = ["", "0", "False"].contains(&value)
        || matches!(setting.default, DefaultValue::Text(default) if default == value);
    (!is_default).then_some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_settings_are_known_by_their_text() {
        for (name, value, is_refused) in [
            ("worker_class", "egg:gunicorn#gthread", false),
            ("worker_class", "eventlet", true),
            ("spew", "False", false),
            ("spew", "True", true),
            ("protocol", "http", false),
            ("protocol", "uwsgi", true),
            ("dirty_workers", "0", false),
            ("workers", "2", false),
            ("own_variable", "x", false),
        ] {
            assert_eq!(refusal(name, value).is_some(), is_refused, "{name} = {value}");
        }
    }
}
