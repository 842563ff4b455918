//! Small responses that this thread has read: a hit needs no more than the metadata of its file then.
//!
//! A response is used as long as its file has the version that was read. A change or removal of the file, by any process, has
//! the same effect as without this memory.

use std::cell::RefCell;
use std::path::Path;

use foldhash::HashMap;
use lab_net::FileVersion;

use super::digest::Digest;
use super::entry::{StoredContent, StoredResponse};
use super::head::EntryHead;

/// How much memory each of the two generations takes, in bytes.
const CAPACITY: usize = 1 << 20;
/// What a response takes beside its texts, in bytes.
const OVERHEAD: usize = 512;

thread_local! {
    static RECENT: RefCell<RecentResponses> = RefCell::default();
}

/// The file of a response: its zone and its digest.
pub(super) type FileKey = (u64, Digest);

/// Two generations of responses. When the younger one is full, it replaces the older one, so only responses that
/// were not used for a while are forgotten.
#[derive(Debug, Default)]
struct RecentResponses {
    young: HashMap<FileKey, RecentResponse>,
    old: HashMap<FileKey, RecentResponse>,
    /// The size of the younger generation.
    size: usize,
}

#[derive(Debug)]
struct RecentResponse {
    version: FileVersion,
    head: EntryHead,
    content: Vec<u8>,
    file_size: u64,
}

/// The response of a file, if it was read, and the file at `path` is still the same.
pub(super) fn find(key: FileKey, path: &Path) -> Option<Box<StoredResponse>> {
    RECENT.with_borrow_mut(|recent| recent.find(key, || rustix::fs::stat(path).ok().map(|stat| FileVersion::of(&stat))))
}

/// Keeps a response that was read from a file with this version.
pub(super) fn keep(key: FileKey, version: FileVersion, response: &StoredResponse) {
    RECENT.with_borrow_mut(|recent| recent.keep(key, version, response));
}

impl RecentResponses {
    fn find(&mut self, key: FileKey, current: impl FnOnce() -> Option<FileVersion>) -> Option<Box<StoredResponse>> {
        if !self.young.contains_key(&key) {
            let old = self.old.remove(&key)?;
            self.insert(key, old);
        }
        let recent = self.young.get(&key)?;
        if current() != Some(recent.version) {
            self.size -= recent.size();
            self.young.remove(&key);
            return None;
        }
        let (head, content) = (recent.head.clone(), StoredContent::Memory(recent.content.clone()));
        Some(Box::new(StoredResponse { head, content, digest: key.1, size: recent.file_size }))
    }

    fn keep(&mut self, key: FileKey, version: FileVersion, response: &StoredResponse) {
        let StoredContent::Memory(content) = &response.content else { return };
        let (head, content, file_size) = (response.head.clone(), content.clone(), response.size);
        self.insert(key, RecentResponse { version, head, content, file_size });
    }

    fn insert(&mut self, key: FileKey, response: RecentResponse) {
        let size = response.size();
        if self.size + size > CAPACITY {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        self.size += size;
        if let Some(replaced) = self.young.insert(key, response) {
            self.size -= replaced.size();
        }
    }
}

impl RecentResponse {
    fn size(&self) -> usize {
        self.file_size as usize + OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use lab_http::{ResponseHead, Version};

    use super::*;
    use crate::policy::terms::Terms;

    fn version(folder: &Path, name: &str) -> FileVersion {
        let path = folder.join(name);
        std::fs::write(&path, name).unwrap();
        FileVersion::of(&rustix::fs::stat(&path).unwrap())
    }

    fn response(content: &[u8]) -> StoredResponse {
        let response = ResponseHead::new(Version::Http11, 200, "OK");
        let head = EntryHead { key: b"key".to_vec(), variant: Vec::new(), terms: Terms::default(), response };
        let (content, size) = (StoredContent::Memory(content.to_vec()), content.len() as u64);
        StoredResponse { head, content, digest: Digest::of_key(b"key"), size }
    }

    fn key(number: u32) -> FileKey {
        (1, Digest::of_key(&number.to_le_bytes()))
    }

    #[test]
    fn another_version_of_a_file_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (version(folder.path(), "a"), version(folder.path(), "b"));
        let mut recent = RecentResponses::default();
        let content = |found: Option<Box<StoredResponse>>| match found?.content {
            StoredContent::Memory(content) => Some(content),
            StoredContent::File { .. } => None,
        };
        recent.keep(key(1), first, &response(b"first"));
        assert_eq!(content(recent.find(key(1), || Some(first))), Some(b"first".to_vec()));
        assert_eq!(content(recent.find((2, key(1).1), || Some(first))), None);
        assert_eq!(content(recent.find(key(1), || Some(second))), None);
        assert_eq!(content(recent.find(key(1), || Some(first))), None);
        recent.keep(key(1), first, &response(b"first"));
        assert_eq!(content(recent.find(key(1), || None)), None);
        assert_eq!(recent.size, 0);
    }

    #[test]
    fn memory_is_bounded_and_used_responses_stay() {
        let folder = tempfile::tempdir().unwrap();
        let version = version(folder.path(), "a");
        let mut recent = RecentResponses::default();
        let each = response(&[0; 1000]);
        for number in 0..10_000 {
            recent.keep(key(number), version, &each);
            assert!(recent.find(key(0), || Some(version)).is_some(), "{number}");
            assert!(recent.size <= CAPACITY);
        }
        let kept = recent.young.len() + recent.old.len();
        assert!(kept <= 2 * CAPACITY / (1000 + OVERHEAD), "{kept}");
        assert!(recent.find(key(5), || Some(version)).is_none());
        assert!(recent.find(key(9_999), || Some(version)).is_some());
    }
}
