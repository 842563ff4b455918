//! How much free memory the C library's allocator keeps. No Python.
//!
//! glibc returns free memory above 128 KiB to the system and requests it again for the next 64 kB body, at the cost of a
//! page fault for each page.
//!
//! The settings go to the allocator directly, since environment variables would be inherited by the processes that an
//! application starts.

/// The environment variables of these settings (mallopt(3), "ENVIRONMENT VARIABLES").
const VARIABLES: [&str; 2] = ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"];
/// Their names in `GLIBC_TUNABLES` (glibc's manual, "Memory Allocation Tunables").
const TUNABLES: [&str; 2] = ["glibc.malloc.trim_threshold", "glibc.malloc.mmap_threshold"];

/// Makes the allocator keep the memory that every request needs, unless the environment sets its own values. Call it while
/// there is one thread.
pub(crate) fn configure() {
    let tunables = std::env::var("GLIBC_TUNABLES").unwrap_or_default();
    let is_configured = VARIABLES.iter().any(|name| std::env::var_os(name).is_some())
        || TUNABLES.iter().any(|name| tunables.contains(name));
    if !is_configured {
        set_thresholds();
    }
}

#[cfg(target_env = "gnu")]
fn set_thresholds() {
    /// Free memory up to this size is not returned to the system.
    const TRIM_THRESHOLD: libc::c_int = 8 * 1024 * 1024;
    /// Allocations from this size on are mapped and unmapped individually.
    const MMAP_THRESHOLD: libc::c_int = 4 * 1024 * 1024;
    for (parameter, bytes) in [(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD), (libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD)] {
        // SAFETY: both parameters take a number of bytes and affect unused memory only. No other thread is in the
        // allocator.
        unsafe { libc::mallopt(parameter, bytes) };
    }
}

/// Other C libraries have no such settings.
#[cfg(not(target_env = "gnu"))]
fn set_thresholds() {}
