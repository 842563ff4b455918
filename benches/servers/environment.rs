//! The virtual environment with the servers in it, made once and kept under the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The pinned versions.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// An environment, and the packages that could not be installed in it.
pub(super) struct Environment {
    pub(super) folder: PathBuf,
    /// A package, and why it is missing.
    missing: Vec<(String, String)>,
}

impl Environment {
    /// Makes the environment with every package that can be installed; None without a Python. With `is_test` lab's gateway is
    /// compiled quickly rather than well.
    pub(super) fn make(is_test: bool) -> Option<Environment> {
        let name = if is_test { "servers-venv-test" } else { "servers-venv" };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(name);
        let mut environment = Environment { folder, missing: Vec::new() };
        if !environment.program("python").exists() {
            let made = Command::new("python3").args(["-m", "venv"]).arg(&environment.folder).status();
            if !made.is_ok_and(|status| status.success()) {
                return None;
            }
        }
        for requirement in REQUIREMENTS.lines().filter(|line| !line.starts_with('#')) {
            let (package, version) = requirement.split_once("==").expect("a pinned version");
            if environment.version(package).as_deref() != Some(version)
                && let Err(reason) = environment.install(&[requirement], &[])
            {
                environment.missing.push((package.to_owned(), reason));
            }
        }
        environment.install_gateway(is_test);
        Some(environment)
    }

    /// A program in the environment.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// Why a package is missing, if it is.
    pub(super) fn missing(&self, package: &str) -> Option<&str> {
        self.missing.iter().find(|(name, _)| name == package).map(|(_, reason)| reason.as_str())
    }

    /// The installed packages.
    pub(super) fn version(&self, package: &str) -> Option<String> {
        let ask = format!("import importlib.metadata; print(importlib.metadata.version({package:?}))");
        let answer = Command::new(self.program("python")).args(["-c", &ask]).stderr(Stdio::null()).output().ok()?;
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    }

    /// Installs lab's gateway, if it has changed.
    fn install_gateway(&mut self, is_test: bool) {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
        let mut changes = Vec::new();
        list(&crates, &mut changes);
        changes.sort();
        let (wanted, stamp) = (changes.join("\n"), self.folder.join("gateway"));
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return;
        }
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("lab-wsgi");
        let mut surroundings = vec![("CARGO_TARGET_DIR", target.display().to_string())];
        surroundings.extend(is_test.then(|| ("MATURIN_PEP517_ARGS", "--profile dev".to_owned())));
        let gateway = crates.join("lab-python").display().to_string();
        match self.install(&[&gateway], &surroundings) {
            Ok(()) => fs::write(stamp, wanted).expect("the environment can be written to"),
            Err(reason) => self.missing.push(("lab-wsgi".to_owned(), reason)),
        }
    }

    fn install(&self, what: &[&str], surroundings: &[(&str, String)]) -> Result<(), String> {
        eprintln!("installing {} in {}", what.join(" "), self.folder.display());
        let mut pip = Command::new(self.program("python"));
        // Everything is pinned, so that pip resolves nothing.
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]).args(what);
        pip.envs(surroundings.iter().map(|(name, value)| (name, value))).env_remove("VIRTUAL_ENV").stdin(Stdio::null());
        let output = pip.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        eprintln!("{said}");
        Err(said.lines().rfind(|line| line.contains("error")).unwrap_or("pip failed").trim().to_owned())
    }
}

/// The files below a folder that Python or cargo read, each with the time of its last change.
fn list(folder: &Path, changes: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of this package") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, changes);
        } else if path.extension().is_some_and(|extension| ["rs", "py", "toml"].iter().any(|own| extension == *own)) {
            let changed = path.metadata().and_then(|metadata| metadata.modified()).expect("a file of this package");
            changes.push(format!("{} {changed:?}", path.display()));
        }
    }
}
