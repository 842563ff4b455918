//! Files that packages install for nginx, and that configurations include: `mime.types`, or certbot's `options-ssl-nginx.conf`.
//! A repository has them no more than a machine without these packages does.

use std::path::Path;

/// A file that a package installs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageFile {
    pub name: &'static str,
    /// The program whose packages have it.
    pub package: &'static str,
    pub text: &'static str,
}

const PACKAGE_FILES: [PackageFile; 4] = [
    PackageFile { name: "mime.types", package: "nginx", text: include_str!("package_files/mime.types") },
    PackageFile { name: "proxy_params", package: "nginx", text: include_str!("package_files/proxy_params") },
    PackageFile { name: "uwsgi_params", package: "nginx", text: include_str!("package_files/uwsgi_params") },
    PackageFile {
        name: "options-ssl-nginx.conf",
        package: "certbot",
        text: include_str!("package_files/options-ssl-nginx.conf"),
    },
];

/// The file that a package installs under the name of this path.
#[must_use]
pub fn package_file(path: &Path) -> Option<&'static PackageFile> {
    let name = path.file_name()?;
    PACKAGE_FILES.iter().find(|file| name == file.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_packages_are_configurations() {
        for file in &PACKAGE_FILES {
            let tree = crate::parse(file.text, Path::new(file.name)).unwrap();
            assert!(!tree.is_empty(), "{}", file.name);
        }
        assert_eq!(package_file(Path::new("/etc/nginx/mime.types")).map(|file| file.package), Some("nginx"));
        assert_eq!(package_file(Path::new("/etc/nginx/nginx.conf")), None);
    }
}
