//! Folds identical functions of the binary, of which generic code makes many: 3 % of its size.

use std::env;
use std::process::Command;

/// From this version on, rustc links with its own LLD on x86-64 Linux.
const FIRST_WITH_LLD: u32 = 90;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if is_linked_with_lld() {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Other linkers may not know the option. A configured linker may be any.
fn is_linked_with_lld() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    env::var("TARGET").is_ok_and(|target| target == "x86_64-unknown-linux-gnu")
        && env::var_os("RUSTC_LINKER").is_none()
        && !flags.contains("link")
        && minor_version().is_some_and(|minor| minor >= FIRST_WITH_LLD)
}

/// The 95 of `rustc 1.95.0`.
fn minor_version() -> Option<u32> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok()?.split('.').nth(1)?.parse().ok()
}
