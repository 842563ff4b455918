//! Settings of a gunicorn.conf.py that are about the server it is for: logs, users, a working folder, the background. In a run they
//! are lab's, as addresses are. gunicorn validates them before its command line can override them, so a file of the run
//! executes the person's and replaces them. Pure.

use std::path::Path;

/// The place of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The folder of its logs.
    pub(super) logs: &'a Path,
    /// The folder in which the server starts.
    pub(super) cwd: &'a Path,
    /// The user and the group of its processes; `None` leaves them to the file.
    pub(super) identity: Option<(u32, u32)>,
}

/// The name of the access log. The proxy's lies beside it.
const ACCESS_LOG: &str = "server-access.log";

/// The settings that are replaced.
const LOGS: [&str; 2] = ["accesslog", "errorlog"];
const OTHERS: [&str; 4] = ["chdir", "daemon", "group", "user"];

/// Replaces settings, in the file that is executed. A function, so that the configuration gets no other names.
const REPLACE: &str = include_str!("server_settings.py");

/// Whether a configuration may have such a setting, by its text.
pub(super) fn may_need_replacement(text: &str) -> bool {
    let value = |line: &str, name: &str| {
        let rest = line.trim_start().strip_prefix(name)?.trim_start();
        let is_assignment = rest.starts_with([':', '=']) && !rest.starts_with("==");
        let value = rest.rsplit('=').next().unwrap_or_default().trim();
        is_assignment.then(|| value.to_owned())
    };
    let is_stream = |value: &str| ["'-'", "\"-\"", "None"].iter().any(|known| value.starts_with(known));
    text.lines().any(|line| {
        LOGS.iter().any(|name| value(line, name).is_some_and(|value| !is_stream(&value)))
            || OTHERS.iter().any(|name| value(line, name).is_some())
    })
}

/// The file that a run has in place of `file`.
pub(super) fn replacement(file: &Path, place: Place<'_>) -> String {
    let quoted = |path: &Path| serde_json::Value::String(path.display().to_string()).to_string();
    let identity = match place.identity {
        Some((user, group)) => format!("({user}, {group})"),
        None => "None".to_owned(),
    };
    let access_log = place.logs.join(ACCESS_LOG);
    format!(
        "{REPLACE}\n\n_execute({}, {}, {}, {identity})\ndel _execute\n",
        quoted(file),
        quoted(&access_log),
        quoted(place.cwd)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_server_are_found() {
        for text in [
            "chdir = '/srv/shop'",
            "user=os.environ['WEB_USER']",
            "if production:\n    errorlog: str = '/var/log/error.log'",
            "accesslog = os.getenv('ACCESS_LOG', '-')",
            "daemon = True",
        ] {
            assert!(may_need_replacement(text), "{text}");
        }
        let other =
            "accesslog = '-'\nerrorlog = \"-\"  # to journald\nusername = 'x'\naccess_log = '/a'\nassert user == 1\n";
        assert!(!may_need_replacement(other));
    }

    #[test]
    fn file_of_the_run_names_the_other() {
        let place = Place { logs: Path::new("/run/visit"), cwd: Path::new("/project"), identity: Some((1000, 100)) };
        let text = replacement(Path::new("/project/gunicorn.conf.py"), place);
        let call =
            "_execute(\"/project/gunicorn.conf.py\", \"/run/visit/server-access.log\", \"/project\", (1000, 100))";
        assert!(text.contains(call), "{text}");
    }
}
