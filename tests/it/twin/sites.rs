//! Whole configurations of the kind that people have, each in a folder of `sites/` with its includes and files.
//!
//! `nginx.conf` is as it would be on a machine, with the usual folders, ports and addresses; [`Site`] moves them. The
//! client's requests and the upstream's responses are in `requests.case`. `common/` has the files that Debian puts beside
//! an nginx.conf.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use crate::proxy::case::Case;
use crate::proxy::upstream::Upstream;

/// A folder with a configuration.
#[derive(Debug)]
pub(super) struct Site {
    folder: PathBuf,
    pub(super) case: Case,
}

/// What a configuration names, and what stands for it in a test.
const MOVED: &[(&str, &str)] = &[
    ("/etc/nginx/", "{folder}/"),
    ("/var/www/", "{folder}/www/"),
    ("/srv/", "{folder}/srv/"),
    ("/var/log/nginx/", "{folder}/"),
    ("/run/nginx.pid", "{folder}/pid"),
    ("unix:/run/gunicorn.sock", "{unix}"),
    ("unix:/run/app.sock", "{unix}"),
    ("127.0.0.1:8000", "{upstream}"),
    ("127.0.0.1:8001", "{second}"),
    ("127.0.0.1:8002", "{third}"),
    ("web:8000", "{upstream}"),
    ("api:8000", "{upstream}"),
    ("worker_processes auto;", "worker_processes 1;"),
];

impl Site {
    /// Reads all folders.
    pub(super) fn all(folder: &Path) -> Vec<Site> {
        let folders = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut folders: Vec<PathBuf> = folders.filter(|folder| folder.join("nginx.conf").exists()).collect();
        folders.sort();
        let site = |folder: PathBuf| Site { case: Case::read(&folder.join("requests.case")), folder };
        folders.into_iter().map(site).collect()
    }

    pub(super) fn name(&self) -> String {
        format!("site-{}", self.folder.file_name().expect("a folder").to_string_lossy())
    }

    /// The configuration for a test, with `{listen}` and `{folder}` in it.
    pub(super) fn configuration(&self, upstream: &Upstream) -> String {
        let text = fs::read_to_string(self.folder.join("nginx.conf")).expect("a configuration");
        format!("daemon off; {}", moved(&text, upstream))
    }

    /// Puts everything else into `folder`, which is served at `address`.
    pub(super) fn write_files(&self, folder: &Path, address: &str, upstream: &Upstream) {
        let common = self.folder.parent().expect("the folder of all sites").join("common");
        for from in [&common, &self.folder] {
            copy(from, folder, &|text| {
                moved(text, upstream).replace("{listen}", address).replace("{folder}", &folder.display().to_string())
            });
        }
    }
}

/// A configuration with the addresses and folders of a test.
fn moved(text: &str, upstream: &Upstream) -> String {
    static LISTEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"listen\s+80\b").expect("a pattern"));
    static IPV6: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"listen\s+\[::\]:80[^;]*;").expect("a pattern"));
    static USER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^user [^;]*;").expect("a pattern"));
    let text = USER.replace_all(text, "");
    let text = IPV6.replace_all(&text, "");
    let mut text = LISTEN.replace_all(&text, "listen {listen}").into_owned();
    for (from, to) in MOVED {
        text = text.replace(from, to);
    }
    upstream.fill_in(&text)
}

/// Copies a folder. What is served stays as it is, and has one age; the rest is configuration.
fn copy(from: &Path, to: &Path, change: &dyn Fn(&str) -> String) {
    let age = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_300_000_000);
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_owned();
        let target = to.join(&name);
        if path.is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            let is_served = name == "www" || name == "srv";
            copy(&path, &target, if is_served { &str::to_owned } else { change });
        } else if name != "nginx.conf" && name != "requests.case" {
            let text = fs::read_to_string(&path).expect("a text");
            fs::write(&target, change(&text)).expect("a file is written");
            fs::File::options()
                .write(true)
                .open(&target)
                .expect("a file")
                .set_modified(age)
                .expect("a file has an age");
        }
    }
}
