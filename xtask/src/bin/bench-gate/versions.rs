//! The two versions: a worktree of the merge base, and the executables of the benchmarks of each.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The benchmarks whose times are compared, each with the regular expression of those that are quiet enough.
pub(crate) const TIMED: [(&str, &str); 3] = [("app", ""), ("load", ""), ("twins", "^(phases|head|variables)/")];

/// The benchmark whose instructions are counted.
pub(crate) const COUNTED: &str = "instructions";

/// The commit to compare with.
pub(crate) struct Revision {
    name: String,
    commit: String,
}

impl Revision {
    /// The best common ancestor of HEAD and `named`.
    pub(crate) fn merge_base(root: &Path, named: Option<&str>) -> Result<Revision, String> {
        let exists =
            |name: &&str| git(root, &["rev-parse", "--quiet", "--verify", &format!("{name}^{{commit}}")]).is_ok();
        let name = match named {
            Some(name) => name,
            None => ["origin/main", "main"].into_iter().find(exists).ok_or("there is no main: name a revision")?,
        };
        if !exists(&name) {
            return Err(format!("git knows no revision `{name}`"));
        }
        let commit = git(root, &["merge-base", name, "HEAD"])
            .map_err(|_| format!("HEAD and {name} have no common ancestor; a shallow clone may lack it"))?;
        Ok(Revision { name: name.to_owned(), commit })
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.commit.get(..12).unwrap_or(&self.commit);
        write!(f, "{short}, the merge base with {}", self.name)
    }
}

/// A checkout of a revision, removed when it is dropped.
pub(crate) struct Worktree {
    repository: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Worktree {
    pub(crate) fn new(repository: &Path, revision: &Revision, folder: &Path) -> Result<Worktree, String> {
        let worktree = Worktree { repository: repository.to_owned(), folder: folder.to_owned() };
        // An interrupted run may have left one.
        worktree.remove();
        let path = folder.to_str().ok_or_else(|| format!("{} is not UTF-8", folder.display()))?;
        git(repository, &["worktree", "add", "--quiet", "--detach", path, &revision.commit])?;
        Ok(worktree)
    }

    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
        let _ = git(&self.repository, &["worktree", "prune"]);
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The executables of a version's benchmarks.
pub(crate) struct Build {
    pub(crate) root: PathBuf,
    executables: BTreeMap<String, PathBuf>,
}

impl Build {
    /// Builds the benchmarks that `root` has. The folder of cargo's output is `target`, or else cargo's own choice.
    pub(crate) fn new(root: &Path, target: Option<&Path>, profile: &str) -> Result<Build, String> {
        let names = TIMED.iter().map(|(name, _)| *name).chain([COUNTED]);
        let names: Vec<&str> = names.filter(|name| root.join(format!("benches/{name}.rs")).is_file()).collect();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root).args(["bench", "--locked", "--no-run", "--message-format", "json-render-diagnostics"]);
        cargo
            .args(["--profile", profile])
            .args(names.iter().flat_map(|name| ["--bench", *name]))
            .stderr(Stdio::inherit());
        if let Some(target) = target {
            cargo.env("CARGO_TARGET_DIR", target);
        }
        let output = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!("the benchmarks of {} do not build", root.display()));
        }
        let executables: BTreeMap<String, PathBuf> =
            String::from_utf8_lossy(&output.stdout).lines().filter_map(executable).collect();
        match names.iter().find(|name| !executables.contains_key(**name)) {
            Some(missing) => Err(format!("cargo has not named the executable of the benchmark `{missing}`")),
            None => Ok(Build { root: root.to_owned(), executables }),
        }
    }

    /// `None` if this version has no such benchmark.
    pub(crate) fn executable(&self, name: &str) -> Option<&Path> {
        self.executables.get(name).map(PathBuf::as_path)
    }
}

/// The name and the executable of a benchmark, if a line of cargo's messages is about one.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_bench = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "bench");
    let (name, executable) = (message["target"]["name"].as_str()?, message["executable"].as_str()?);
    is_bench.then(|| (name.to_owned(), executable.into()))
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output();
    let output = output.map_err(|error| format!("cannot run git: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_in_messages_of_cargo() {
        let bench =
            r#"{"reason":"compiler-artifact","target":{"kind":["bench"],"name":"app"},"executable":"/t/app-1"}"#;
        assert_eq!(executable(bench), Some(("app".to_owned(), "/t/app-1".into())));
        for other in [
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"lab"},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "not JSON",
        ] {
            assert_eq!(executable(other), None);
        }
    }
}
