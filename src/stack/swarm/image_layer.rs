//! Files of this machine as a layer of an image, each at its own path.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWrite;
use tokio_tar::{Builder, EntryType};

use crate::stack::container::lab_image;
use crate::stack::container::python_environment::MountedEnvironment;

/// The folder of a layer's files in the context of its build.
pub(super) const ROOT: &str = "root";
/// The folder for temporary files, which every user may write into.
pub(super) const TMP: &str = "/tmp";
const TMP_MODE: u32 = 0o1777;
/// The mode of files and folders that everyone may execute or enter, and of other files. Components run as another user, who
/// must be able to read them.
const EXECUTABLE: u32 = 0o755;
const PLAIN: u32 = 0o644;

/// What a layer adds to an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ImageLayer {
    /// Files and folders at their own paths.
    pub(super) paths: BTreeSet<PathBuf>,
    /// Libraries at the paths where the loader finds them.
    pub(super) libraries: BTreeSet<PathBuf>,
    /// Folders below `paths` that are left out.
    pub(super) excluded: BTreeSet<PathBuf>,
}

/// One file, folder or link of a layer.
#[derive(Debug)]
struct LayerEntry {
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Folder,
    File {
        bytes: u64,
        mode: u32,
        /// In seconds since the epoch. Python compares it with the time that a compiled module holds.
        modified: u64,
    },
    /// Whose target may lie outside the layer.
    Link(PathBuf),
}

impl ImageLayer {
    /// The layers of a virtual environment: its interpreter, which other environments share, and the environment itself with
    /// the libraries of both.
    pub(super) fn of_environment(venv: &Path, environment: MountedEnvironment) -> [ImageLayer; 2] {
        let MountedEnvironment { mounts, unused, libraries } = environment;
        let (own, interpreter) = mounts.into_iter().partition(|path| path.starts_with(venv));
        [
            ImageLayer { paths: interpreter, libraries: BTreeSet::new(), excluded: unused },
            ImageLayer { paths: own, libraries, excluded: BTreeSet::new() },
        ]
    }

    /// Whether it adds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.libraries.is_empty()
    }

    /// Whether it adds something below [`TMP`].
    pub(super) fn has_tmp(&self) -> bool {
        self.paths.iter().chain(&self.libraries).any(|path| path.starts_with(TMP))
    }

    /// Names the content of an image: its parent's name, and the paths, modes and bytes of the layer.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn digest(&self, parent: &str) -> io::Result<String> {
        let mut digest = Sha256::new();
        digest.update(parent);
        for LayerEntry { path, content } in self.entries()? {
            // Lengths keep the end of one part from being read as the beginning of the next.
            let mut part = |kind: u8, bytes: &[u8]| {
                digest.update([kind]);
                digest.update((bytes.len() as u64).to_le_bytes());
                digest.update(bytes);
            };
            part(b'p', path.as_os_str().as_bytes());
            match content {
                Content::Folder => {}
                Content::Link(target) => part(b'l', target.as_os_str().as_bytes()),
                Content::File { bytes, mode, .. } => {
                    part(b'f', &[bytes.to_le_bytes().as_slice(), &mode.to_le_bytes()].concat());
                    io::copy(&mut fs::File::open(&path)?, &mut digest)?;
                }
            }
        }
        Ok(lab_image::tag(digest))
    }

    /// Writes the context of a build: its recipe, and the files below [`ROOT`].
    ///
    /// # Errors
    /// A file cannot be read, or the build has ended.
    pub(super) async fn write_context(
        self,
        archive: impl AsyncWrite + Unpin + Send + 'static,
        recipe: String,
    ) -> io::Result<()> {
        let mut tar = Builder::new(archive);
        tar.follow_symlinks(false);
        let mut head = lab_image::header(EntryType::Regular, recipe.len() as u64);
        tar.append_data(&mut head, "Dockerfile", recipe.as_bytes()).await?;
        let inside = |path: &Path| Path::new(ROOT).join(path.strip_prefix("/").unwrap_or(path));
        if self.has_tmp() {
            // The build would create it for its owner only.
            let mut head = lab_image::header(EntryType::Directory, 0);
            head.set_mode(TMP_MODE);
            tar.append_data(&mut head, inside(Path::new(TMP)), tokio::io::empty()).await?;
        }
        for LayerEntry { path, content } in self.entries()? {
            let inside = inside(&path);
            match content {
                Content::Folder => {
                    let mut head = lab_image::header(EntryType::Directory, 0);
                    tar.append_data(&mut head, &inside, tokio::io::empty()).await?;
                }
                Content::Link(_) => tar.append_path_with_name(&path, &inside).await?,
                Content::File { bytes, mode, modified } => {
                    let mut head = lab_image::header(EntryType::Regular, bytes);
                    head.set_mode(mode);
                    head.set_mtime(modified);
                    tar.append_data(&mut head, &inside, tokio::fs::File::open(&path).await?).await?;
                }
            }
        }
        tar.into_inner().await.map(drop)
    }

    /// Its entries in the order of their paths, each folder before its content.
    fn entries(&self) -> io::Result<Vec<LayerEntry>> {
        let mut entries = Vec::new();
        for path in &self.paths {
            self.append(path.clone(), &mut entries)?;
        }
        for library in &self.libraries {
            // The loader looks a library up by its name, which may be a link's.
            entries.push(LayerEntry { path: library.clone(), content: Content::of_file(&fs::metadata(library)?) });
        }
        Ok(entries)
    }

    fn append(&self, path: PathBuf, entries: &mut Vec<LayerEntry>) -> io::Result<()> {
        if self.excluded.contains(&path) {
            return Ok(());
        }
        let metadata = path.symlink_metadata()?;
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(&path)?;
            entries.push(LayerEntry { path, content: Content::Link(target) });
        } else if kind.is_dir() {
            let mut inside = fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
            inside.sort();
            entries.push(LayerEntry { path, content: Content::Folder });
            for path in inside {
                self.append(path, entries)?;
            }
        } else if kind.is_file() {
            entries.push(LayerEntry { path, content: Content::of_file(&metadata) });
        }
        // Sockets, pipes and devices belong to this machine.
        Ok(())
    }
}

impl Content {
    fn of_file(metadata: &fs::Metadata) -> Content {
        let is_executable = metadata.permissions().mode() & 0o111 != 0;
        let modified = u64::try_from(metadata.mtime()).unwrap_or(0);
        Content::File { bytes: metadata.len(), mode: if is_executable { EXECUTABLE } else { PLAIN }, modified }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use futures_util::StreamExt as _;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn layer(folder: &Path) -> ImageLayer {
        fs::create_dir_all(folder.join("python/test")).unwrap();
        fs::write(folder.join("python/json.py"), "pass").unwrap();
        fs::write(folder.join("python/test/all.py"), "pass").unwrap();
        symlink("json.py", folder.join("python/alias.py")).unwrap();
        fs::write(folder.join("python/secret.py"), "pass").unwrap();
        fs::set_permissions(folder.join("python/secret.py"), fs::Permissions::from_mode(0o600)).unwrap();
        let _ = UnixListener::bind(folder.join("python/socket")).unwrap();
        ImageLayer {
            paths: BTreeSet::from([folder.join("python")]),
            libraries: BTreeSet::from([folder.join("python/alias.py")]),
            excluded: BTreeSet::from([folder.join("python/test")]),
        }
    }

    #[tokio::test]
    async fn everyone_can_read_the_files_of_a_context() {
        let folder = tempfile::tempdir_in(TMP).unwrap();
        let (archive, mut end) = tokio::io::duplex(1 << 20);
        layer(folder.path()).write_context(archive, "FROM scratch\n".to_owned()).await.unwrap();
        let mut bytes = Vec::new();
        end.read_to_end(&mut bytes).await.unwrap();
        let mut archive = tokio_tar::Archive::new(bytes.as_slice());
        let mut entries = archive.entries().unwrap();
        let mut found = Vec::new();
        let root = Path::new(ROOT).join(folder.path().strip_prefix("/").unwrap());
        while let Some(entry) = entries.next().await {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
            found.push((name, entry.header().entry_type(), entry.header().mode().unwrap() & 0o7777));
        }
        let (plain, executable, link) = (0o644, 0o755, 0o777);
        let expected = [
            ("Dockerfile", EntryType::Regular, executable),
            ("root/tmp", EntryType::Directory, TMP_MODE),
            ("python", EntryType::Directory, executable),
            ("python/alias.py", EntryType::Symlink, link),
            ("python/json.py", EntryType::Regular, plain),
            ("python/secret.py", EntryType::Regular, plain),
            // As a library, by the name of its link.
            ("python/alias.py", EntryType::Regular, plain),
        ];
        assert_eq!(found, expected.map(|(name, kind, mode)| (name.to_owned(), kind, mode)));
    }

    #[test]
    fn the_digest_names_parent_paths_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let layer = layer(folder.path());
        let first = layer.digest("lab").unwrap();
        fs::write(folder.path().join("python/test/all.py"), "excluded").unwrap();
        assert_eq!(layer.digest("lab").unwrap(), first);
        assert_ne!(layer.digest("other").unwrap(), first);
        fs::write(folder.path().join("python/json.py"), "fail").unwrap();
        assert_ne!(layer.digest("lab").unwrap(), first);
    }

    #[test]
    fn an_environment_has_a_layer_beside_its_interpreter() {
        let path = |name: &str| PathBuf::from(name);
        let environment = MountedEnvironment {
            mounts: vec![path("/opt/python/lib"), path("/srv/venv")],
            unused: BTreeSet::from([path("/opt/python/lib/test")]),
            libraries: BTreeSet::from([path("/lib/libz.so.1")]),
        };
        let [interpreter, own] = ImageLayer::of_environment(Path::new("/srv/venv"), environment);
        assert_eq!(interpreter.paths, BTreeSet::from([path("/opt/python/lib")]));
        assert_eq!(interpreter.excluded, BTreeSet::from([path("/opt/python/lib/test")]));
        assert_eq!((own.paths.len(), own.libraries.len()), (1, 1));
    }
}
