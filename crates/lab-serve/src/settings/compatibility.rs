//! The table of gunicorn's settings as rows for documentation.

use super::table::{Setting, Support, TABLE};

/// How lab treats one of gunicorn's settings.
#[derive(Debug, Clone, Copy)]
pub struct CompatibilityRow {
    pub setting: &'static Setting,
    pub support: Support,
    /// For a supported setting what it does; otherwise what happens and what to use instead.
    pub note: &'static str,
}

/// One row for each setting of gunicorn 27, in the order of its source.
#[must_use]
pub fn compatibility() -> Vec<CompatibilityRow> {
    let row = |setting: &'static Setting| CompatibilityRow { setting, support: setting.support, note: note(setting) };
    TABLE.iter().map(row).collect()
}

fn note(setting: &Setting) -> &'static str {
    match (setting.support, setting.name) {
        (Support::Refused(hint), _) => hint,
        (Support::NoEffect(reason), _) => reason,
        (Support::WorkerHook, _) => "Called in each worker",
        (Support::ArbiterHook, _) => "Called in the fork server, from which workers are forked",
        (Support::HookNotCalled, _) => "accepted with a warning, and never called",
        // These have no flag, and so no line in `--help`.
        (Support::Implemented, "secure_scheme_headers") => {
            "Fields with the value that means https, from trusted proxies"
        }
        (Support::Implemented, "default_proc_name") => {
            "The process name unless proc_name is set: the application's name"
        }
        (Support::Implemented, "logconfig_dict") => "A dictionary for logging.config, for Python workers",
        (Support::Implemented, "tmp_upload_dir") => "The folder of request bodies that are too large for memory",
        (Support::Implemented, _) => setting.help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_note() {
        let rows = compatibility();
        assert_eq!(rows.len(), TABLE.len());
        for row in rows {
            assert!(!row.note.is_empty(), "{}", row.setting.name);
        }
    }

    #[test]
    fn notes_come_from_the_table() {
        let note = |name| compatibility().into_iter().find(|row| row.setting.name == name).unwrap().note;
        assert_eq!(note("workers"), "Worker processes");
        assert_eq!(note("spew"), "use `python -m trace`");
        assert_eq!(note("ssl_context"), "accepted with a warning, and never called");
        assert!(note("on_exit").starts_with("Called in the fork server"));
        assert!(note("post_fork").starts_with("Called in each worker"));
    }
}
