//! Buffers that connections of one thread take turns with.
//!
//! A connection holds one only while there is something in it. Ten thousand that wait take next to nothing so, and those
//! that are busy use the same few buffers, which stay in the processor's caches.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Bytes a buffer for reading starts with; enough for nearly every head.
pub(crate) const USUAL: usize = 8 * 1024;
/// Bytes of a buffer for a body that keeps filling the usual one.
pub(crate) const LARGE: usize = 64 * 1024;
/// So many buffers of a kind wait for their next use.
const KEPT: usize = 128;
/// So many of the large ones: 1 MiB for each thread.
const LARGE_KEPT: usize = 16;
/// A buffer for writing that grew beyond this many bytes is not kept.
const LARGEST_KEPT: usize = 32 * 1024;

thread_local! {
    static READING: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static LARGE_READING: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static WRITING: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer for reading: nothing, or at least [`USUAL`] bytes of whatever was read before. Given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
}

impl ReadBuffer {
    /// One of [`USUAL`] bytes.
    pub(crate) fn take() -> ReadBuffer {
        let pooled = READING.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        ReadBuffer { bytes: pooled.unwrap_or_else(|| vec![0; USUAL]) }
    }

    /// One of [`LARGE`] bytes.
    pub(crate) fn take_large() -> ReadBuffer {
        let pooled = LARGE_READING.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        ReadBuffer { bytes: pooled.unwrap_or_else(|| vec![0; LARGE]) }
    }

    /// One of [`LARGE`] bytes if one is there, one of [`USUAL`] bytes if not.
    pub(crate) fn take_largest() -> ReadBuffer {
        let pooled = LARGE_READING.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        pooled.map_or_else(ReadBuffer::take, |bytes| ReadBuffer { bytes })
    }

    /// Makes it at least that large.
    pub(crate) fn grow(&mut self, size: usize) {
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
    }
}

impl Deref for ReadBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for ReadBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for ReadBuffer {
    #[inline]
    fn drop(&mut self) {
        // most of the buffers that end are none
        if !self.bytes.is_empty() {
            self.give_back();
        }
    }
}

impl ReadBuffer {
    fn give_back(&mut self) {
        match self.bytes.len() {
            USUAL => give(&READING, KEPT, std::mem::take(&mut self.bytes)),
            LARGE => give(&LARGE_READING, LARGE_KEPT, std::mem::take(&mut self.bytes)),
            _ => {}
        }
    }
}

/// An empty buffer for writing.
pub(crate) fn take_for_writing() -> Vec<u8> {
    let pooled = WRITING.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
    pooled.unwrap_or_default()
}

/// Gives a buffer for writing back.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if (1..=LARGEST_KEPT).contains(&buffer.capacity()) {
        buffer.clear();
        give(&WRITING, KEPT, buffer);
    }
}

fn give(pool: &'static std::thread::LocalKey<RefCell<Vec<Vec<u8>>>>, kept: usize, buffer: Vec<u8>) {
    // a thread that ends has no use for it
    _ = pool.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < kept {
            pool.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_taken_again() {
        let mut one = ReadBuffer::take();
        one[0] = 1;
        let place = one.as_ptr();
        drop(one);
        let two = ReadBuffer::take();
        assert_eq!((two.as_ptr(), two.len()), (place, USUAL));
        assert_eq!(ReadBuffer::default().len(), 0);

        let large = ReadBuffer::take_large();
        let place = large.as_ptr();
        drop(large);
        let large = ReadBuffer::take_largest();
        assert_eq!((large.as_ptr(), large.len()), (place, LARGE));
        assert_eq!(ReadBuffer::take_largest().len(), USUAL);

        let mut writing = take_for_writing();
        writing.extend_from_slice(b"hello");
        let place = writing.as_ptr();
        give_back(writing);
        let writing = take_for_writing();
        assert_eq!((writing.as_ptr(), writing.len()), (place, 0));
    }

    #[test]
    fn what_grew_is_not_kept() {
        let mut large = ReadBuffer::take();
        large.grow(4 * USUAL);
        drop(large);
        assert_eq!(ReadBuffer::take().len(), USUAL);
        give_back(Vec::with_capacity(2 * LARGEST_KEPT));
        assert!(take_for_writing().capacity() < 2 * LARGEST_KEPT);
    }
}
