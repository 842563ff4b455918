//! What a configuration names of the machine's files, so that its container sees them too, where they are; and what of
//! several such paths is to be mounted.

use std::path::{Path, PathBuf};

use super::order::Mounted;
use crate::stack::relocate::is_file_of_tls;
use lab_nginx_conf::{Arg, ConfError, walk};

/// Whether a directive's first argument is a file or a folder that is read.
fn names_what_is_read(name: &str) -> bool {
    matches!(name, "root" | "alias" | "auth_basic_user_file") || is_file_of_tls(name)
}

/// Every absolute path that the files of an nginx.conf read from and that is there, to be mounted read-only. Of a path
/// with a variable in it, the folder before that.
///
/// # Errors
/// A text is not nginx's language.
pub(super) fn named_by(texts: &[(&str, &Path)]) -> Result<Vec<Mounted>, ConfError> {
    let mut paths = Vec::new();
    for (text, file) in texts {
        let tree = lab_nginx_conf::parse(text, file)?;
        let named = walk(&tree).filter(|directive| names_what_is_read(&directive.name));
        paths.extend(named.filter_map(|directive| directive.args.first().and_then(path)));
    }
    paths.retain(|path: &PathBuf| path.is_absolute() && path.exists() && path != Path::new("/"));
    Ok(outermost(paths).into_iter().map(|path| Mounted { path, writable: false }).collect())
}

/// The paths in order, each once, without those within another: what lies within a folder that is mounted is there
/// already.
pub(super) fn outermost(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
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
    fn what_is_there_is_mounted_read_only_and_once() {
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
        let mounts = named_by(&[(&text, Path::new("nginx.conf")), (&included, Path::new("other"))]).unwrap();
        let expected = [site, folder.path().join("site.pem")].map(|path| Mounted { path, writable: false });
        assert_eq!(mounts, expected);
    }
}
