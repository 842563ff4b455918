//! Digests of keys, and the files that they name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};

/// The MD5 digest of a key, as in nginx, whose tools find the files of a key by it. A collision does no harm, because
/// entries contain their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; LENGTH]);

pub(super) const LENGTH: usize = 16;

/// How many digits the names of folders have, from the outer level to the inner one: `levels=1:2`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Levels(Vec<usize>);

impl Digest {
    #[must_use]
    pub fn of_key(key: &[u8]) -> Digest {
        Digest(Md5::digest(key).into())
    }

    /// The digest of a response that varies. `generation` is that of the key's vary record.
    #[must_use]
    pub fn of_variant(key: Digest, generation: u64, variant: &[u8]) -> Digest {
        let mut hash = Md5::new();
        hash.update(key.0);
        hash.update(generation.to_le_bytes());
        hash.update(variant);
        Digest(hash.finalize().into())
    }

    /// The digest with this name of a file.
    #[must_use]
    pub fn from_name(name: &OsStr) -> Option<Digest> {
        let name = name.as_bytes();
        let mut bytes = [0; LENGTH];
        if name.len() != 2 * LENGTH {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(name.chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Some(Digest(bytes))
    }

    pub(super) fn bytes(&self) -> [u8; LENGTH] {
        self.0
    }

    pub(super) fn from_bytes(bytes: [u8; LENGTH]) -> Digest {
        Digest(bytes)
    }

    /// The digest in hexadecimal digits.
    #[must_use]
    pub fn name(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
    }

    /// The first bytes as a number.
    pub(super) fn number(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// The value of a lower-case hexadecimal digit.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl Levels {
    /// Up to three levels, each of one or two digits.
    #[must_use]
    pub fn new(levels: &[usize]) -> Option<Levels> {
        let is_valid = levels.len() <= 3 && levels.iter().all(|digits| matches!(digits, 1 | 2));
        is_valid.then(|| Levels(levels.to_vec()))
    }

    /// How many folders there are above a file.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// The file of a digest. As in nginx, folders are named from the end of the digest backwards.
    #[must_use]
    pub fn file(&self, root: &Path, digest: Digest) -> PathBuf {
        let name = digest.name();
        let mut path = PathBuf::with_capacity(root.as_os_str().len() + name.len() + 12);
        path.push(root);
        let mut end = name.len();
        for digits in &self.0 {
            path.push(&name[end - digits..end]);
            end -= digits;
        }
        path.push(name);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_where_nginx_puts_them() {
        // the example of nginx's documentation
        let digest = Digest::from_name(OsStr::new("b7f54b2df7773722d382f4809d65029c")).unwrap();
        let levels = Levels::new(&[1, 2]).unwrap();
        let path = levels.file(Path::new("/data/nginx/cache"), digest);
        assert_eq!(path, Path::new("/data/nginx/cache/c/29/b7f54b2df7773722d382f4809d65029c"));
        let flat = Levels::default().file(Path::new("/data"), digest);
        assert_eq!(flat, Path::new("/data/b7f54b2df7773722d382f4809d65029c"));
        assert_eq!(Levels::new(&[1, 2, 2]).unwrap().depth(), 3);
        assert!(Levels::new(&[3]).is_none() && Levels::new(&[1, 1, 1, 1]).is_none());
    }

    #[test]
    fn names_are_digests() {
        assert_eq!(Digest::of_key(b"a").name(), "0cc175b9c0f1b6a831c399e269772661");
        assert_eq!(Digest::from_name(OsStr::new(&Digest::of_key(b"a").name())), Some(Digest::of_key(b"a")));
        for name in ["", "0cc175b9c0f1b6a831c399e26977266", "0CC175B9C0F1B6A831C399E269772661", "x"] {
            assert_eq!(Digest::from_name(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn variants_have_digests_of_their_own() {
        let key = Digest::of_key(b"a");
        let variant = Digest::of_variant(key, 1, b"x");
        assert_ne!(variant, key);
        assert_ne!(variant, Digest::of_variant(key, 2, b"x"));
        assert_ne!(variant, Digest::of_variant(key, 1, b"y"));
    }
}
