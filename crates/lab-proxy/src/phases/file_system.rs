//! The file system as the phases see it.
//!
//! Like nginx without `aio`, it is accessed directly: that takes microseconds, and another thread would take longer.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::SystemTime;

use lab_http::h1::write::hexadecimal;
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, Stat};

use super::readable_files::ReadableFiles;

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

impl FileMetadata {
    /// The entity tag in nginx's form, quotes included: the time of the last change and the size.
    #[must_use]
    pub fn entity_tag(&self) -> Vec<u8> {
        let mut tag = Vec::with_capacity(2 * 16 + 3);
        tag.push(b'"');
        hexadecimal(&mut tag, self.modified.cast_unsigned());
        tag.push(b'-');
        hexadecimal(&mut tag, self.size);
        tag.push(b'"');
        tag
    }
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
pub struct OpenedFile<'a> {
    /// The file, at its start; none if the client has a current copy (304).
    pub file: Option<File>,
    pub metadata: FileMetadata,
    /// Empty for none.
    pub media_type: &'a str,
    /// The content coding, if the file has one (`gzip_static`, `brotli_static`, `zstd_static`).
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

/// `disable_symlinks`: how symbolic links in a path are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symlinks {
    Followed,
    /// They are errors from this byte of the path on.
    Checked {
        start: usize,
        /// Whether a link is allowed whose target has the same owner.
        allows_owner: bool,
    },
}

/// Access to files.
pub trait FileSystem: std::fmt::Debug {
    /// The metadata of a path.
    ///
    /// # Errors
    /// Nothing is there, or it is not accessible.
    fn metadata(&self, path: &[u8], symlinks: Symlinks) -> io::Result<FileMetadata>;

    /// The metadata of a path that the process may open for reading. Its mode does not decide that: it may have an access
    /// control list.
    ///
    /// # Errors
    /// Nothing is there, or it is not readable.
    fn readable_metadata(&self, path: &[u8]) -> io::Result<FileMetadata>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// It is not readable.
    fn open(&self, path: &[u8], symlinks: Symlinks) -> io::Result<(Option<File>, FileMetadata)>;

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

thread_local! {
    static READABLE: RefCell<ReadableFiles> = RefCell::default();
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk;

/// Opening a pipe without a writer would block the worker.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

impl FileSystem for Disk {
    fn metadata(&self, path: &[u8], symlinks: Symlinks) -> io::Result<FileMetadata> {
        let stat = match symlinks {
            Symlinks::Followed => rustix::fs::stat(path)?,
            Symlinks::Checked { start, allows_owner } => rustix::fs::fstat(open_checked(path, start, allows_owner)?)?,
        };
        Ok(metadata(&stat))
    }

    fn readable_metadata(&self, path: &[u8]) -> io::Result<FileMetadata> {
        let stat = rustix::fs::stat(path)?;
        // with the effective user, as `open` does
        let is_accessible = || rustix::fs::accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS).is_ok();
        match READABLE.with_borrow_mut(|files| files.check(&stat, SystemTime::now, is_accessible)) {
            true => Ok(metadata(&stat)),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    fn open(&self, path: &[u8], symlinks: Symlinks) -> io::Result<(Option<File>, FileMetadata)> {
        let file = match symlinks {
            Symlinks::Followed => rustix::fs::open(path, READ, Mode::empty())?,
            Symlinks::Checked { start, allows_owner } => open_checked(path, start, allows_owner)?,
        };
        // cheaper than `statx`, which the standard library uses
        let metadata = metadata(&rustix::fs::fstat(&file)?);
        Ok((Some(File::from(file)), metadata))
    }

    fn read(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        std::fs::read(Path::new(OsStr::from_bytes(path)))
    }

    fn entries(&self, path: &[u8]) -> io::Result<Vec<FolderEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(Path::new(OsStr::from_bytes(path)))? {
            let entry = entry?;
            // an entry may vanish meanwhile
            let path = entry.path();
            let found = rustix::fs::stat(&path).or_else(|_| rustix::fs::lstat(&path));
            if let Ok(found) = found {
                let name = entry.file_name().as_bytes().to_vec();
                entries.push(FolderEntry { name, metadata: metadata(&found) });
            }
        }
        Ok(entries)
    }
}

fn metadata(stat: &Stat) -> FileMetadata {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Folder,
        _ => FileKind::Other,
    };
    FileMetadata {
        kind,
        is_executable: Mode::from_raw_mode(stat.st_mode).contains(Mode::XUSR),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: stat.st_mtime,
    }
}

/// Opens a file whose path has no symbolic links from its byte `start` on, or only links whose targets have the same
/// owner. Each component is opened by itself, so that none can be replaced by a link meanwhile.
fn open_checked(path: &[u8], start: usize, allows_owner: bool) -> io::Result<OwnedFd> {
    let (unchecked, checked) = path.split_at(start);
    let mut folder = match (unchecked, checked.first()) {
        ([], Some(b'/')) => rustix::fs::open("/", SEARCH, Mode::empty())?,
        ([], _) => rustix::fs::open(".", SEARCH, Mode::empty())?,
        _ => rustix::fs::open(unchecked, SEARCH, Mode::empty())?,
    };
    let mut components = checked.split(|&byte| byte == b'/').filter(|component| !component.is_empty()).peekable();
    while let Some(component) = components.next() {
        let is_last = components.peek().is_none() && !checked.ends_with(b"/");
        folder = open_component(&folder, component, if is_last { READ } else { SEARCH }, allows_owner)?;
        if is_last {
            return Ok(folder);
        }
    }
    Ok(rustix::fs::openat(&folder, ".", READ, Mode::empty())?)
}

const SEARCH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn open_component(folder: &OwnedFd, name: &[u8], flags: OFlags, allows_owner: bool) -> io::Result<OwnedFd> {
    if !allows_owner {
        return Ok(rustix::fs::openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty())?);
    }
    let target = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let own = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if own.st_uid != rustix::fs::fstat(&target)?.st_uid {
        return Err(rustix::io::Errno::LOOP.into());
    }
    Ok(target)
}

/// An error of the system as nginx logs it: `2: No such file or directory`.
pub(crate) fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => {
            let text = text.split(" (os error").next().unwrap_or_default();
            format!("{code}: {text}")
        }
        None => text,
    }
}
