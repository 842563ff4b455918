//! The files that a dynamically linked program needs: its loader, its libraries, and the libraries of the modules that it
//! loads at run time.
//!
//! The loader lists them (`ld.so --list`, as `ldd` does), because only it knows the machine's search order.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `PT_INTERP`: the program header that names the loader (System V gABI, program header).
const PT_INTERP: u32 = 3;
/// A longer path of a loader means a broken file.
const MAX_INTERPRETER_BYTES: u64 = 4096;

/// Why the libraries of a program cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum LibrariesError {
    #[error("cannot read {}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{} is not a 64-bit little-endian ELF program", .0.display())]
    NotElf(PathBuf),
    #[error("{} needs {library}, which its loader does not find", file.display())]
    Missing { file: PathBuf, library: String },
    #[error("{} does not list the libraries of {}", loader.display(), file.display())]
    NotListed { file: PathBuf, loader: PathBuf },
}

/// The loader and the libraries of `program`. Empty for a static program.
///
/// # Errors
/// [`LibrariesError`].
pub fn program_libraries(program: &Path) -> Result<BTreeSet<PathBuf>, LibrariesError> {
    let Some(loader) = program_loader(program)? else { return Ok(BTreeSet::new()) };
    let listed =
        list(&loader, program).map_err(|source| LibrariesError::Unreadable { file: loader.clone(), source })?;
    match listed.missing {
        Some(library) => Err(LibrariesError::Missing { file: program.to_owned(), library }),
        None if !listed.is_complete => Err(LibrariesError::NotListed { file: program.to_owned(), loader }),
        None => Ok(listed.files.into_iter().chain([loader]).collect()),
    }
}

/// The libraries that `loader` finds for `module`, which a program may load at run time. A missing library is not an error:
/// the module cannot be loaded on this machine either.
///
/// # Errors
/// The loader cannot be started.
pub(super) fn module_libraries(loader: &Path, module: &Path) -> io::Result<BTreeSet<PathBuf>> {
    Ok(list(loader, module)?.files)
}

/// The loader of `program`; `None` for a static program.
///
/// # Errors
/// The program cannot be read, or is not a 64-bit little-endian ELF file.
pub(super) fn program_loader(program: &Path) -> Result<Option<PathBuf>, LibrariesError> {
    let unreadable = |source| LibrariesError::Unreadable { file: program.to_owned(), source };
    let mut file = fs::File::open(program).map_err(unreadable)?;
    let mut head = Vec::new();
    // The program headers follow the ELF header, well within this.
    (&mut file).take(64 * 1024).read_to_end(&mut head).map_err(unreadable)?;
    let not_elf = || LibrariesError::NotElf(program.to_owned());
    let Some((offset, length)) = interpreter_position(&head).map_err(|()| not_elf())? else { return Ok(None) };
    if length > MAX_INTERPRETER_BYTES {
        return Err(not_elf());
    }
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    let mut name = Vec::new();
    file.take(length).read_to_end(&mut name).map_err(unreadable)?;
    let name = String::from_utf8(name).map_err(|_| not_elf())?;
    Ok(Some(PathBuf::from(name.trim_end_matches('\0'))))
}

/// The output of a loader.
#[derive(Debug, Default, PartialEq, Eq)]
struct LibraryList {
    files: BTreeSet<PathBuf>,
    /// The first library that was not found.
    missing: Option<String>,
    /// Whether the loader succeeded.
    is_complete: bool,
}

fn list(loader: &Path, file: &Path) -> io::Result<LibraryList> {
    let output = Command::new(loader).arg("--list").arg(file).output()?;
    Ok(LibraryList { is_complete: output.status.success(), ..parse(&String::from_utf8_lossy(&output.stdout)) })
}

/// The offset and length of the loader's name in an ELF file. `Ok(None)` for a static program, `Err` if it is not a 64-bit
/// little-endian ELF file.
fn interpreter_position(head: &[u8]) -> Result<Option<(u64, u64)>, ()> {
    let field = |at: usize, bytes: usize| -> Result<u64, ()> {
        let slice = head.get(at..at + bytes).ok_or(())?;
        Ok(slice.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    // Magic, ELFCLASS64, ELFDATA2LSB.
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Err(());
    }
    let (table, entry_bytes, entries) = (field(32, 8)?, field(54, 2)?, field(56, 2)?);
    for entry in 0..entries {
        let at = usize::try_from(table + entry * entry_bytes).map_err(|_| ())?;
        if field(at, 4)? == u64::from(PT_INTERP) {
            return Ok(Some((field(at + 8, 8)?, field(at + 32, 8)?)));
        }
    }
    Ok(None)
}

/// Parses lines of the forms `name => /path (0x…)`, `/path (0x…)` and `name => not found`. A name without a path is the
/// kernel's own page.
fn parse(output: &str) -> LibraryList {
    let mut listed = LibraryList::default();
    for line in output.lines().map(str::trim) {
        let (name, found) = match line.split_once(" => ") {
            Some((name, found)) => (name, found),
            None => (line, line),
        };
        if found.starts_with("not found") {
            listed.missing.get_or_insert_with(|| name.to_owned());
        }
        if found.starts_with('/') {
            let path = found.rsplit_once(" (").map_or(found, |(path, _)| path);
            listed.files.insert(PathBuf::from(path));
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loader_output_is_parsed() {
        let list = "\tlinux-vdso.so.1 (0x00007f04bf4bc000)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f04bc73e000)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f04bf4be000)\n";
        let files: Vec<PathBuf> = parse(list).files.into_iter().collect();
        assert_eq!(files, [Path::new("/lib/x86_64-linux-gnu/libc.so.6"), Path::new("/lib64/ld-linux-x86-64.so.2")]);
        let listed = parse("\tlibx.so => not found\n\tliby.so => /lib/liby.so (0x00007f04bc73e000)\n");
        assert_eq!(listed.missing.as_deref(), Some("libx.so"));
        assert_eq!(listed.files, BTreeSet::from([PathBuf::from("/lib/liby.so")]));
        assert_eq!(parse("\tstatically linked\n"), LibraryList::default());
    }

    #[test]
    fn this_program_needs_a_loader_and_a_libc() {
        let needed = program_libraries(&std::env::current_exe().unwrap()).unwrap();
        assert!(needed.iter().all(|file| file.is_file()), "{needed:?}");
        assert!(needed.is_empty() || needed.iter().any(|file| file.to_string_lossy().contains("ld-")), "{needed:?}");
    }

    #[test]
    fn text_file_is_not_a_program() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("text");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        assert!(matches!(program_libraries(&file), Err(LibrariesError::NotElf(_))));
        assert_eq!(interpreter_position(b"\x7fELF\x02\x01 cut short"), Err(()));
    }
}
