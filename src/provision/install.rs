//! Creates environments with uv if it is on the path, otherwise with Python's own venv and pip.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::FlockOperation;

use super::distributions;
use super::environment::{Environment, EnvironmentState};
use super::program_on_path;
use crate::catalog::kind::distribution_of;

/// The number of lines of a log that an error shows.
const EXCERPT_LINES: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisionStep {
    /// Waiting for another process that creates the same environment.
    Waiting,
    /// Creating the empty environment.
    Creating,
    /// Installing the kind.
    Installing,
    /// Installing the app's requirements.
    InstallingApp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisionOutcome {
    Created,
    AlreadyExisted,
}

/// Why an environment was not created.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("cannot {operation}")]
    Io {
        /// In the imperative, as in "create the folder".
        operation: String,
        source: io::Error,
    },
    /// Something could not be installed. The message is stored beside the environment until the next attempt.
    #[error("{0}")]
    Failed(String),
}

/// Ensures that an environment exists. An incomplete one is replaced, a failed one is tried again.
///
/// # Errors
/// The environment could not be created. The installer's output is kept beside its folder in `….log`, the cause in
/// `….failed`.
pub fn provision(
    environment: &Environment,
    report: &mut dyn FnMut(ProvisionStep),
) -> Result<ProvisionOutcome, ProvisionError> {
    let folder = &environment.folder;
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io_error(format!("create {}", parent.display())))?;
    let lock_file = environment.beside("lock");
    let lock = File::create(&lock_file).map_err(io_error(format!("create {}", lock_file.display())))?;
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        report(ProvisionStep::Waiting);
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|errno| io_error(format!("lock {}", lock_file.display()))(errno.into()))?;
    }
    if environment.state() == EnvironmentState::Ready {
        return Ok(ProvisionOutcome::AlreadyExisted);
    }
    let failure_file = environment.beside("failed");
    ignore_missing(&failure_file, fs::remove_file(&failure_file))?;
    ignore_missing(folder, fs::remove_dir_all(folder))?;
    match create(environment, report) {
        Ok(()) => {
            environment.mark().map_err(io_error(format!("write to {}", folder.display())))?;
            Ok(ProvisionOutcome::Created)
        }
        Err(error) => {
            if let ProvisionError::Failed(reason) = &error {
                fs::write(&failure_file, reason).map_err(io_error(format!("write {}", failure_file.display())))?;
            }
            ignore_missing(folder, fs::remove_dir_all(folder))?;
            Err(error)
        }
    }
}

fn create(environment: &Environment, report: &mut dyn FnMut(ProvisionStep)) -> Result<(), ProvisionError> {
    let log = environment.beside("log");
    fs::write(&log, "").map_err(io_error(format!("write {}", log.display())))?;
    let uv = program_on_path("uv");
    report(ProvisionStep::Creating);
    let mut create = match &uv {
        Some(uv) => {
            let mut command = Command::new(uv);
            command.args(["venv", "--quiet", "--python"]).arg(&environment.python.program).arg(&environment.folder);
            command
        }
        None => {
            let mut command = Command::new(&environment.python.program);
            command.args(["-m", "venv"]).arg(&environment.folder);
            command
        }
    };
    run(&mut create, "create the environment", environment)?;
    // The application first: what it brings is the version that it runs with, also of the server.
    if !environment.app_requirements.is_empty() {
        report(ProvisionStep::InstallingApp);
        let file = write(environment, "app-requirements.txt", &environment.app_requirements)?;
        let mut install = installer(environment, uv.as_deref());
        run(install.arg("--requirement").arg(file), "install the app's requirements", environment)?;
    }
    report(ProvisionStep::Installing);
    let brought = distributions::installed(&environment.folder);
    let requirements = without(&environment.requirements, &brought);
    if !requirements.is_empty() {
        let file = write(environment, "requirements.txt", &requirements)?;
        let mut install = installer(environment, uv.as_deref());
        if requirements.contains("--hash=") {
            // A lock file lists everything, and what is missing from it now is there already.
            install.args(["--require-hashes", "--no-deps"]);
        } else {
            let constraints = write(environment, "constraints.txt", &pins(&brought))?;
            install.arg("--constraint").arg(constraints);
        }
        run(install.arg("--requirement").arg(file), "install it", environment)?;
    }
    if let Some(wheels) = &environment.wheels {
        let operation = format!("install it from lab's wheels, which are for {}", wheels.pythons().join(", "));
        let mut install = installer(environment, uv.as_deref());
        install.args(["--no-index", "--find-links"]).arg(&wheels.folder).arg(&wheels.distribution);
        run(&mut install, &operation, environment)?;
    }
    if let Some(source) = environment.source.first() {
        run(installer(environment, uv.as_deref()).arg(source), "build it from source", environment)?;
    }
    environment.app_venv.as_deref().map_or(Ok(()), |venv| add_packages_of(venv, environment))
}

/// The installer's command line without the requirements.
fn installer(environment: &Environment, uv: Option<&Path>) -> Command {
    match uv {
        Some(uv) => {
            let mut command = Command::new(uv);
            command.args(["pip", "install", "--python"]).arg(environment.python_program());
            command
        }
        None => {
            let mut command = Command::new(environment.python_program());
            command.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]);
            command
        }
    }
}

/// The module that adds the packages of an application's environment, and the file that makes Python import it.
const APP_PACKAGES_MODULE: &str = "lab_app_packages";

/// Makes Python find the packages of the application's environment, before those of this one. Its `.pth` files count as
/// well, by which projects are installed in place.
fn add_packages_of(venv: &Path, environment: &Environment) -> Result<(), ProvisionError> {
    let folders: Vec<String> =
        distributions::site_packages(venv).iter().map(|folder| folder.display().to_string()).collect();
    let text = format!(
        "\"\"\"Puts the packages of the application's own environment before those of this one.\"\"\"\n\n\
         import site\nimport sys\n\nown = list(sys.path)\nfor folder in {folders:?}:\n    site.addsitedir(folder)\n\
         added = [folder for folder in sys.path if folder not in own]\n\
         packages = [folder for folder in own if folder.endswith(\"site-packages\")]\n\
         sys.path[:] = [folder for folder in own if folder not in packages] + added + packages\n"
    );
    for folder in distributions::site_packages(&environment.folder) {
        for (file, text) in [
            (format!("{APP_PACKAGES_MODULE}.py"), text.as_str()),
            (format!("{APP_PACKAGES_MODULE}.pth"), &format!("import {APP_PACKAGES_MODULE}\n")),
        ] {
            let file = folder.join(file);
            fs::write(&file, text).map_err(io_error(format!("write {}", file.display())))?;
        }
    }
    Ok(())
}

/// A lock file, or requirements, without what is installed already.
fn without(requirements: &str, installed: &BTreeMap<String, String>) -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    for line in requirements.lines() {
        // Hashes stand in the lines after their requirement.
        if !line.starts_with([' ', '\t']) {
            is_kept = !installed.contains_key(&distributions::normalize(distribution_of(line)));
        }
        if is_kept {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let has_any = kept.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'));
    if has_any { kept } else { String::new() }
}

/// Constraints that keep what is installed.
fn pins(installed: &BTreeMap<String, String>) -> String {
    installed.iter().map(|(name, version)| format!("{name}=={version}\n")).collect()
}

fn write(environment: &Environment, extension: &str, text: &str) -> Result<PathBuf, ProvisionError> {
    let file = environment.beside(extension);
    fs::write(&file, text).map_err(io_error(format!("write {}", file.display())))?;
    Ok(file)
}

/// Runs a command with its output in the environment's log.
fn run(command: &mut Command, operation: &str, environment: &Environment) -> Result<(), ProvisionError> {
    let log = environment.beside("log");
    let open = || fs::OpenOptions::new().append(true).open(&log);
    let (stdout, stderr) =
        open().and_then(|file| Ok((file.try_clone()?, file))).map_err(io_error(format!("write {}", log.display())))?;
    // An environment that is active in the user's shell must not affect this one.
    command.env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    let status = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status();
    let status = status.map_err(io_error(format!("start {}", command.get_program().display())))?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let needs = match environment.needs.as_slice() {
        [] => String::new(),
        needs => format!("; it needs apt-get install {}", needs.join(" ")),
    };
    let last: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = last[last.len().saturating_sub(EXCERPT_LINES)..].join("\n  | ");
    let cause = cause(&text).unwrap_or("see its log");
    Err(ProvisionError::Failed(format!("could not {operation}: {cause}{needs}\n  log: {}\n  | {last}", log.display())))
}

/// The most likely cause of a failure: the first line that looks like an error of a compiler or of Python.
fn cause(log: &str) -> Option<&str> {
    let is_error =
        |line: &&str| ["fatal error: ", "error: ", "Error: ", "ERROR: "].iter().any(|word| line.contains(word));
    // pip prints this line before every specific error.
    let is_general = |line: &&str| line.contains("subprocess-exited-with-error");
    log.lines().map(str::trim).find(|line| is_error(line) && !is_general(line))
}

/// The result of removing `path`, which need not exist.
fn ignore_missing(path: &Path, removed: io::Result<()>) -> Result<(), ProvisionError> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(format!("remove {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

fn io_error(operation: String) -> impl FnOnce(io::Error) -> ProvisionError {
    move |source| ProvisionError::Io { operation, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_of_a_kind_yield_to_what_is_installed() {
        let lock =
            "# comment\nA.b==1 \\\n    --hash=sha256:0\nc==2 ; python_version < '3.12' \\\n    --hash=sha256:1\n";
        let installed = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "9".to_owned())).collect();
        assert_eq!(without(lock, &installed(&[])), lock);
        let rest = "# comment\nc==2 ; python_version < '3.12' \\\n    --hash=sha256:1\n";
        assert_eq!(without(lock, &installed(&["a_b"])), rest);
        assert_eq!(without(lock, &installed(&["a_b", "c"])), "");
        assert_eq!(pins(&installed(&["a_b"])), "a_b==9\n");
    }

    #[test]
    fn cause_is_the_first_specific_error() {
        let log = "Collecting x\n  error: subprocess-exited-with-error\n  x.c:1:10: fatal error: ev.h: No such file\nERROR: y";
        assert_eq!(cause(log), Some("x.c:1:10: fatal error: ev.h: No such file"));
        assert_eq!(cause("all is well"), None);
    }
}
