//! Writes the scoreboard ([`lab_worker::scoreboard`]) into a page that the arbiter has open as well. No Python.

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use lab_http::RequestHead;
use lab_worker::scoreboard::{HEARTBEAT, LINE, LINE_LENGTH, LONGEST_LINE, REQUESTS, RETIRING, SIZE};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous};

/// The page of this process, which has only one worker.
static PAGE: OnceLock<Page> = OnceLock::new();

struct Page(NonNull<u8>);

// SAFETY: the page is mapped until the process ends. Its numbers are only accessed as atomics, and only one thread of
// the worker writes the line.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

/// Maps the scoreboard. Until then the other functions do nothing.
pub(crate) fn open(file: &OwnedFd) -> io::Result<()> {
    let length = rustix::fs::fstat(file)?.st_size;
    if usize::try_from(length).is_ok_and(|length| length < SIZE) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the scoreboard is smaller than {SIZE} bytes"),
        ));
    }
    // SAFETY: this is a new mapping, which aliases no memory of this process, and the file is large enough.
    let page =
        unsafe { mmap(std::ptr::null_mut(), SIZE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0) }?;
    let page = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
    // A second worker in this process would share the first one's page: the arbiter sees one process.
    let _ = PAGE.set(Page(page));
    Ok(())
}

/// Puts a private page in the place of the scoreboard, for a copy of the worker.
pub(crate) fn detach() -> io::Result<()> {
    let Some(page) = PAGE.get() else { return Ok(()) };
    let flags = MapFlags::PRIVATE | MapFlags::FIXED;
    // SAFETY: the new mapping replaces exactly the old one, which nothing but this module refers to, and a page of zeros
    // is as valid for it.
    unsafe { mmap_anonymous(page.0.as_ptr().cast(), SIZE, ProtFlags::READ | ProtFlags::WRITE, flags) }?;
    Ok(())
}

/// Shows that the worker is alive.
pub(crate) fn beat() {
    if let Some(page) = PAGE.get() {
        page.number(HEARTBEAT).fetch_add(1, Ordering::Relaxed);
    }
}

/// Shows that the worker retires.
pub(crate) fn retire() {
    if let Some(page) = PAGE.get() {
        page.number(RETIRING).store(1, Ordering::Release);
    }
}

/// Shows the request that begins. Call it on one thread only: that of the event loop, or that of the hub.
pub(crate) fn begin(head: &RequestHead) {
    let Some(page) = PAGE.get() else { return };
    page.number(LINE_LENGTH).store(0, Ordering::Release);
    let mut length = 0;
    for word in [head.method(), b" ", head.target(), b" ", head.version.text().as_bytes()] {
        let fitting = &word[..word.len().min(LONGEST_LINE - length)];
        // SAFETY: the line lies within the page, because it is no longer than `LONGEST_LINE`; the word lies elsewhere.
        unsafe { page.0.add(LINE + length).copy_from_nonoverlapping(NonNull::from(fitting).cast(), fitting.len()) };
        length += fitting.len();
    }
    page.number(LINE_LENGTH).store(length as u64, Ordering::Release);
    page.number(HEARTBEAT).fetch_add(1, Ordering::Relaxed);
}

/// Shows that a request is complete. `is_idle` is whether no other is in progress.
pub(crate) fn end(is_idle: bool) {
    let Some(page) = PAGE.get() else { return };
    page.number(REQUESTS).fetch_add(1, Ordering::Relaxed);
    page.number(HEARTBEAT).fetch_add(1, Ordering::Relaxed);
    if is_idle {
        page.number(LINE_LENGTH).store(0, Ordering::Release);
    }
}

impl Page {
    fn number(&self, at: usize) -> &AtomicU64 {
        // SAFETY: the offsets of numbers are multiples of 8 within the page, which is mapped until the process ends. This
        // process accesses them only as atomics.
        unsafe { AtomicU64::from_ptr(self.0.add(at).cast().as_ptr()) }
    }
}
