//! The files of this machine that a configuration names: its container needs them at the same paths.

use std::path::{Path, PathBuf};

use super::container_spec::BindMount;
use crate::stack::relocate::names_tls_file;
use lab_nginx_conf::{Arg, ConfError, walk};

/// Whether a directive's first argument is a file or folder that nginx reads.
fn names_input(name: &str) -> bool {
    matches!(name, "root" | "alias" | "auth_basic_user_file") || names_tls_file(name)
}

/// Read-only mounts of every existing absolute path that the texts of an nginx.conf name. Where a path contains a
/// variable, the folder before it.
///
/// # Errors
/// A text is malformed.
pub(in crate::stack) fn named_by(texts: &[(String, PathBuf)]) -> Result<Vec<BindMount>, ConfError> {
    let mut paths = Vec::new();
    for (text, file) in texts {
        let tree = lab_nginx_conf::parse(text, file)?;
        let named = walk(&tree).filter(|directive| names_input(&directive.name));
        paths.extend(named.filter_map(|directive| directive.args.first().and_then(path)));
    }
    paths.retain(|path: &PathBuf| path.is_absolute() && path.exists() && path != Path::new("/"));
    Ok(outermost(paths).into_iter().map(|path| BindMount { path, writable: false }).collect())
}

/// Sorts the paths and drops those within another: a mounted folder already contains them.
pub(in crate::stack) fn outermost(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths.dedup();
    let all = paths.clone();
    paths.retain(|path| !all.iter().any(|other| path != other && path.starts_with(other)));
    paths
}

fn path(arg: &Arg) -> Option<PathBuf> {
    match arg.value.split_once('$') {
        None => Some(PathBuf::from(&arg.value)),
        Some((before, _)) => before.rsplit_once('/').map(|(folder, _)| PathBuf::from(folder)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_paths_are_mounted_once() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        std::fs::create_dir_all(site.join("static")).unwrap();
        std::fs::write(folder.path().join("site.pem"), "").unwrap();
        let here = folder.path().display();
        let text = format!(
            "http {{ server {{ root {here}/site; ssl_certificate {here}/site.pem; location /s {{ alias {here}/site/static/; }}\n\
             location /v {{ root {here}/site/$host; }} location /gone {{ root {here}/gone; }} location /r {{ root html; }} }} }}"
        );
        let included = format!("server {{ root {here}/site; }}");
        let mounts = named_by(&[(text, PathBuf::from("nginx.conf")), (included, PathBuf::from("other"))]).unwrap();
        let expected = [site, folder.path().join("site.pem")].map(|path| BindMount { path, writable: false });
        assert_eq!(mounts, expected);
    }
}
