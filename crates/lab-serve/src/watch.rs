//! Watches files for changes by their times (gunicorn's `reload` with its engine `poll`).
//!
//! gunicorn asks the worker which modules it has imported. Here the master watches, so that a worker that cannot even
//! be imported is watched as well: every Python file below the application's folders, and the extra files.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::settings::kind::is_pattern;

/// What is watched.
#[derive(Debug)]
pub(super) struct Watch {
    folders: Vec<PathBuf>,
    extra: Vec<String>,
    seen: HashMap<PathBuf, SystemTime>,
}

impl Watch {
    /// Starts watching Python files below `folders`, and `extra` files and patterns, which are relative to `base`.
    #[must_use]
    pub(super) fn new(folders: Vec<PathBuf>, extra: &[String], base: &Path) -> Watch {
        let extra = extra.iter().map(|path| base.join(path).to_string_lossy().into_owned()).collect();
        let mut watch = Watch { folders, extra, seen: HashMap::new() };
        watch.changed();
        watch
    }

    /// The file that has changed since the last look, if any has. One that has come into being has.
    pub(super) fn changed(&mut self) -> Option<PathBuf> {
        let is_first = self.seen.is_empty();
        let mut changed = None;
        for path in self.files() {
            let Ok(time) = fs::metadata(&path).and_then(|found| found.modified()) else { continue };
            let before = self.seen.insert(path.clone(), time);
            if before.is_none_or(|before| time > before) {
                changed = Some(path);
            }
        }
        changed.filter(|_| !is_first)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for folder in &self.folders {
            python_files(folder, &mut files);
        }
        for extra in &self.extra {
            if is_pattern(extra) { files.extend(matching(extra)) } else { files.push(extra.into()) }
        }
        files
    }
}

/// Not in hidden folders and virtual environments: what is installed there does not change while one works.
fn python_files(folder: &Path, files: &mut Vec<PathBuf>) {
    if folder.join("pyvenv.cfg").exists() {
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() && !name.starts_with('.') && !matches!(&*name, "__pycache__" | "node_modules") {
            python_files(&path, files);
        } else if !kind.is_dir() && name.ends_with(".py") {
            files.push(path);
        }
    }
}

/// The files that a pattern of absolute paths matches: `*`, `?` and `[…]` within a name, `**` any folders.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.into_iter().flat_map(|folder| step(&folder, part)).collect();
    }
    found.retain(|path| path.is_file());
    found
}

fn step(folder: &Path, part: &str) -> Vec<PathBuf> {
    if part == "**" {
        let below = entries(folder).into_iter().filter(|path| path.is_dir() && !path.is_symlink());
        return std::iter::once(folder.to_owned()).chain(below.flat_map(|path| step(&path, "**"))).collect();
    }
    if !is_pattern(part) {
        return vec![folder.join(part)];
    }
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (part.starts_with('.') || !name.starts_with('.')) && fits(part.as_bytes(), name.as_bytes())
    };
    entries(folder).into_iter().filter(fits).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

/// Whether a name fits a pattern (Python's `fnmatch`).
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => fits(&pattern[1..], name) || (!name.is_empty() && fits(pattern, &name[1..])),
        (Some(b'?'), Some(_)) => fits(&pattern[1..], &name[1..]),
        (Some(b'['), Some(byte)) => match class(&pattern[1..], *byte) {
            Some((is_in, rest)) => is_in && fits(rest, &name[1..]),
            None => *byte == b'[' && fits(&pattern[1..], &name[1..]),
        },
        (Some(expected), Some(byte)) => expected == byte && fits(&pattern[1..], &name[1..]),
        _ => false,
    }
}

/// Whether a byte is in the class that `pattern` starts with, behind its bracket, and what follows the class; None if
/// the bracket is not closed.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let is_negated = pattern.first() == Some(&b'!');
    let members = if is_negated { &pattern[1..] } else { pattern };
    // A bracket that comes first is a member.
    let end = members.iter().skip(1).position(|byte| *byte == b']')? + 1;
    let (members, rest) = (&members[..end], &members[end + 1..]);
    let mut at = 0;
    let mut is_in = false;
    while at < members.len() {
        if at + 2 < members.len() && members[at + 1] == b'-' {
            is_in |= (members[at]..=members[at + 2]).contains(&byte);
            at += 3;
        } else {
            is_in |= members[at] == byte;
            at += 1;
        }
    }
    Some((is_in != is_negated, rest))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn touch(path: &Path, seconds: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = fs::File::create(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn changed_and_new_files_are_noticed_once() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |path: &str| folder.path().join(path);
        touch(&inside("a.py"), 1);
        touch(&inside("package/b.py"), 1);
        touch(&inside("venv/pyvenv.cfg"), 1);
        touch(&inside("settings.toml"), 1);
        let extra = ["settings.toml".to_owned(), "conf.d/*.ini".to_owned()];
        let mut watch = Watch::new(vec![folder.path().to_owned()], &extra, folder.path());
        assert_eq!(watch.changed(), None);
        for (path, is_watched) in [
            ("package/b.py", true),
            ("settings.toml", true),
            ("conf.d/new.ini", true),
            ("new.py", true),
            ("venv/lib/c.py", false),
            (".hidden/c.py", false),
            ("other.txt", false),
        ] {
            touch(&inside(path), 2);
            assert_eq!(watch.changed(), is_watched.then(|| inside(path)), "{path}");
            assert_eq!(watch.changed(), None, "{path}");
        }
    }

    #[test]
    fn patterns_are_those_of_python() {
        let cases = [
            ("*.py", "a.py", true),
            ("*.py", "a.pyc", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[x", "[x", true),
            ("**", "any", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
