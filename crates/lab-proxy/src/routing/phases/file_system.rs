//! The file system as the phases see it: a look at a path, and a file opened for reading.
//!
//! Like nginx without `aio`, it is asked in place: a look takes microseconds, a hand-off to another thread more.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What there is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMetadata {
    /// What kind of thing.
    pub kind: FileKind,
    /// Whether its owner may execute it.
    pub is_executable: bool,
    /// Its size in bytes.
    pub size: u64,
    /// When it changed last, in seconds since 1970.
    pub modified: i64,
}

/// A kind of thing in a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A device, a socket or the like.
    Other,
}

/// A file that is there to be sent.
#[derive(Debug)]
pub struct OpenedFile {
    /// The file, at its start; none where nobody is to read it, as in tests.
    pub file: Option<File>,
    /// What it is.
    pub metadata: FileMetadata,
    /// Its media type; empty for none.
    pub media_type: String,
}

/// Looks at files.
pub trait FileSystem: std::fmt::Debug {
    /// What there is at a path, links followed.
    ///
    /// # Errors
    /// There is nothing, or it may not be looked at.
    fn metadata(&self, path: &[u8]) -> io::Result<FileMetadata>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// It may not be read.
    fn open(&self, path: &[u8]) -> io::Result<(Option<File>, FileMetadata)>;
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk;

impl FileSystem for Disk {
    fn metadata(&self, path: &[u8]) -> io::Result<FileMetadata> {
        Ok(metadata(&std::fs::metadata(Path::new(OsStr::from_bytes(path)))?))
    }

    fn open(&self, path: &[u8]) -> io::Result<(Option<File>, FileMetadata)> {
        use std::os::unix::fs::OpenOptionsExt as _;
        // a pipe that nobody writes to must not stop the worker
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(Path::new(OsStr::from_bytes(path)))?;
        let metadata = metadata(&file.metadata()?);
        Ok((Some(file), metadata))
    }
}

fn metadata(metadata: &Metadata) -> FileMetadata {
    const OWNER_MAY_EXECUTE: u32 = 0o100;
    let kind = match metadata.file_type() {
        kind if kind.is_file() => FileKind::File,
        kind if kind.is_dir() => FileKind::Folder,
        _ => FileKind::Other,
    };
    FileMetadata {
        kind,
        is_executable: metadata.permissions().mode() & OWNER_MAY_EXECUTE != 0,
        size: metadata.len(),
        modified: metadata.mtime(),
    }
}

/// What the error log calls an error of the system: `2: No such file or directory`.
pub(super) fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => {
            let text = text.split(" (os error").next().unwrap_or_default();
            format!("{code}: {text}")
        }
        None => text,
    }
}
