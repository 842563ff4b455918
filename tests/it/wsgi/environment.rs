//! The virtual environment the tests run in, made once and kept under the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::support::{Tool, python_on_path};

/// The served frameworks, and the server for comparison.
const PACKAGES: [&str; 6] = ["flask", "django", "bottle", "falcon", "pyramid", "gunicorn==27.0.1"];
/// Also installed where it runs.
const GEVENT: &str = "gevent==26.9.0";

/// The Python of an environment with lab_wsgi and the packages in it; None, and the test skipped, without a Python.
pub(crate) fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    // Asked by every test, so that each one counts as skipped.
    Tool::Python.is_available().then(|| PYTHON.get_or_init(make).as_path())
}

/// The same for tests of gevent workers.
pub(crate) fn gevent_python() -> Option<&'static Path> {
    if Tool::Gevent.is_available() { python() } else { None }
}

fn make() -> PathBuf {
    let base = python_on_path();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wsgi-venv");
    let python = folder.join("bin/python");
    let stamp = folder.join("installed");
    let wanted = fingerprint(&base);
    let installed = fs::read_to_string(&stamp).unwrap_or_default();
    if installed == wanted {
        return python;
    }
    eprintln!("making a virtual environment in {}", folder.display());
    // That of another Python is of no use.
    if installed.lines().next() != Some(&base) || !python.exists() {
        run(Command::new(&base).args(["-m", "venv", "--clear"]).arg(&folder));
    }
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/lab-python");
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages()).arg(crate_folder);
    // Compiled with the profile of the tests, in their target folder.
    pip.env("MATURIN_PEP517_ARGS", "--profile dev");
    pip.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-wsgi"));
    run(&mut pip);
    fs::write(stamp, wanted).expect("the environment can be written to");
    python
}

fn packages() -> Vec<&'static str> {
    PACKAGES.into_iter().chain(Tool::Gevent.missing().is_none().then_some(GEVENT)).collect()
}

/// Changes whenever the packages must be installed again.
fn fingerprint(base: &str) -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let mut files = Vec::new();
    list(&crates, &mut files);
    files.sort();
    format!("{base}\n{:?}\n{}", packages(), files.join("\n"))
}

fn list(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of this package") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| ["rs", "py", "toml"].iter().any(|own| extension == *own)) {
            let changed = path.metadata().and_then(|metadata| metadata.modified()).expect("a file of this package");
            files.push(format!("{} {changed:?}", path.display()));
        }
    }
}

fn run(command: &mut Command) {
    // A shell may have another environment active. The output of pip matters only if it fails.
    let output = command.env_remove("VIRTUAL_ENV").stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", crate::support::text(&output));
}
