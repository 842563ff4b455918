//! Reads a configuration from a file and the files it includes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::encoding::decode;
use crate::error::{ConfError, ConfErrorKind};
use crate::glob;
use crate::package_files::package_file;
use crate::syntax::{Directive, parse};

/// How deep `include` may nest. nginx has no limit, and runs out of stack or descriptors instead.
pub const MAX_DEPTH: usize = 16;

/// The folder of nginx.conf on a server.
const SERVER_FOLDER: &str = "/etc/nginx";

/// Folders of files that an nginx.conf in the folder above includes.
const FOLDERS_OF_PARTS: [&str; 8] =
    ["conf.d", "http.d", "includes", "sites-available", "sites-enabled", "snippets", "vhosts", "vhosts.d"];

/// Where included files are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    /// Where nginx looks.
    Exact,
    /// Beside the configuration as well, in [`SERVER_FOLDER`], and among the files of packages.
    Nearby,
}

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
    load_from(file, file.parent().unwrap_or(Path::new("")), Search::Exact, read)
}

/// As [`load_with`], for a configuration that is not in its place on a server, such as that of a repository. Relative paths
/// start from `home`. An included file is also looked for beside the file that includes it, in the folder above one that is
/// named as those of parts are (`conf.d`, `sites-enabled`), and in `/etc/nginx` of this machine. A path below `/etc/nginx` is
/// looked for in these folders first. A file that is in none of them and that a package installs is that of the package.
///
/// # Errors
/// As [`load`].
pub fn load_nearby(file: &Path, home: &Path, read: &mut ReadFile<'_>) -> Result<LoadedConfig, ConfError> {
    load_from(file, home, Search::Nearby, read)
}

fn load_from(file: &Path, home: &Path, search: Search, read: &mut ReadFile<'_>) -> Result<LoadedConfig, ConfError> {
    let unreadable = |source| ConfErrorKind::Unreadable { file: file.to_owned(), source };
    let source = read(file).map_err(|error| ConfError::of_file(file, unreadable(error)))?;
    let mut tree = parse(&source.text, &source.file)?;
    let mut expansion = Expansion { home, search, sources: vec![source], read };
    expansion.expand(&mut tree, 0)?;
    Ok(LoadedConfig { tree, sources: expansion.sources })
}

pub type ReadFile<'a> = dyn FnMut(&Path) -> io::Result<SourceFile> + 'a;

/// A device would have no end.
const MAX_BYTES: u64 = 64 << 20;

/// Reads one file, without its includes.
///
/// # Errors
/// It cannot be read, is not UTF-8 outside its comments, or is too large.
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
    let text = decode(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(SourceFile { file: file.to_owned(), text })
}

/// Reads the files that an `include` in the file `including` names, which are looked for as by [`load_nearby`].
///
/// # Errors
/// A file that cannot be read; a directive with a block, or without exactly one argument.
pub fn included_nearby(directive: &Directive, including: &Path, home: &Path) -> Result<Vec<SourceFile>, ConfError> {
    let paths = included_paths(directive, including, home, Search::Nearby)?;
    read_all(directive, paths, Search::Nearby, &mut read_source)
}

fn read_all(
    directive: &Directive,
    paths: Vec<PathBuf>,
    search: Search,
    read: &mut ReadFile<'_>,
) -> Result<Vec<SourceFile>, ConfError> {
    let source = |file: PathBuf| {
        read(&file).or_else(|source| {
            let is_missing = search == Search::Nearby && source.kind() == io::ErrorKind::NotFound;
            match package_file(&file).filter(|_| is_missing) {
                Some(installed) => Ok(SourceFile { file, text: installed.text.to_owned() }),
                None => Err(directive.error(ConfErrorKind::Unreadable { file, source })),
            }
        })
    };
    paths.into_iter().map(source).collect()
}

/// Replaces every `include` of a tree.
struct Expansion<'a, 'r> {
    home: &'a Path,
    search: Search,
    sources: Vec<SourceFile>,
    read: &'a mut ReadFile<'r>,
}

impl Expansion<'_, '_> {
    fn expand(&mut self, block: &mut Vec<Directive>, depth: usize) -> Result<(), ConfError> {
        let mut index = 0;
        while index < block.len() {
            let directive = &mut block[index];
            if directive.name != "include" {
                if let Some(inner) = &mut directive.block {
                    self.expand(inner, depth)?;
                }
                index += 1;
                continue;
            }
            let mut included = Vec::new();
            let paths = included_paths(directive, &directive.file, self.home, self.search)?;
            for source in read_all(directive, paths, self.search, self.read)? {
                if depth == MAX_DEPTH {
                    return Err(directive.error(ConfErrorKind::IncludeTooDeep { file: source.file }));
                }
                let mut tree = parse(&source.text, &source.file)?;
                if !self.sources.iter().any(|earlier| earlier.file == source.file) {
                    self.sources.push(source);
                }
                self.expand(&mut tree, depth + 1)?;
                included.append(&mut tree);
            }
            let count = included.len();
            block.splice(index..=index, included);
            index += count;
        }
        Ok(())
    }
}

/// The path of an `include`, or the sorted paths that match its pattern.
fn included_paths(
    directive: &Directive,
    including: &Path,
    home: &Path,
    search: Search,
) -> Result<Vec<PathBuf>, ConfError> {
    let name = || directive.name.clone();
    if directive.block.is_some() {
        return Err(directive.error(ConfErrorKind::UnexpectedBlock { name: name() }));
    }
    let [pattern] = &directive.args[..] else {
        let (accepted, found) = ("1 argument".to_owned(), directive.args.len());
        return Err(directive.error(ConfErrorKind::ArgumentCount { name: name(), accepted, found }));
    };
    let path = home.join(&pattern.value);
    let is_pattern = glob::is_pattern(&pattern.value);
    if search == Search::Nearby
        && let Some(relative) = relative_to_server_folder(&pattern.value)
    {
        let mut folders = nearby_folders(including, home);
        // A pattern would match what other sites of this machine have there.
        if !is_pattern {
            folders.push(SERVER_FOLDER.into());
        }
        for candidate in folders.iter().map(|folder| folder.join(relative)) {
            let found = match is_pattern {
                true => glob::expand(&candidate),
                false => candidate.exists().then_some(candidate).into_iter().collect(),
            };
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
    // as in nginx, a pattern that matches nothing includes nothing, whatever the reason
    Ok(if is_pattern { glob::expand(&path) } else { vec![path] })
}

/// A path relative to the folder of nginx.conf; `None` if it is elsewhere on a server.
fn relative_to_server_folder(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    path.strip_prefix(SERVER_FOLDER).ok().or_else(|| Some(path).filter(|path| path.is_relative()))
}

/// The folders in which parts of a configuration are looked for.
fn nearby_folders(including: &Path, home: &Path) -> Vec<PathBuf> {
    let beside = including.parent().unwrap_or(Path::new(""));
    let is_of_parts = beside.file_name().is_some_and(|name| FOLDERS_OF_PARTS.iter().any(|known| name == *known));
    let above = beside.parent().filter(|_| is_of_parts);
    [Some(home), Some(beside), above].into_iter().flatten().map(Path::to_owned).collect()
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
    fn parts_are_found_beside_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write("nginx.conf", "include deploy/sites-enabled/shop;");
        write("deploy/sites-enabled/shop", "include snippets/tls.conf;\ninclude /etc/nginx/conf.d/*.inc;\nshop;");
        write("deploy/snippets/tls.conf", "tls;");
        write("deploy/conf.d/a.inc", "part;");
        let main = folder.path().join("nginx.conf");
        let LoadedConfig { tree, .. } = load_nearby(&main, folder.path(), &mut read_source).unwrap();
        let names: Vec<&str> = tree.iter().map(|directive| directive.name.as_str()).collect();
        assert_eq!(names, ["tls", "part", "shop"]);
        let error = load(&main).unwrap_err();
        assert!(
            matches!(error.kind, ConfErrorKind::Unreadable { .. }),
            "nginx looks in the folder of nginx.conf: {error}"
        );
    }

    #[test]
    fn files_of_packages_are_known_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site");
        std::fs::write(&file, "include /nowhere/options-ssl-nginx.conf;\nserver_name a;").unwrap();
        let LoadedConfig { tree, sources } = load_nearby(&file, folder.path(), &mut read_source).unwrap();
        assert!(tree.iter().any(|directive| directive.name == "ssl_protocols"), "{tree:?}");
        assert_eq!(sources[1].file, Path::new("/nowhere/options-ssl-nginx.conf"));
        assert!(load(&file).is_err(), "nginx includes only files that exist");
        std::fs::write(&file, "include /nowhere/own.conf;").unwrap();
        assert!(load_nearby(&file, folder.path(), &mut read_source).is_err());
    }

    #[test]
    fn recursive_includes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, "include nginx.conf;").unwrap();
        assert!(matches!(load(&file).unwrap_err().kind, ConfErrorKind::IncludeTooDeep { .. }));
    }
}
