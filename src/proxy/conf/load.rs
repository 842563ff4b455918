//! Reads a configuration from files: the one that was named, and what it includes.

use std::path::{Path, PathBuf};

use super::error::{ConfError, ConfErrorKind};
use super::syntax::{Directive, parse};

/// How deep `include` may nest; nginx runs out of stack or descriptors instead.
const MAX_DEPTH: usize = 16;

/// Reads a file and puts the directives of every included file in the place of its `include`. Relative paths of
/// includes are relative to the folder of `file` itself, as in nginx (its "configuration prefix").
///
/// # Errors
/// A file that cannot be read or parsed, by file and line.
pub fn load(file: &Path) -> Result<Vec<Directive>, ConfError> {
    let source = read(file).map_err(|kind| ConfError::new(file, 1, kind))?;
    let mut tree = parse(&source, file)?;
    expand(&mut tree, file.parent().unwrap_or(Path::new("")), 0)?;
    Ok(tree)
}

fn read(file: &Path) -> Result<String, ConfErrorKind> {
    std::fs::read_to_string(file).map_err(|source| ConfErrorKind::Unreadable { file: file.to_owned(), source })
}

fn expand(block: &mut Vec<Directive>, folder: &Path, depth: usize) -> Result<(), ConfError> {
    let mut index = 0;
    while index < block.len() {
        let directive = &mut block[index];
        if directive.name != "include" {
            if let Some(inner) = &mut directive.block {
                expand(inner, folder, depth)?;
            }
            index += 1;
            continue;
        }
        let mut included = Vec::new();
        for file in included_files(directive, folder)? {
            if depth == MAX_DEPTH {
                return Err(directive.error(ConfErrorKind::IncludedTooDeep { file }));
            }
            let source = read(&file).map_err(|kind| directive.error(kind))?;
            let mut tree = parse(&source, &file)?;
            expand(&mut tree, folder, depth + 1)?;
            included.append(&mut tree);
        }
        let count = included.len();
        block.splice(index..=index, included);
        index += count;
    }
    Ok(())
}

/// The files one `include` names: one, or those a pattern matches, in order of their names.
fn included_files(directive: &Directive, folder: &Path) -> Result<Vec<PathBuf>, ConfError> {
    let name = || directive.name.clone();
    if directive.block.is_some() {
        return Err(directive.error(ConfErrorKind::NotABlock { name: name() }));
    }
    let [pattern] = &directive.args[..] else {
        let (accepted, found) = ("1 argument".to_owned(), directive.args.len());
        return Err(directive.error(ConfErrorKind::Arguments { name: name(), accepted, found }));
    };
    let path = folder.join(&pattern.value);
    let (Some(parent), Some(last)) = (path.parent(), path.file_name().and_then(|last| last.to_str())) else {
        return Ok(vec![path]);
    };
    if parent.to_str().is_some_and(|parent| parent.contains(['*', '?', '['])) || last.contains('[') {
        return Err(directive.error(ConfErrorKind::Unsupported {
            name: name(),
            what: format!("the pattern \"{}\"", pattern.value),
            accepted: "a file, or * and ? in the last part of a path",
        }));
    }
    if !last.contains(['*', '?']) {
        return Ok(vec![path]);
    }
    // as in nginx, a pattern that matches nothing includes nothing, whatever the reason
    let mut files: Vec<PathBuf> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            entry.file_name().to_str().is_some_and(|name| matches_pattern(last.as_bytes(), name.as_bytes()))
        })
        .map(|entry| entry.path())
        .collect();
    files.sort();
    Ok(files)
}

/// Whether a file name matches a pattern of glob(3) with `*` and `?`; a leading dot has to be written out.
fn matches_pattern(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    fn rest_matches(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', pattern)), _) => (0..=name.len()).any(|skipped| rest_matches(pattern, &name[skipped..])),
            (Some((b'?', pattern)), Some((_, name))) => rest_matches(pattern, name),
            (Some((expected, pattern)), Some((found, name))) => expected == found && rest_matches(pattern, name),
            _ => false,
        }
    }
    rest_matches(pattern, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_glob_does() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf~", false),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(matches_pattern(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn includes_are_put_in_place_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("sites")).unwrap();
        write("nginx.conf", "a;\nb { include sites/*; }\nc;");
        write("sites/2", "two;");
        write("sites/1", "one;\ninclude inner.conf;");
        write("inner.conf", "inner;");
        let tree = load(&folder.path().join("nginx.conf")).unwrap();
        let names: Vec<&str> = tree[1].block.as_ref().unwrap().iter().map(|inner| inner.name.as_str()).collect();
        assert_eq!(names, ["one", "inner", "two"]);
        let inner = &tree[1].block.as_ref().unwrap()[1];
        assert!(inner.file.ends_with("inner.conf"));
    }

    #[test]
    fn a_file_that_includes_itself_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, "include nginx.conf;").unwrap();
        assert!(matches!(load(&file).unwrap_err().kind, ConfErrorKind::IncludedTooDeep { .. }));
    }
}
