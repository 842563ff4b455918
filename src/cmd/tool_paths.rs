//! Where the command line and the environment say that tools and environments are.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::KindsArgs;
use crate::provision::{Python, ToolPaths};

/// The paths that the command line names, or their defaults.
pub(super) fn tool_paths(args: &KindsArgs) -> anyhow::Result<ToolPaths> {
    let cache = match (&args.cache, std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _, _) => cache.clone(),
        (None, Some(cache), _) if !cache.is_empty() => PathBuf::from(cache).join("lab"),
        (None, _, Some(home)) => PathBuf::from(home).join(".cache/lab"),
        (None, _, None) => anyhow::bail!("there is no home folder to keep environments in: give --cache"),
    };
    Ok(ToolPaths {
        lab: std::env::current_exe().context("find the lab binary")?,
        cache: std::path::absolute(&cache).with_context(|| format!("find {}", cache.display()))?,
        python: Python::find(args.python.as_deref()),
    })
}
