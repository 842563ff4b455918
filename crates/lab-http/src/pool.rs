//! Buffers shared by the connections of one thread.
//!
//! A connection holds a buffer only while the buffer has content. Ten thousand idle connections need almost no memory,
//! and the busy ones use the same few buffers, which stay in the processor's caches.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Initial size of a read buffer in bytes; enough for nearly every head.
pub(crate) const NORMAL: usize = 8 * 1024;
/// Size of a read buffer for a body that keeps filling a normal one.
pub(crate) const LARGE: usize = 64 * 1024;
/// Maximum number of pooled buffers of each kind.
const MAX_POOLED: usize = 128;
/// Maximum number of pooled large buffers: 1 MiB for each thread.
const MAX_LARGE_POOLED: usize = 16;
/// Largest capacity of a pooled write buffer, in bytes.
const MAX_POOLED_CAPACITY: usize = 32 * 1024;

thread_local! {
    static READING: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static LARGE_READING: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static WRITING: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A read buffer: empty, or at least [`NORMAL`] bytes with arbitrary content. Returns to its pool when dropped.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
}

impl ReadBuffer {
    /// A buffer of [`NORMAL`] bytes.
    pub(crate) fn take() -> ReadBuffer {
        let pooled = READING.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        ReadBuffer { bytes: pooled.unwrap_or_else(|| vec![0; NORMAL]) }
    }

    /// A buffer of [`LARGE`] bytes.
    pub(crate) fn take_large() -> ReadBuffer {
        let pooled = LARGE_READING.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        ReadBuffer { bytes: pooled.unwrap_or_else(|| vec![0; LARGE]) }
    }

    /// A buffer of [`LARGE`] bytes if the pool has one, otherwise of [`NORMAL`] bytes.
    pub(crate) fn take_largest() -> ReadBuffer {
        let pooled = LARGE_READING.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        pooled.map_or_else(ReadBuffer::take, |bytes| ReadBuffer { bytes })
    }

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
        // most dropped buffers are empty
        if !self.bytes.is_empty() {
            self.give_back();
        }
    }
}

impl ReadBuffer {
    fn give_back(&mut self) {
        match self.bytes.len() {
            NORMAL => give(&READING, MAX_POOLED, std::mem::take(&mut self.bytes)),
            LARGE => give(&LARGE_READING, MAX_LARGE_POOLED, std::mem::take(&mut self.bytes)),
            _ => {}
        }
    }
}

/// An empty write buffer.
pub(crate) fn take_for_writing() -> Vec<u8> {
    let pooled = WRITING.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
    pooled.unwrap_or_default()
}

/// Returns a write buffer to its pool.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if (1..=MAX_POOLED_CAPACITY).contains(&buffer.capacity()) {
        buffer.clear();
        give(&WRITING, MAX_POOLED, buffer);
    }
}

fn give(pool: &'static std::thread::LocalKey<RefCell<Vec<Vec<u8>>>>, limit: usize, buffer: Vec<u8>) {
    // the pool is gone while its thread ends
    _ = pool.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < limit {
            pool.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returned_buffers_are_reused() {
        let mut one = ReadBuffer::take();
        one[0] = 1;
        let address = one.as_ptr();
        drop(one);
        let two = ReadBuffer::take();
        assert_eq!((two.as_ptr(), two.len()), (address, NORMAL));
        assert_eq!(ReadBuffer::default().len(), 0);

        let large = ReadBuffer::take_large();
        let address = large.as_ptr();
        drop(large);
        let large = ReadBuffer::take_largest();
        assert_eq!((large.as_ptr(), large.len()), (address, LARGE));
        assert_eq!(ReadBuffer::take_largest().len(), NORMAL);

        let mut writing = take_for_writing();
        writing.extend_from_slice(b"hello");
        let address = writing.as_ptr();
        give_back(writing);
        let writing = take_for_writing();
        assert_eq!((writing.as_ptr(), writing.len()), (address, 0));
    }

    #[test]
    fn grown_buffers_are_not_pooled() {
        let mut large = ReadBuffer::take();
        large.grow(4 * NORMAL);
        drop(large);
        assert_eq!(ReadBuffer::take().len(), NORMAL);
        give_back(Vec::with_capacity(2 * MAX_POOLED_CAPACITY));
        assert!(take_for_writing().capacity() < 2 * MAX_POOLED_CAPACITY);
    }
}
