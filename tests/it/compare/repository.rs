//! A project in a git repository of its own.

use std::process::Command;

use crate::support::Project;

/// git's settings, whoever runs the tests.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_AUTHOR_NAME", "A"),
    ("GIT_AUTHOR_EMAIL", "a@example.org"),
    ("GIT_COMMITTER_NAME", "A"),
    ("GIT_COMMITTER_EMAIL", "a@example.org"),
];

/// Runs git in the project, which must succeed; its output.
#[track_caller]
pub(crate) fn git(project: &Project, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.envs(ENVIRONMENT).args(["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"]);
    let output = command.args(arguments).current_dir(project.path("")).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits everything. Returns the commit's hash.
#[track_caller]
pub(crate) fn commit(project: &Project) -> String {
    if !project.path(".git").exists() {
        git(project, &["init", "--quiet"]);
        project.write(".gitignore", "/reports/\n__pycache__/\n");
    }
    git(project, &["add", "--all"]);
    git(project, &["commit", "--quiet", "--message", "as it is"]);
    git(project, &["rev-parse", "HEAD"])
}

/// Fails if a comparison has left a worktree.
#[track_caller]
pub(crate) fn assert_no_worktree(project: &Project) {
    assert_eq!(git(project, &["worktree", "list"]).lines().count(), 1);
    let left = std::fs::read_dir(project.path("reports/revisions")).map(Iterator::count);
    assert!(left.is_err() || left.is_ok_and(|left| left == 0), "a checkout is left");
}
