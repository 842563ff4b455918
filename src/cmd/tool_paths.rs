//! The paths of tools and environments, from the command line and environment variables.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::KindsArgs;
use crate::provision::{Python, ToolPaths};

/// The paths that the command line names, or their defaults.
pub(super) fn tool_paths(args: &KindsArgs) -> anyhow::Result<ToolPaths> {
    let cache = match (&args.cache, variable("XDG_CACHE_HOME")) {
        (Some(cache), _) => cache.clone(),
        (None, Some(cache)) => cache.join("lab"),
        (None, None) => match home() {
            Some(home) => home.join(".cache/lab"),
            None => anyhow::bail!("there is no home folder for environments; use --cache"),
        },
    };
    let tools = ToolPaths {
        lab: std::env::current_exe().context("find the lab binary")?,
        cache: std::path::absolute(&cache).with_context(|| format!("find {}", cache.display()))?,
        python: Python::find(args.python.as_deref()),
    };
    // Both are parts of command lines, which are text.
    for (what, path) in [("the lab binary", &tools.lab), ("the folder of environments (--cache)", &tools.cache)] {
        if path.to_str().is_none() {
            anyhow::bail!("{what} is {}, whose path is not UTF-8; accepted: a path that is text", path.display());
        }
    }
    Ok(tools)
}

/// The folder that a variable names, unless it is unset or empty.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// The home folder: `HOME`, or that of the user's account, as shells find it. Services often run without the variable.
fn home() -> Option<PathBuf> {
    let of_account = || nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir);
    variable("HOME").or_else(of_account)
}
