//! A commit's files in a folder of their own: a git worktree below the project's reports, removed after the run.
//!
//! A lab that is killed leaves its worktree. The next one removes a worktree whose lock is free.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::git::{GitError, Repository};

/// The name of a worktree in its folder.
const TREE: &str = "tree";

/// A worktree that lasts as long as this value.
#[derive(Debug)]
pub struct Checkout {
    /// The top of the worktree, absolute.
    pub top: PathBuf,
    repository: Repository,
    _lock: File,
}

/// Why a commit could not be checked out.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    #[error("{operation} {}", path.display())]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Checkout {
    /// Checks `commit` out into a new folder of `folder`, and removes what killed processes have left there.
    ///
    /// Files that the project still has unchanged get the times they have there: servers answer conditional requests by them.
    ///
    /// # Errors
    /// [`CheckoutError`].
    pub fn new(repository: &Repository, commit: &str, folder: &Path) -> Result<Checkout, CheckoutError> {
        fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        // Another lab would remove a folder without a lock, so it must not look before ours is locked.
        let _turn = exclusive(folder).map_err(io_error("lock", folder))?;
        sweep(repository, folder)?;
        let short = commit.get(..12).unwrap_or(commit);
        let holder = folder.join(format!("{short}-{}", std::process::id()));
        fs::create_dir(&holder).map_err(io_error("create", &holder))?;
        let lock = lock(&holder).map_err(io_error("lock", &holder))?;
        let lock = lock.ok_or_else(|| io_error("lock", &holder)(io::ErrorKind::WouldBlock.into()))?;
        let top = holder.join(TREE);
        let checkout = Checkout { top, repository: repository.clone(), _lock: lock };
        let arguments = ["worktree", "add", "--quiet", "--detach"].map(OsStr::new);
        repository.execute(arguments.into_iter().chain([checkout.top.as_os_str(), OsStr::new(commit)]))?;
        for file in repository.unchanged_files(&checkout.top, commit)? {
            // A file that is gone or a link has no time that anybody is served.
            let _ = copy_time(&repository.top.join(&file), &checkout.top.join(&file));
        }
        Ok(checkout)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // What stays is removed by the next run.
        let _ = remove(&self.repository, self.top.parent().unwrap_or(&self.top));
    }
}

/// Removes the folders whose process is gone.
fn sweep(repository: &Repository, folder: &Path) -> Result<(), CheckoutError> {
    for entry in fs::read_dir(folder).map_err(io_error("read", folder))? {
        let path = entry.map_err(io_error("read", folder))?.path();
        if let Ok(Some(_lock)) = lock(&path) {
            remove(repository, &path)?;
        }
    }
    Ok(())
}

fn remove(repository: &Repository, holder: &Path) -> Result<(), CheckoutError> {
    // Not `prune`, which would also forget the worktrees of a drive that is not mounted. Locked is one whose checkout was cut
    // off, and unknown to git one whose checkout never began.
    let top = holder.join(TREE);
    let arguments = ["worktree", "remove", "--force", "--force"].map(OsStr::new);
    let _ = repository.execute(arguments.into_iter().chain([top.as_os_str()]));
    match fs::remove_dir_all(holder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", holder)(error)),
        _ => Ok(()),
    }
}

/// `None` if another process has the lock. The kernel releases it when that process ends for any reason.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let folder = File::open(folder)?;
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(folder)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the lock of a folder.
fn exclusive(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    flock(&folder, FlockOperation::LockExclusive)?;
    Ok(folder)
}

fn copy_time(from: &Path, to: &Path) -> io::Result<()> {
    let is_file = |path: &Path| fs::symlink_metadata(path).map(|metadata| metadata.is_file());
    if is_file(from)? && is_file(to)? {
        File::open(to)?.set_modified(fs::metadata(from)?.modified()?)?;
    }
    Ok(())
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CheckoutError {
    let path = path.to_owned();
    move |source| CheckoutError::Io { operation, path, source }
}
