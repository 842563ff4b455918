//! Content that is sent from where it lies: bytes of the application, kept until they are on their way.

use std::fmt;
use std::ops::Deref;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Bytes of Python, to be read without the interpreter.
pub(crate) struct Kept {
    /// Keeps the bytes where they are. Dropped without the interpreter, it is let go when that is attached to next.
    _object: Py<PyBytes>,
    content: *const [u8],
}

// SAFETY: bytes are never changed and do not move while there is a reference to them, whoever reads them.
unsafe impl Send for Kept {}

impl Kept {
    /// Keeps bytes.
    pub(crate) fn new(bytes: &Bound<'_, PyBytes>) -> Kept {
        Kept { content: std::ptr::from_ref(bytes.as_bytes()), _object: bytes.clone().unbind() }
    }
}

impl Deref for Kept {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the object is alive, and with it its bytes, which nobody changes.
        unsafe { &*self.content }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("length", &self.len()).finish_non_exhaustive()
    }
}
