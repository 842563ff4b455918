//! Reads a configuration from files: the one that was named, and what it includes.

use std::path::{Path, PathBuf};

use super::error::{ConfError, ConfErrorKind};
use super::glob;
use super::syntax::{Directive, parse};

/// How deep `include` may nest; nginx runs out of stack or descriptors instead.
const MAX_DEPTH: usize = 16;

/// A configuration as it was read.
#[derive(Debug)]
pub struct Loaded {
    /// The directives, those of included files in the place of their `include`.
    pub tree: Vec<Directive>,
    /// The files, each once, in the order they were first read.
    pub sources: Vec<Source>,
}

/// One file of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as it was named.
    pub file: PathBuf,
    /// What stands in it.
    pub text: String,
}

/// Reads a file and puts the directives of every included file in the place of its `include`. Relative paths of
/// includes are relative to the folder of `file` itself, as in nginx (its "configuration prefix").
///
/// # Errors
/// A file that cannot be read or parsed, by file and line.
pub fn load(file: &Path) -> Result<Loaded, ConfError> {
    let source = read(file).map_err(|kind| ConfError { file: file.to_owned(), line: None, kind })?;
    let mut tree = parse(&source.text, file)?;
    let mut sources = vec![source];
    expand(&mut tree, file.parent().unwrap_or(Path::new("")), 0, &mut sources)?;
    Ok(Loaded { tree, sources })
}

fn read(file: &Path) -> Result<Source, ConfErrorKind> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|source| ConfErrorKind::Unreadable { file: file.to_owned(), source })?;
    Ok(Source { file: file.to_owned(), text })
}

fn expand(block: &mut Vec<Directive>, folder: &Path, depth: usize, sources: &mut Vec<Source>) -> Result<(), ConfError> {
    let mut index = 0;
    while index < block.len() {
        let directive = &mut block[index];
        if directive.name != "include" {
            if let Some(inner) = &mut directive.block {
                expand(inner, folder, depth, sources)?;
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
            let mut tree = parse(&source.text, &file)?;
            if !sources.iter().any(|earlier| earlier.file == file) {
                sources.push(source);
            }
            expand(&mut tree, folder, depth + 1, sources)?;
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
    // as in nginx, a pattern that matches nothing includes nothing, whatever the reason
    Ok(if glob::is_pattern(&pattern.value) { glob::matching(&path) } else { vec![path] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_put_in_place_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("sites")).unwrap();
        write("nginx.conf", "a;\nb { include sites/*; }\nc;");
        write("sites/2", "two;");
        write("sites/1", "one;\ninclude inner.conf;");
        write("inner.conf", "inner;");
        let Loaded { tree, sources } = load(&folder.path().join("nginx.conf")).unwrap();
        let names: Vec<&str> = tree[1].block.as_ref().unwrap().iter().map(|inner| inner.name.as_str()).collect();
        assert_eq!(names, ["one", "inner", "two"]);
        let inner = &tree[1].block.as_ref().unwrap()[1];
        assert!(inner.file.ends_with("inner.conf"));
        let read: Vec<_> = sources.iter().map(|source| source.file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(read, ["nginx.conf", "1", "inner.conf", "2"]);
    }

    #[test]
    fn a_file_that_includes_itself_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, "include nginx.conf;").unwrap();
        assert!(matches!(load(&file).unwrap_err().kind, ConfErrorKind::IncludedTooDeep { .. }));
    }
}
