//! Which folders of the project are folders of the server's machine, by the working folders of systemd units and of supervisor's
//! programs.

use std::path::{Path, PathBuf};

use super::super::deployment::Deployment;
use super::{launch, text_of};

/// The folder of the project that the machine has at `path`, with the file that says so.
pub(super) fn folder_here(path: &Path, files: &[PathBuf], deployment: &Deployment) -> Option<(PathBuf, PathBuf)> {
    let launchers = files.iter().filter(|file| launch::has_working_folder(file));
    let folders = launchers.flat_map(|file| {
        let text = text_of(deployment, file).unwrap_or_default();
        working_folders(&text).into_iter().map(move |folder| (folder, file))
    });
    let mut here = folders.filter_map(|(folder, file)| {
        // The project's folder on the machine, in which or below which the server starts.
        let mut homes = folder.ancestors().filter(|home| home.parent().is_some());
        let inside = homes.find_map(|home| {
            let inside = path.strip_prefix(home).ok()?;
            let is_below = home == folder || inside != Path::new("");
            (is_below && deployment.folder.join(inside).is_dir()).then(|| inside.to_owned())
        });
        Some((inside?, file.clone()))
    });
    here.next()
}

/// The absolute folders in lines such as `WorkingDirectory=/srv/shop`.
fn working_folders(text: &str) -> Vec<PathBuf> {
    let folder = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let is_key = ["WorkingDirectory", "directory"].contains(&key.trim());
        (is_key && value.trim().starts_with('/')).then(|| PathBuf::from(value.trim()))
    };
    text.lines().filter_map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_folders_are_absolute() {
        let text = "[Service]\nWorkingDirectory=/srv/shop\nExecStart=gunicorn a:b\n[program:a]\ndirectory = here\n";
        assert_eq!(working_folders(text), [PathBuf::from("/srv/shop")]);
    }
}
