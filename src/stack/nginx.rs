//! The folder of a relocated nginx, which is also its prefix: the included files, and the folders that nginx expects below
//! its prefix by default.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::StartError;
use super::component_spec::{io_error, write_attached};
use super::relocate::{self, Move, Relocated};
use crate::catalog::kind::BundledFile;
use lab_nginx_conf::Directive;

/// An nginx.conf whose logs go to `logs`, relocated into `folder`, where what it includes is written.
pub(super) fn relocated(
    source: &str,
    file: &Path,
    upstream: &str,
    logs: &Path,
    folder: &Path,
    reserve: &mut dyn FnMut() -> std::io::Result<SocketAddr>,
) -> Result<Relocated, StartError> {
    let home = file.parent().unwrap_or(Path::new(""));
    let mut include = |directive: &Directive| lab_nginx_conf::included_files(directive, home);
    let relocated = relocate::nginx(source, file, Move { upstream, folder: logs, reserve, include: &mut include })?;
    for included in &relocated.included {
        write_attached(folder, &BundledFile { name: included.name.clone(), text: included.text.clone() })?;
    }
    Ok(relocated)
}

/// Links `html`, which nginx serves without a `root`. Like every relative path, it lies in the folder that the
/// configuration was written in, not where it is moved to.
pub(super) fn link_default_root(file: &Path, folder: &Path) -> Result<(), StartError> {
    let Some(root) = file.parent().map(|written| written.join("html")).filter(|root| root.is_dir()) else {
        return Ok(());
    };
    symlink(&root, folder.join("html")).map_err(io_error(format!("link to {}", root.display())))
}

/// Links the modules of the nginx `program`: paths of `load_module` are relative to its prefix. If it has none, nginx
/// itself reports the first.
pub(super) async fn link_modules(program: &Path, folder: &Path) -> Result<(), StartError> {
    let asked = Command::new(program).arg("-V").output().await;
    let asked = asked.map_err(io_error(format!("ask {} for its prefix", program.display())))?;
    let said = String::from_utf8_lossy(&asked.stderr);
    match prefix(&said).map(|prefix| prefix.join(MODULES)).filter(|modules| modules.is_dir()) {
        Some(modules) => {
            symlink(&modules, folder.join(MODULES)).map_err(io_error(format!("link to {}", modules.display())))
        }
        None => Ok(()),
    }
}

/// The folder of modules, in every build of nginx.
const MODULES: &str = "modules";

/// The prefix in the output of `nginx -V`.
fn prefix(output: &str) -> Option<PathBuf> {
    output.split_whitespace().find_map(|word| word.strip_prefix("--prefix=")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_read_from_what_nginx_says_of_its_build() {
        let said = "nginx version: nginx/1.22.1\nconfigure arguments: --with-cc-opt='-g -ffile-prefix-map=/b=. -O2' \
                    --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf\n";
        assert_eq!(prefix(said), Some(PathBuf::from("/usr/share/nginx")));
        assert_eq!(prefix("nginx version: nginx/1.22.1\n"), None);
    }
}
