//! Entries on disk: reading one, and writing one beside its place until it is complete.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use lab_net::FileVersion;
use rustix::buffer::spare_capacity;
use rustix::fs::Stat;

use super::digest::Digest;
use super::head::{self, EntryHead, Lengths, Record};

/// How much is read of a file at first: the head of most entries, and the whole of small ones.
const FIRST_READ: usize = 8 * 1024;
/// How much content is kept in memory until the file is written.
const WRITE_BUFFER: usize = 64 * 1024;
/// How much content is copied at a time.
const COPY_BUFFER: usize = 256 * 1024;
/// How often a head is read whose checksum is wrong, because it may just be replaced.
const READS: usize = 3;
/// The end of the names of files that are not complete.
const TEMPORARY: &str = ".tmp";

/// A stored response.
#[derive(Debug)]
pub struct StoredResponse {
    pub head: EntryHead,
    pub content: StoredContent,
    pub(super) digest: Digest,
    /// The size of its file in bytes.
    pub(super) size: u64,
}

/// The content of a stored response.
#[derive(Debug)]
pub enum StoredContent {
    /// Small content, which was read together with the head.
    Memory(Vec<u8>),
    /// A part of a file.
    File { file: File, start: u64, length: u64 },
}

impl StoredContent {
    /// The number of bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            StoredContent::Memory(content) => content.len() as u64,
            StoredContent::File { length, .. } => *length,
        }
    }
}

/// What is in a file.
pub(super) enum EntryFile {
    /// A response, and the version of a file whose content is in memory.
    Response(Box<StoredResponse>, Option<FileVersion>),
    Vary(head::VaryRecord),
    /// The file is damaged, or has another version.
    Unusable,
}

/// Opens the entry of a digest at `path`; None if there is no file.
pub(super) fn open(path: &Path, digest: Digest) -> io::Result<Option<EntryFile>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    for _ in 0..READS {
        // before the file is read: a later change makes another version
        let stat = rustix::fs::fstat(&file)?;
        let Some((record, text, lengths)) = read_head(&file)? else { continue };
        return Ok(Some(match record {
            Record::Vary(record) => EntryFile::Vary(record),
            Record::Response(head) => match content(file, &stat, text, lengths) {
                Some(content) => {
                    let size = lengths.head as u64 + lengths.content;
                    let version = matches!(content, StoredContent::Memory(_)).then(|| FileVersion::of(&stat));
                    EntryFile::Response(Box::new(StoredResponse { head: *head, content, digest, size }), version)
                }
                None => EntryFile::Unusable,
            },
        }));
    }
    Ok(Some(EntryFile::Unusable))
}

/// Reads the head of a file. Returns the bytes that were read, which may go beyond the head; None if it is damaged.
fn read_head(file: &File) -> io::Result<Option<(Record, Vec<u8>, Lengths)>> {
    let mut text = Vec::with_capacity(FIRST_READ);
    rustix::io::pread(file, spare_capacity(&mut text), 0)?;
    let Some(lengths) = head::lengths(&text) else { return Ok(None) };
    if lengths.head > text.len() {
        let start = text.len();
        text.resize(lengths.head, 0);
        match file.read_exact_at(&mut text[start..], start as u64) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
    }
    Ok(head::decode(&text[..lengths.head]).map(|record| (record, text, lengths)))
}

/// The content behind a head that was read; None if the file is shorter.
fn content(file: File, stat: &Stat, text: Vec<u8>, lengths: Lengths) -> Option<StoredContent> {
    let start = lengths.head as u64;
    let size = start + lengths.content;
    if size <= text.len() as u64 {
        let mut text = text;
        text.truncate(lengths.head + lengths.content as usize);
        text.drain(..lengths.head);
        return Some(StoredContent::Memory(text));
    }
    let is_whole = u64::try_from(stat.st_size).is_ok_and(|length| length >= size);
    is_whole.then_some(StoredContent::File { file, start, length: lengths.content })
}

/// An entry that is being written. If it is dropped before it is complete, its file is removed.
#[derive(Debug)]
pub(super) struct PendingFile {
    /// None until the content exceeds the buffer.
    file: Option<File>,
    place: PathBuf,
    temporary: PathBuf,
    head: EntryHead,
    /// Content that is not in the file yet.
    buffer: Vec<u8>,
    /// The content so far, the buffer included.
    content: u64,
}

/// A part of the names of this process's incomplete files. Process ids are the same in every container.
static PROCESS: LazyLock<String> = LazyLock::new(|| format!("{:016x}", RandomState::new().hash_one(0)));

impl PendingFile {
    pub(super) fn new(place: PathBuf, head: EntryHead) -> PendingFile {
        let temporary = temporary(&place);
        PendingFile { file: None, place, temporary, head, buffer: Vec::new(), content: 0 }
    }

    pub(super) fn head_mut(&mut self) -> &mut EntryHead {
        &mut self.head
    }

    /// Adds the content of a stored response.
    pub(super) fn copy(&mut self, content: &StoredContent) -> io::Result<()> {
        let (file, mut start, mut left) = match content {
            StoredContent::Memory(content) => return self.push(content),
            StoredContent::File { file, start, length } => (file, *start, *length),
        };
        let mut block = vec![0; COPY_BUFFER];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(COPY_BUFFER);
            file.read_exact_at(&mut block[..wanted], start)?;
            self.push(&block[..wanted])?;
            start += wanted as u64;
            left -= wanted as u64;
        }
        Ok(())
    }

    /// Adds content.
    pub(super) fn push(&mut self, content: &[u8]) -> io::Result<()> {
        self.content += content.len() as u64;
        if self.buffer.len() + content.len() <= WRITE_BUFFER {
            self.buffer.extend_from_slice(content);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = create(&self.temporary)?;
                file.write_all(&encode(&self.head, 0)?)?;
                self.file.insert(file)
            }
        };
        file.write_all(&self.buffer)?;
        self.buffer.clear();
        if content.len() > WRITE_BUFFER / 2 {
            return file.write_all(content);
        }
        self.buffer.extend_from_slice(content);
        Ok(())
    }

    /// How much is in the file so far.
    pub(super) fn written(&self) -> u64 {
        self.content - self.buffer.len() as u64
    }

    /// Removes the file.
    pub(super) fn discard(&mut self) {
        if self.file.take().is_some() {
            _ = std::fs::remove_file(&self.temporary);
        }
    }

    /// Puts the complete file in its place. Returns its size in bytes.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let mut head = encode(&self.head, self.content)?;
        let size = head.len() as u64 + self.content;
        match &mut self.file {
            Some(file) => {
                file.write_all(&self.buffer)?;
                file.write_all_at(&head, 0)?;
            }
            None => {
                head.extend_from_slice(&self.buffer);
                // kept, so that a file that cannot be written is removed
                self.file.insert(create(&self.temporary)?).write_all(&head)?;
            }
        }
        std::fs::rename(&self.temporary, &self.place)?;
        self.file = None;
        Ok(size)
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        self.discard();
    }
}

/// Writes a file without content in one go, such as a vary record.
pub(super) fn write_whole(place: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = temporary(place);
    let written = create(&temporary).and_then(|mut file| file.write_all(text));
    let moved = written.and_then(|()| std::fs::rename(&temporary, place));
    if moved.is_err() {
        _ = std::fs::remove_file(&temporary);
    }
    moved
}

/// Replaces the head of a stored response, whose file is at `place`, by one of the same length. Returns whether that was
/// possible. A file that has been removed or replaced since then stays as it is.
pub(super) fn replace_head(place: &Path, stored: &StoredResponse, head: &EntryHead) -> io::Result<bool> {
    let content = stored.content.length();
    let (before, text) = (encode(&stored.head, content)?, encode(head, content)?);
    if text.len() != before.len() || text.len() as u64 + content != stored.size {
        return Ok(false);
    }
    let file = match OpenOptions::new().read(true).write(true).open(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        opened => opened?,
    };
    let mut current = vec![0; before.len()];
    let is_unchanged = file.read_exact_at(&mut current, 0).is_ok() && current == before;
    if is_unchanged {
        file.write_all_at(&text, 0)?;
    }
    Ok(true)
}

fn encode(head: &EntryHead, content: u64) -> io::Result<Vec<u8>> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidData, "the head is too long");
    head.encode(content).ok_or_else(too_long)
}

/// The name of a file until it is complete.
fn temporary(place: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut name = place.as_os_str().to_owned();
    name.push(format!(".{}-{}{TEMPORARY}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed)));
    name.into()
}

/// Whether the name of a file is that of an incomplete one.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.as_bytes().ends_with(TEMPORARY.as_bytes())
}

/// Whether an incomplete file is this process's.
pub(super) fn is_own(name: &OsStr) -> bool {
    name.as_bytes().windows(PROCESS.len()).any(|part| part == PROCESS.as_bytes())
}

/// Creates a file, and the folders above it if they are missing.
fn create(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            open()
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use lab_http::{ResponseHead, Version};

    use super::*;
    use crate::policy::terms::Terms;

    fn sample() -> EntryHead {
        let mut response = ResponseHead::new(Version::Http11, 200, "OK");
        response.headers.push("A", "b");
        EntryHead { key: b"key".to_vec(), variant: Vec::new(), terms: Terms::default(), response }
    }

    fn write(place: &Path, pieces: &[&[u8]]) -> u64 {
        let mut pending = PendingFile::new(place.to_owned(), sample());
        for piece in pieces {
            pending.push(piece).unwrap();
        }
        pending.finish().unwrap()
    }

    fn read(place: &Path) -> Option<Vec<u8>> {
        match open(place, Digest::of_key(b"key")).unwrap() {
            Some(EntryFile::Response(response, _)) => Some(match response.content {
                StoredContent::Memory(content) => content,
                StoredContent::File { file, start, length } => {
                    let mut content = vec![0; usize::try_from(length).unwrap()];
                    file.read_exact_at(&mut content, start).unwrap();
                    content
                }
            }),
            _ => None,
        }
    }

    #[test]
    fn content_of_any_size_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/b/entry");
        for pieces in [
            vec![],
            vec![1],
            vec![1, 2, 3],
            vec![FIRST_READ],
            vec![WRITE_BUFFER],
            vec![WRITE_BUFFER, 1],
            vec![1, WRITE_BUFFER],
            vec![WRITE_BUFFER / 2; 7],
            vec![3 * WRITE_BUFFER, 1, 3 * WRITE_BUFFER],
        ] {
            let mut next = 0_u8;
            let pieces: Vec<Vec<u8>> = pieces
                .iter()
                .map(|size| {
                    next = next.wrapping_add(1);
                    vec![next; *size]
                })
                .collect();
            let parts: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let size = write(&place, &parts);
            assert_eq!(std::fs::metadata(&place).unwrap().len(), size);
            assert_eq!(read(&place), Some(pieces.concat()));
            let files = std::fs::read_dir(place.parent().unwrap()).unwrap().count();
            assert_eq!(files, 1, "only the entry is left");
        }
    }

    #[test]
    fn incomplete_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut pending = PendingFile::new(folder.path().join("entry"), sample());
        pending.push(&vec![0; 3 * WRITE_BUFFER]).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(pending);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn damaged_file_is_unusable() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("entry");
        write(&place, &[&[7; 3 * FIRST_READ]]);
        let whole = std::fs::read(&place).unwrap();
        for length in [0, 10, 100, FIRST_READ, whole.len() - 1] {
            std::fs::write(&place, &whole[..length]).unwrap();
            let opened = open(&place, Digest::of_key(b"key")).unwrap();
            assert!(matches!(opened, Some(EntryFile::Unusable)), "{length}");
        }
        std::fs::write(&place, &whole).unwrap();
        assert!(read(&place).is_some());
        assert!(open(&folder.path().join("other"), Digest::of_key(b"key")).unwrap().is_none());
    }
}
