//! The cause of a server's failure to start, in its log: the exception of a Python program, with the line that raised it.

/// What servers say about an application that they cannot call, in a line of their own.
const CALLABLE_MESSAGES: [&str; 5] = [
    "Failed to find attribute",
    "Failed to parse",
    "Application object must be callable",
    "has no attribute",
    "there is no module",
];

/// What follows from another failure, and is not the cause.
const CONSEQUENCES: [&str; 1] = ["gunicorn.errors.HaltServer"];

/// The cause in one line, and whether it says all: a callable that is not there needs no traceback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailureCause {
    pub(super) line: String,
    pub(super) is_complete: bool,
    /// The number of lines of the log up to it.
    pub(super) end: usize,
}

/// Finds the last cause in a log.
pub(super) fn find(log: &str) -> Option<FailureCause> {
    let mut found = None;
    let mut frame: Option<Frame> = None;
    let mut is_ignored = false;
    for (index, line) in log.lines().enumerate() {
        let end = index + 1;
        if let Some(next) = Frame::read(line) {
            frame = Some(match frame.take() {
                Some(known) if known.is_own && !next.is_own => known,
                _ => next,
            });
            continue;
        }
        // Python says so of exceptions at its end.
        is_ignored |= line.starts_with("Exception ignored in");
        let is_indented = line.starts_with([' ', '\t']);
        let bare = without_prefix(line);
        if CALLABLE_MESSAGES.iter().any(|message| bare.contains(message)) && !is_indented {
            // A traceback may lead to the same message.
            let line = bare.trim_start_matches("AttributeError: ").to_owned();
            found = Some(FailureCause { line, is_complete: true, end });
            frame = None;
            continue;
        }
        if line.starts_with("Traceback ") {
            frame = None;
        } else if let Some(Frame { place, .. }) = frame.as_ref().filter(|_| !is_indented && !line.trim().is_empty()) {
            let is_consequence = is_ignored || CONSEQUENCES.iter().any(|name| line.starts_with(name));
            if is_exception(line) && !is_consequence {
                let is_import = line.starts_with("ModuleNotFoundError") && place.contains("importlib");
                let line = if is_import { line.to_owned() } else { format!("{line} ({place})") };
                found = Some(FailureCause { line, is_complete: is_import, end });
            }
            frame = None;
            is_ignored = false;
        }
    }
    found
}

/// A line of a traceback.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    /// `file:line`.
    place: String,
    /// Whether the file is the application's own, and not one of Python or of a package.
    is_own: bool,
}

impl Frame {
    fn read(line: &str) -> Option<Frame> {
        let rest = line.trim_start().strip_prefix("File \"")?;
        let (file, rest) = rest.split_once("\", line ")?;
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let is_own = !file.starts_with('<')
            && !["/lib/python", "/site-packages/", "/usr/lib/"].iter().any(|part| file.contains(part));
        (!number.is_empty()).then(|| Frame { place: format!("{file}:{number}"), is_own })
    }
}

/// A line without the time, process and level that servers put before it.
fn without_prefix(line: &str) -> &str {
    let mut rest = line;
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|inside| inside.split_once("] ")) {
        rest = after;
    }
    rest.trim()
}

/// Whether a line is the last of a traceback: the name of a class, and maybe a message.
fn is_exception(line: &str) -> bool {
    let name = line.split(": ").next().unwrap_or(line);
    let is_name = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    !name.contains(' ') && name.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(log: &str) -> Option<(String, bool)> {
        find(log).map(|cause| (cause.line, cause.is_complete))
    }

    #[test]
    fn wrong_callable_is_one_line() {
        let gunicorn = "[2026-11-30 04:00:00 +0000] [7] [INFO] Booting worker with pid: 7\n\
                        Failed to find attribute 'appp' in 'shop'.\n\
                        [2026-11-30 04:00:00 +0000] [7] [INFO] Worker exiting (pid: 7)\n";
        assert_eq!(cause(gunicorn), Some(("Failed to find attribute 'appp' in 'shop'.".to_owned(), true)));
        let module = "Traceback (most recent call last):\n  File \"/usr/lib/importlib/__init__.py\", line 126, in import_module\n\
                      \x20   return _bootstrap._gcd_import(name)\n\
                      ModuleNotFoundError: No module named 'shopp'\n";
        assert_eq!(cause(module), Some(("ModuleNotFoundError: No module named 'shopp'".to_owned(), true)));
    }

    #[test]
    fn exception_has_the_line_that_raised_it() {
        let log = "Traceback (most recent call last):\n  File \"/usr/lib/gunicorn/util.py\", line 1, in load\n    x\n\
                   \x20 File \"/srv/shop/__init__.py\", line 14, in create_app\n    SECRET = os.environ['SECRET_KEY']\n\
                   KeyError: 'SECRET_KEY'\n[2026] [INFO] Worker exiting\n";
        let expected = "KeyError: 'SECRET_KEY' (/srv/shop/__init__.py:14)".to_owned();
        assert_eq!(cause(log), Some((expected, false)));
        assert_eq!(cause("all is well\n"), None);
    }

    #[test]
    fn consequences_are_no_causes() {
        let log = "Traceback (most recent call last):\n  File \"/srv/shop.py\", line 7, in <module>\n    os.environ['KEY']\n\
                   \x20 File \"<frozen os>\", line 679, in __getitem__\nKeyError: 'KEY'\n[INFO] Worker exiting\n\
                   Exception ignored in: <function f at 0x7f>\nTraceback (most recent call last):\n\
                   \x20 File \"/usr/lib/python3.11/threading.py\", line 164, in acquire\nRuntimeError: too late\n\
                   Traceback (most recent call last):\n  File \"/v/site-packages/gunicorn/arbiter.py\", line 529, in reap\n\
                   gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>\n";
        let found = find(log).unwrap();
        assert_eq!((found.line.as_str(), found.end), ("KeyError: 'KEY' (/srv/shop.py:7)", 5));
    }
}
