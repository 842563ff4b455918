//! Reads a configuration from a file and the files it includes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::error::{ConfError, ConfErrorKind};
use crate::glob;
use crate::syntax::{Directive, parse};

/// How deep `include` may nest. nginx has no limit, and runs out of stack or descriptors instead.
pub const MAX_DEPTH: usize = 16;

#[derive(Debug)]
pub struct LoadedConfig {
    /// The directives. Those of included files replace their `include`.
    pub tree: Vec<Directive>,
    /// The files, each once, in the order they were first read.
    pub sources: Vec<SourceFile>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as written.
    pub file: PathBuf,
    pub text: String,
}

/// Reads a file and replaces every `include` with the directives of the included files. As in nginx, relative paths
/// start from the folder of `file` (the "configuration prefix"), in included files too.
///
/// # Errors
/// A file that cannot be read or parsed, by file and line.
pub fn load(file: &Path) -> Result<LoadedConfig, ConfError> {
    load_with(file, &mut read_source)
}

/// As [`load`], but gets files from `read`, which may name them differently.
///
/// # Errors
/// As [`load`].
pub fn load_with(file: &Path, read: &mut ReadFile<'_>) -> Result<LoadedConfig, ConfError> {
    let unreadable = |source| ConfErrorKind::Unreadable { file: file.to_owned(), source };
    let source = read(file).map_err(|error| ConfError::of_file(file, unreadable(error)))?;
    let mut tree = parse(&source.text, &source.file)?;
    let mut sources = vec![source];
    expand(&mut tree, file.parent().unwrap_or(Path::new("")), 0, &mut sources, read)?;
    Ok(LoadedConfig { tree, sources })
}

pub type ReadFile<'a> = dyn FnMut(&Path) -> io::Result<SourceFile> + 'a;

/// A device would have no end.
const MAX_BYTES: u64 = 64 << 20;

/// Reads one file, without its includes.
///
/// # Errors
/// It cannot be read, is not UTF-8, or is too large.
pub fn read_source(file: &Path) -> io::Result<SourceFile> {
    let opened = File::open(file)?;
    let metadata = opened.metadata()?;
    let too_large = |size: String| {
        let message = format!("{size}, and a configuration may have {} MiB", MAX_BYTES >> 20);
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    if metadata.is_file() && metadata.len() > MAX_BYTES {
        return Err(too_large(format!("it has {} bytes", metadata.len())));
    }
    let mut text = Vec::new();
    opened.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(too_large(format!("it has more than {MAX_BYTES} bytes")));
    }
    let text = String::from_utf8(text).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(SourceFile { file: file.to_owned(), text })
}

/// Reads the files that an `include` names. `folder` is the folder of the main configuration file.
///
/// # Errors
/// A file that cannot be read; a directive with a block, or without exactly one argument.
pub fn included_files(directive: &Directive, folder: &Path) -> Result<Vec<SourceFile>, ConfError> {
    included_by(directive, folder, &mut read_source)
}

fn included_by(directive: &Directive, folder: &Path, read: &mut ReadFile<'_>) -> Result<Vec<SourceFile>, ConfError> {
    let source = |file: PathBuf| {
        read(&file).map_err(|source| directive.error(ConfErrorKind::Unreadable { file: file.clone(), source }))
    };
    included_paths(directive, folder)?.into_iter().map(source).collect()
}

fn expand(
    block: &mut Vec<Directive>,
    folder: &Path,
    depth: usize,
    sources: &mut Vec<SourceFile>,
    read: &mut ReadFile<'_>,
) -> Result<(), ConfError> {
    let mut index = 0;
    while index < block.len() {
        let directive = &mut block[index];
        if directive.name != "include" {
            if let Some(inner) = &mut directive.block {
                expand(inner, folder, depth, sources, read)?;
            }
            index += 1;
            continue;
        }
        let mut included = Vec::new();
        for source in included_by(directive, folder, read)? {
            if depth == MAX_DEPTH {
                return Err(directive.error(ConfErrorKind::IncludeTooDeep { file: source.file }));
            }
            let mut tree = parse(&source.text, &source.file)?;
            if !sources.iter().any(|earlier| earlier.file == source.file) {
                sources.push(source);
            }
            expand(&mut tree, folder, depth + 1, sources, read)?;
            included.append(&mut tree);
        }
        let count = included.len();
        block.splice(index..=index, included);
        index += count;
    }
    Ok(())
}

/// The path of an `include`, or the sorted paths that match its pattern.
fn included_paths(directive: &Directive, folder: &Path) -> Result<Vec<PathBuf>, ConfError> {
    let name = || directive.name.clone();
    if directive.block.is_some() {
        return Err(directive.error(ConfErrorKind::UnexpectedBlock { name: name() }));
    }
    let [pattern] = &directive.args[..] else {
        let (accepted, found) = ("1 argument".to_owned(), directive.args.len());
        return Err(directive.error(ConfErrorKind::ArgumentCount { name: name(), accepted, found }));
    };
    let path = folder.join(&pattern.value);
    // as in nginx, a pattern that matches nothing includes nothing, whatever the reason
    Ok(if glob::is_pattern(&pattern.value) { glob::expand(&path) } else { vec![path] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_directives_replace_include() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("sites")).unwrap();
        write("nginx.conf", "a;\nb { include sites/*; }\nc;");
        write("sites/2", "two;");
        write("sites/1", "one;\ninclude inner.conf;");
        write("inner.conf", "inner;");
        let LoadedConfig { tree, sources } = load(&folder.path().join("nginx.conf")).unwrap();
        let names: Vec<&str> = tree[1].block.as_ref().unwrap().iter().map(|inner| inner.name.as_str()).collect();
        assert_eq!(names, ["one", "inner", "two"]);
        let inner = &tree[1].block.as_ref().unwrap()[1];
        assert!(inner.file.ends_with("inner.conf"));
        let read: Vec<_> = sources.iter().map(|source| source.file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(read, ["nginx.conf", "1", "inner.conf", "2"]);
    }

    #[test]
    fn recursive_includes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, "include nginx.conf;").unwrap();
        assert!(matches!(load(&file).unwrap_err().kind, ConfErrorKind::IncludeTooDeep { .. }));
    }
}
