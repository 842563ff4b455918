//! Prepares the folder of a relocated nginx, which is also its prefix: the included files, and the folders that nginx
//! expects below its prefix.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::relocate::{self as configuration, CertificateFile, Relocated, Target};
use super::{StartError, certificate, io_error, write_file};
use lab_nginx_conf::Directive;

/// The folder of modules below the prefix.
const MODULES: &str = "modules";

/// The place of a relocated configuration.
pub(super) struct Place<'a> {
    /// The server's address: `host:port`.
    pub(super) upstream: &'a str,
    /// The folder of its logs.
    pub(super) logs: &'a Path,
    /// Whether access logs are written.
    pub(super) access_logs: bool,
    /// The folder of the configuration.
    pub(super) folder: &'a Path,
    /// Folders of documents, each with the one that has them here.
    pub(super) documents: &'a [(PathBuf, PathBuf)],
    /// Whether it runs on this machine, and not in a container.
    pub(super) is_process: bool,
    /// Reserves an address to listen on.
    pub(super) reserve: &'a mut dyn FnMut() -> std::io::Result<SocketAddr>,
}

/// Relocates an nginx.conf, and writes the files that it includes.
pub(super) fn relocate(source: &str, file: &Path, place: Place<'_>) -> Result<Relocated, StartError> {
    let Place { upstream, logs, access_logs, folder, documents, is_process, reserve } = place;
    let home = file.parent().unwrap_or(Path::new(""));
    let mut include = |directive: &Directive| lab_nginx_conf::included_nearby(directive, &directive.file, home);
    let mut placeholder = |named: &CertificateFile<'_>| match named.path.exists() {
        true => Ok(None),
        false => certificate::placeholder(folder, named.is_key).map(Some),
    };
    let has_user = &|name: &str| !is_process || has_user(name);
    let (include, placeholder, is_here) = (&mut include, &mut placeholder, &Path::exists);
    let target = Target {
        upstream,
        folder: logs,
        folders: documents,
        access_logs,
        reserve,
        include,
        placeholder,
        is_here,
        has_user,
    };
    let relocated = configuration::nginx(source, file, target)?;
    for included in &relocated.included {
        write_file(&folder.join(&included.name), &included.text)?;
    }
    Ok(relocated)
}

/// Whether nginx finds a user on this machine. It looks for one only as root.
pub(super) fn has_user(name: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    !is_root || nix::unistd::User::from_name(name).is_ok_and(|user| user.is_some())
}

/// Links `html`, which nginx serves without a `root`. Like every relative path, it refers to the folder of the original
/// configuration.
pub(super) fn link_default_root(file: &Path, folder: &Path) -> Result<(), StartError> {
    let Some(root) = file.parent().map(|written| written.join("html")).filter(|root| root.is_dir()) else {
        return Ok(());
    };
    symlink(&root, folder.join("html")).map_err(io_error(format!("link to {}", root.display())))
}

/// Links the modules of the nginx `program`: paths of `load_module` are relative to its prefix. If the folder is missing,
/// nginx reports the error.
pub(super) async fn link_modules(program: &Path, folder: &Path) -> Result<(), StartError> {
    let output = Command::new(program).arg("-V").output().await;
    let output = output.map_err(io_error(format!("ask {} for its prefix", program.display())))?;
    match prefix(&String::from_utf8_lossy(&output.stderr))
        .map(|prefix| prefix.join(MODULES))
        .filter(|modules| modules.is_dir())
    {
        Some(modules) => {
            symlink(&modules, folder.join(MODULES)).map_err(io_error(format!("link to {}", modules.display())))
        }
        None => Ok(()),
    }
}

/// The prefix in the output of `nginx -V`.
fn prefix(output: &str) -> Option<PathBuf> {
    output.split_whitespace().find_map(|word| word.strip_prefix("--prefix=")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_read_from_the_build_options() {
        let output = "nginx version: nginx/1.22.1\nconfigure arguments: --with-cc-opt='-g -ffile-prefix-map=/b=. -O2' \
                    --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf\n";
        assert_eq!(prefix(output), Some(PathBuf::from("/usr/share/nginx")));
        assert_eq!(prefix("nginx version: nginx/1.22.1\n"), None);
    }
}
