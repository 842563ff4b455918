//! The file system as the phases see it.
//!
//! Like nginx without `aio`, it is accessed directly: that takes microseconds, and another thread would take longer.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMetadata {
    pub kind: FileKind,
    /// Whether its owner may execute it.
    pub is_executable: bool,
    /// In bytes.
    pub size: u64,
    /// The time of the last change, in seconds since 1970.
    pub modified: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    File,
    Folder,
    /// A device, a socket or the like.
    Other,
}

/// A file to be sent.
#[derive(Debug)]
pub struct OpenedFile {
    /// The file, at its start; none in tests.
    pub file: Option<File>,
    pub metadata: FileMetadata,
    /// Empty for none.
    pub media_type: String,
    /// The content coding, if the file has one (`gzip_static`).
    pub coding: Option<&'static str>,
    /// Whether there is also a compressed file beside it, or it is that file.
    pub varies: bool,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    pub name: Vec<u8>,
    /// Of the target, if it is a symbolic link that has one.
    pub metadata: FileMetadata,
}

/// Access to files.
pub trait FileSystem: std::fmt::Debug {
    /// The metadata of a path. Symbolic links are followed.
    ///
    /// # Errors
    /// Nothing is there, or it is not accessible.
    fn metadata(&self, path: &[u8]) -> io::Result<FileMetadata>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// It is not readable.
    fn open(&self, path: &[u8]) -> io::Result<(Option<File>, FileMetadata)>;

    /// The content of a small file.
    ///
    /// # Errors
    /// It is not readable.
    fn read(&self, path: &[u8]) -> io::Result<Vec<u8>>;

    /// The entries of a folder, in any order.
    ///
    /// # Errors
    /// It is not a folder, or not readable.
    fn entries(&self, path: &[u8]) -> io::Result<Vec<FolderEntry>>;
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk;

impl FileSystem for Disk {
    fn metadata(&self, path: &[u8]) -> io::Result<FileMetadata> {
        Ok(metadata(&std::fs::metadata(Path::new(OsStr::from_bytes(path)))?))
    }

    fn open(&self, path: &[u8]) -> io::Result<(Option<File>, FileMetadata)> {
        use std::os::unix::fs::OpenOptionsExt as _;
        // opening a pipe without a writer would block the worker
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(Path::new(OsStr::from_bytes(path)))?;
        let metadata = metadata(&file.metadata()?);
        Ok((Some(file), metadata))
    }

    fn read(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        std::fs::read(Path::new(OsStr::from_bytes(path)))
    }

    fn entries(&self, path: &[u8]) -> io::Result<Vec<FolderEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(Path::new(OsStr::from_bytes(path)))? {
            let entry = entry?;
            // an entry may vanish meanwhile
            let found = std::fs::metadata(entry.path()).or_else(|_| entry.metadata());
            if let Ok(found) = found {
                let name = entry.file_name().as_bytes().to_vec();
                entries.push(FolderEntry { name, metadata: metadata(&found) });
            }
        }
        Ok(entries)
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

/// An error of the system as nginx logs it: `2: No such file or directory`.
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
