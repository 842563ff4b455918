//! The folders of `client_body_temp_path` and `proxy_temp_path`, which are created before anything is served.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use crate::config::Config;

#[derive(Debug, thiserror::Error)]
#[error("cannot create the temporary folder {}: {source}", path.display())]
pub struct TempFolderError {
    path: PathBuf,
    source: io::Error,
}

/// nginx's user if neither the configuration nor the build names one.
const DEFAULT_USER: &str = "nobody";
const OWNER_MAY_ALL: u32 = 0o700;

/// Creates the folders of a configuration that do not exist, as nginx does: without their parents, for the owner alone.
/// If the process is privileged, they belong to the `user` of the configuration, so that nginx can use them as well.
///
/// # Errors
/// The first folder that cannot be created, or whose path is not a folder.
pub fn create(config: &Config) -> Result<(), TempFolderError> {
    let name = config.process.user.as_deref().unwrap_or(DEFAULT_USER);
    let privileged = rustix::process::geteuid().is_root();
    // lab keeps its own user, so a user that does not exist is no obstacle
    let owner = privileged.then(|| User::from_name(name).ok().flatten()).flatten().map(|user| user.uid);
    for path in &config.temp_folders {
        create_folder(path, owner).map_err(|source| TempFolderError { path: path.clone(), source })?;
    }
    Ok(())
}

fn create_folder(path: &Path, owner: Option<Uid>) -> io::Result<()> {
    match DirBuilder::new().mode(OWNER_MAY_ALL).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => created?,
    }
    let folder = std::fs::metadata(path)?;
    if !folder.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let Some(owner) = owner else { return Ok(()) };
    if folder.uid() != owner.as_raw() {
        // best effort: root can write to the folder anyway, and some containers map no other user
        _ = chown(path, Some(owner.as_raw()), None);
    }
    let mode = folder.mode();
    if mode & OWNER_MAY_ALL != OWNER_MAY_ALL {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode((mode & 0o7777) | OWNER_MAY_ALL))?;
    }
    Ok(())
}
