//! Earlier versions of a project's files: a revision that git knows, checked out beside the project for one run, or another
//! folder.
//!
//! Nothing here knows scenarios. Hooks of the repository are not run, and neither the index nor the working tree is touched.

mod checkout;
mod git;

use std::path::{Path, PathBuf};

pub use checkout::{Checkout, CheckoutError};
pub use git::{GitError, Repository};

/// The earlier version that a user has named.
#[derive(Debug)]
pub enum Earlier {
    /// A commit of the repository.
    Commit(String),
    /// A folder with the same files at another time.
    Folder(PathBuf),
}

/// Why there is no such version.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    #[error(
        "`{name}` is not a folder, and {} is in no git repository\n\
         hint: name a folder with the earlier version of the project",
        root.display()
    )]
    NoRepository { name: String, root: PathBuf },
    #[error(
        "git knows no revision `{0}`, and there is no such folder\n\
         hint: accepted: a branch, a tag, a commit, `HEAD~1`, or a folder; a clone of CI may lack other branches: \
         `git fetch origin {0}`"
    )]
    Unknown(String),
    #[error(
        "git finds no common ancestor of `{0}` and HEAD\n\
         hint: a shallow clone lacks it: `git fetch --unshallow`, or `fetch-depth: 0` in a workflow of GitHub"
    )]
    NoMergeBase(String),
    #[error("`--merge-base` is about revisions, and `{0}` is a folder")]
    FolderHasNoMergeBase(String),
    #[error(transparent)]
    Git(#[from] GitError),
}

/// The repository of the project at `root`, if there is one. A folder as the earlier version needs no git.
///
/// # Errors
/// [`GitError`].
pub fn repository(root: &Path, name: &str) -> Result<Option<Repository>, GitError> {
    match Repository::containing(root) {
        Err(GitError::Missing) if Path::new(name).is_dir() => Ok(None),
        found => found,
    }
}

/// Finds the version `name` of the project at `root`: a revision, or else a folder.
///
/// # Errors
/// [`RevisionError`].
pub fn find(
    name: &str,
    merge_base: bool,
    root: &Path,
    repository: Option<&Repository>,
) -> Result<Earlier, RevisionError> {
    let folder = Path::new(name);
    let commit = repository.map(|repository| repository.commit(name)).transpose()?.flatten();
    match (commit, repository) {
        (Some(commit), Some(repository)) if merge_base => {
            let common = repository.merge_base(&commit)?;
            common.map(Earlier::Commit).ok_or_else(|| RevisionError::NoMergeBase(name.to_owned()))
        }
        (Some(commit), _) => Ok(Earlier::Commit(commit)),
        (None, _) if folder.is_dir() && merge_base => Err(RevisionError::FolderHasNoMergeBase(name.to_owned())),
        (None, _) if folder.is_dir() => Ok(Earlier::Folder(folder.to_owned())),
        (None, None) => Err(RevisionError::NoRepository { name: name.to_owned(), root: root.to_owned() }),
        (None, Some(_)) => Err(RevisionError::Unknown(name.to_owned())),
    }
}
