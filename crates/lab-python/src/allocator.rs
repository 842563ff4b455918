//! How much free memory the C library's allocator holds on to. No Python.
//!
//! glibc gives free memory above 128 KiB back to the system, only to ask for it again with the next request that has a
//! body of 64 kB, at the price of a fault for each page.
//!
//! This is said to the allocator and not to the environment, which the processes that an application starts inherit.

/// What says the same to glibc (mallopt(3), "ENVIRONMENT VARIABLES").
const VARIABLES: [&str; 2] = ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"];
/// The same in `GLIBC_TUNABLES` (glibc's manual, "Memory Allocation Tunables").
const TUNABLES: [&str; 2] = ["glibc.malloc.trim_threshold", "glibc.malloc.mmap_threshold"];

/// Has the allocator keep what requests need again and again, unless the environment says how much that is to be. To be
/// called while there is one thread.
pub(crate) fn settle() {
    let tunables = std::env::var("GLIBC_TUNABLES").unwrap_or_default();
    let is_told = VARIABLES.iter().any(|name| std::env::var_os(name).is_some())
        || TUNABLES.iter().any(|name| tunables.contains(name));
    if !is_told {
        keep();
    }
}

#[cfg(target_env = "gnu")]
fn keep() {
    /// Bytes of free memory that are not given back.
    const KEPT: libc::c_int = 8 * 1024 * 1024;
    /// Bytes from which on memory is had from the system and given back by itself.
    const BY_ITSELF: libc::c_int = 4 * 1024 * 1024;
    for (parameter, bytes) in [(libc::M_TRIM_THRESHOLD, KEPT), (libc::M_MMAP_THRESHOLD, BY_ITSELF)] {
        // SAFETY: both take a number of bytes, and change what is done with memory that is not in use; no other thread
        // is in the allocator.
        unsafe { libc::mallopt(parameter, bytes) };
    }
}

/// Other C libraries have nothing of the kind.
#[cfg(not(target_env = "gnu"))]
fn keep() {}
