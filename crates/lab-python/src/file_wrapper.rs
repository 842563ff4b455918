//! `wsgi.file_wrapper` (PEP 3333: "Optional Platform-Specific File Handling").

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyAttributeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use rustix::fs::{FileType, fstat};

use crate::response::FileRange;

/// Whether files are sent by the server (gunicorn's `sendfile`).
static SENDS_FILES: AtomicBool = AtomicBool::new(true);

/// Sets whether the server may send a file itself; otherwise the blocks of its wrapper are sent like any content.
pub(crate) fn allow_sendfile(is_allowed: bool) {
    SENDS_FILES.store(is_allowed, Ordering::Relaxed);
}

/// A file-like object as an iterable of blocks. If it is a plain file, the server sends the file itself instead.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct FileWrapper {
    #[pyo3(get)]
    filelike: Py<PyAny>,
    #[pyo3(get)]
    blksize: isize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=8192))]
    fn new(filelike: Py<PyAny>, blksize: isize) -> FileWrapper {
        FileWrapper { filelike, blksize }
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let block = self.filelike.bind(py).call_method1(intern!(py, "read"), (self.blksize,))?;
        if block.is_truthy()? { Ok(block) } else { Err(PyStopIteration::new_err(())) }
    }

    /// The PEP requires `close` only if the file-like object has it.
    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match name {
            "close" => self.filelike.bind(py).getattr(intern!(py, "close")),
            _ => Err(PyAttributeError::new_err(format!("'FileWrapper' object has no attribute '{name}'"))),
        }
    }
}

impl FileWrapper {
    /// The part of the file behind the current position; None if the object is not a regular file, or the server must not
    /// send it itself.
    pub(crate) fn file_range(&self, py: Python<'_>) -> Option<FileRange> {
        let filelike = self.filelike.bind(py);
        if !SENDS_FILES.load(Ordering::Relaxed) || !is_plain_file(filelike).unwrap_or(false) {
            return None;
        }
        let descriptor: i32 = filelike.call_method0(intern!(py, "fileno")).ok()?.extract().ok()?;
        let file = duplicate(descriptor)?;
        let status = fstat(&file).ok()?;
        if !FileType::from_raw_mode(status.st_mode).is_file() {
            return None;
        }
        // A buffered reader may be ahead with the descriptor; its own position counts.
        let offset: u64 = filelike.call_method0(intern!(py, "tell")).ok()?.extract().ok()?;
        let length = u64::try_from(status.st_size).ok()?.saturating_sub(offset);
        Some(FileRange { file, offset, length })
    }
}

/// Whether the object reads exactly the bytes behind its descriptor. Objects such as `gzip.GzipFile` have a descriptor as
/// well, but read something else.
fn is_plain_file(filelike: &Bound<'_, PyAny>) -> PyResult<bool> {
    let io = filelike.py().import(intern!(filelike.py(), "io"))?;
    let file_io = io.getattr(intern!(filelike.py(), "FileIO"))?;
    for buffered in ["BufferedReader", "BufferedRandom"] {
        if filelike.get_type().is(&io.getattr(buffered)?) {
            return Ok(filelike.getattr(intern!(filelike.py(), "raw"))?.get_type().is(&file_io));
        }
    }
    Ok(filelike.get_type().is(&file_io))
}

fn duplicate(descriptor: i32) -> Option<OwnedFd> {
    if descriptor < 0 {
        return None;
    }
    // SAFETY: the object that returned the descriptor is alive and has it open; otherwise the kernel reports an error.
    unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned().ok()
}
