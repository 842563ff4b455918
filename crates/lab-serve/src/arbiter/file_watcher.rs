//! Watches files by their modification times (gunicorn's `reload` with its engine `poll`).
//!
//! gunicorn watches from inside the worker, the modules it has imported. Here the arbiter watches all Python files below
//! the application's folders and the extra files, so it also notices changes while the application cannot be imported.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs};

use crate::settings::Config;
use crate::settings::kind::is_pattern;

#[derive(Debug)]
pub(super) struct FileWatcher {
    folders: Vec<PathBuf>,
    extra: Vec<String>,
    seen: HashMap<PathBuf, SystemTime>,
}

impl FileWatcher {
    /// Watches what the configuration asks for; None without `reload`.
    pub(super) fn from_config(config: &Config) -> Option<FileWatcher> {
        config.reload.then(|| FileWatcher::new(code_folders(config), &config.reload_extra_files, &config.chdir))
    }

    /// Watches Python files below `folders`, and `extra` files and patterns, which are relative to `base`.
    #[must_use]
    pub(super) fn new(folders: Vec<PathBuf>, extra: &[String], base: &Path) -> FileWatcher {
        let extra = extra.iter().map(|path| base.join(path).to_string_lossy().into_owned()).collect();
        let mut watcher = FileWatcher { folders, extra, seen: HashMap::new() };
        watcher.changed();
        watcher
    }

    /// A file that was changed or created since the last call, if there is one.
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
            if is_pattern(extra) { files.extend(matching_files(extra)) } else { files.push(extra.into()) }
        }
        files
    }
}

/// The folders that Python imports the application's code from.
fn code_folders(config: &Config) -> Vec<PathBuf> {
    let paths = config.pythonpath.iter().map(PathBuf::from);
    let inherited = env::var_os("PYTHONPATH").unwrap_or_default();
    let mut folders: Vec<_> =
        std::iter::once(config.chdir.clone()).chain(paths).chain(env::split_paths(&inherited)).collect();
    folders.retain(|folder| folder.is_absolute());
    folders.dedup();
    folders
}

/// Collects Python files, but none in hidden folders and virtual environments: installed packages do not change during
/// development.
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

/// The files that match a pattern of absolute paths: `*`, `?` and `[…]` within a name, `**` for any folders.
fn matching_files(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.into_iter().flat_map(|folder| matching_entries(&folder, part)).collect();
    }
    found.retain(|path| path.is_file());
    found
}

/// The entries of a folder that match one part of a pattern.
fn matching_entries(folder: &Path, part: &str) -> Vec<PathBuf> {
    if part == "**" {
        let below = entries(folder).into_iter().filter(|path| path.is_dir() && !path.is_symlink());
        return std::iter::once(folder.to_owned())
            .chain(below.flat_map(|path| matching_entries(&path, "**")))
            .collect();
    }
    if !is_pattern(part) {
        return vec![folder.join(part)];
    }
    let matches = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (part.starts_with('.') || !name.starts_with('.')) && matches_name(part.as_bytes(), name.as_bytes())
    };
    entries(folder).into_iter().filter(matches).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

/// Whether a name matches a pattern (Python's `fnmatch`).
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => matches_name(&pattern[1..], name) || (!name.is_empty() && matches_name(pattern, &name[1..])),
        (Some(b'?'), Some(_)) => matches_name(&pattern[1..], &name[1..]),
        (Some(b'['), Some(byte)) => match match_class(&pattern[1..], *byte) {
            Some((is_in, rest)) => is_in && matches_name(rest, &name[1..]),
            None => *byte == b'[' && matches_name(&pattern[1..], &name[1..]),
        },
        (Some(expected), Some(byte)) => expected == byte && matches_name(&pattern[1..], &name[1..]),
        _ => false,
    }
}

/// Matches a byte against the class whose opening bracket precedes `pattern`. Returns whether it matches and the pattern
/// behind the class; None if the class is not closed.
fn match_class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let is_negated = pattern.first() == Some(&b'!');
    let members = if is_negated { &pattern[1..] } else { pattern };
    // A closing bracket in first place is a member of the class.
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
        let mut watcher = FileWatcher::new(vec![folder.path().to_owned()], &extra, folder.path());
        assert_eq!(watcher.changed(), None);
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
            assert_eq!(watcher.changed(), is_watched.then(|| inside(path)), "{path}");
            assert_eq!(watcher.changed(), None, "{path}");
        }
    }

    #[test]
    fn patterns_follow_fnmatch() {
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
            assert_eq!(matches_name(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
