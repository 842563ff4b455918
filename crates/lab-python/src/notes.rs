//! The notes for the arbiter ([`lab_worker::notes`]), written into a page that both have open. No Python.

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use lab_http::RequestHead;
use lab_worker::notes::{HEARTBEAT, LINE, LINE_LENGTH, LONGEST_LINE, REQUESTS, SIZE};
use rustix::mm::{MapFlags, ProtFlags, mmap};

/// The page of this process: there is one worker in it.
static PAGE: OnceLock<Page> = OnceLock::new();

struct Page(NonNull<u8>);

// SAFETY: the page is mapped until the process ends, and its numbers are only touched as atomics; the line is written
// by the loop's thread alone.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

/// Opens the notes. Without them the other functions do nothing.
pub(crate) fn open(file: &OwnedFd) -> io::Result<()> {
    let length = rustix::fs::fstat(file)?.st_size;
    if usize::try_from(length).is_ok_and(|length| length < SIZE) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("the notes are smaller than {SIZE} bytes")));
    }
    // SAFETY: a new mapping, which aliases nothing of this process; the file has as many bytes.
    let page =
        unsafe { mmap(std::ptr::null_mut(), SIZE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0) }?;
    let page = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
    // A second worker in one process would share the page of the first, which is not to be told apart from outside.
    let _ = PAGE.set(Page(page));
    Ok(())
}

/// Shows that the worker lives.
pub(crate) fn beat() {
    if let Some(page) = PAGE.get() {
        page.number(HEARTBEAT).fetch_add(1, Ordering::Relaxed);
    }
}

/// Shows which request the worker is in. To be called by the loop's thread.
pub(crate) fn begin(head: &RequestHead) {
    let Some(page) = PAGE.get() else { return };
    page.number(LINE_LENGTH).store(0, Ordering::Release);
    let mut length = 0;
    for word in [head.method(), b" ", head.target(), b" ", head.version.text().as_bytes()] {
        let fitting = &word[..word.len().min(LONGEST_LINE - length)];
        // SAFETY: the line starts within the page and ends within it, for it is no longer than `LONGEST_LINE`; the
        // word lies elsewhere.
        unsafe { page.0.add(LINE + length).copy_from_nonoverlapping(NonNull::from(fitting).cast(), fitting.len()) };
        length += fitting.len();
    }
    page.number(LINE_LENGTH).store(length as u64, Ordering::Release);
    page.number(HEARTBEAT).fetch_add(1, Ordering::Relaxed);
}

/// Shows that a request is answered, and that no other is in progress if it was the last.
pub(crate) fn end(is_last: bool) {
    let Some(page) = PAGE.get() else { return };
    page.number(REQUESTS).fetch_add(1, Ordering::Relaxed);
    page.number(HEARTBEAT).fetch_add(1, Ordering::Relaxed);
    if is_last {
        page.number(LINE_LENGTH).store(0, Ordering::Release);
    }
}

impl Page {
    fn number(&self, at: usize) -> &AtomicU64 {
        // SAFETY: the offsets of numbers are multiples of 8 within the page, which is mapped until the process ends;
        // in this process they are only touched as atomics.
        unsafe { AtomicU64::from_ptr(self.0.add(at).cast().as_ptr()) }
    }
}
