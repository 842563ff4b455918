//! Native strings (PEP 3333: "A Note On String Types"): bytes of the protocol as Latin-1 text.

use std::borrow::Cow;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Bytes as a native string.
pub(crate) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // OK because no slice is longer than `isize::MAX`.
    let length = ffi::Py_ssize_t::try_from(bytes.len()).expect("a length");
    // SAFETY: pointer and length are those of `bytes`. The result is a new reference to a string, or null with an
    // exception set.
    unsafe {
        let text = ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, c"strict".as_ptr());
        Ok(Bound::from_owned_ptr_or_err(py, text)?.cast_into_unchecked())
    }
}

/// The bytes of a native string; an error if a character is not in Latin-1.
pub(crate) fn encode<'t>(text: &'t Bound<'_, PyString>) -> PyResult<Cow<'t, [u8]>> {
    // ASCII is the same in UTF-8 and Latin-1, and CPython gives it without a copy.
    let utf8 = text.to_str()?;
    if utf8.is_ascii() {
        return Ok(Cow::Borrowed(utf8.as_bytes()));
    }
    // SAFETY: the argument is a string; the result is a new reference to bytes, or null with an exception set.
    let encoded: Bound<'_, PyBytes> = unsafe {
        let encoded = ffi::PyUnicode_AsLatin1String(text.as_ptr());
        Bound::from_owned_ptr_or_err(text.py(), encoded)?.cast_into_unchecked()
    };
    Ok(Cow::Owned(encoded.as_bytes().to_vec()))
}
