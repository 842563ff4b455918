//! Makes environments: with uv where it is on the path, else with Python's own venv and pip.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::FlockOperation;

use super::environment::{Environment, EnvironmentState};
use super::program_on_path;

/// How much of a log an error shows.
const SHOWN_LINES: usize = 6;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisionStep {
    /// Somebody else is making the same environment.
    Waiting,
    /// The environment is being created, empty.
    Creating,
    /// The kind is being installed into it.
    Installing,
    /// What the app needs is being installed.
    InstallingApp,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisionOutcome {
    /// The environment was made.
    Made,
    /// It was there.
    WasThere,
}

/// Why an environment was not made.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The operating system refused something.
    #[error("cannot {what}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something could not be installed; the same text stands in for the kind until it is tried again.
    #[error("{0}")]
    Failed(String),
}

/// Makes sure that an environment is there. One that is only half there is made anew, one that failed is tried again.
///
/// # Errors
/// It could not be made. What pip said is kept beside its folder, in `….log`, and why it failed in `….failed`.
pub fn provision(
    environment: &Environment,
    say: &mut dyn FnMut(ProvisionStep),
) -> Result<ProvisionOutcome, ProvisionError> {
    let folder = &environment.folder;
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed(format!("create {}", parent.display())))?;
    let lock_file = environment.beside("lock");
    let lock = File::create(&lock_file).map_err(failed(format!("create {}", lock_file.display())))?;
    let at_once = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive);
    if at_once.is_err() {
        say(ProvisionStep::Waiting);
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|errno| failed(format!("lock {}", lock_file.display()))(errno.into()))?;
    }
    if environment.state() == EnvironmentState::Ready {
        return Ok(ProvisionOutcome::WasThere);
    }
    let failure_file = environment.beside("failed");
    remove(&failure_file, fs::remove_file(&failure_file))?;
    remove(folder, fs::remove_dir_all(folder))?;
    match make(environment, say) {
        Ok(()) => {
            environment.mark().map_err(failed(format!("write to {}", folder.display())))?;
            Ok(ProvisionOutcome::Made)
        }
        Err(error) => {
            if let ProvisionError::Failed(reason) = &error {
                fs::write(&failure_file, reason).map_err(failed(format!("write {}", failure_file.display())))?;
            }
            // It is of no use, and the log says why.
            remove(folder, fs::remove_dir_all(folder))?;
            Err(error)
        }
    }
}

fn make(environment: &Environment, say: &mut dyn FnMut(ProvisionStep)) -> Result<(), ProvisionError> {
    let log = environment.beside("log");
    fs::write(&log, "").map_err(failed(format!("write {}", log.display())))?;
    let uv = program_on_path("uv");
    say(ProvisionStep::Creating);
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
    say(ProvisionStep::Installing);
    if !environment.requirements.is_empty() {
        let file = write(environment, "requirements.txt", &environment.requirements)?;
        let mut install = installer(environment, uv.as_deref());
        if environment.requirements.contains("--hash=") {
            install.arg("--require-hashes");
        }
        run(install.arg("--requirement").arg(file), "install it", environment)?;
    }
    if let Some(source) = environment.source.first() {
        run(installer(environment, uv.as_deref()).arg(source), "build it from source", environment)?;
    }
    if !environment.app_requirements.is_empty() {
        say(ProvisionStep::InstallingApp);
        let file = write(environment, "app-requirements.txt", &environment.app_requirements)?;
        let versions = write(environment, "constraints.txt", &versions(&environment.requirements))?;
        let mut install = installer(environment, uv.as_deref());
        // What the app needs must not change the server.
        install.arg("--constraint").arg(versions).arg("--requirement").arg(file);
        run(&mut install, "install what the app needs", environment)?;
    }
    Ok(())
}

/// The installer, up to what is installed.
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

/// The pins of a lock file without its hashes, as constraints must be.
fn versions(requirements: &str) -> String {
    let pins = requirements.lines().filter(|line| !line.starts_with([' ', '#', '-']) && line.contains("=="));
    pins.map(|line| line.trim_end_matches(['\\', ' ']).to_owned() + "\n").collect()
}

fn write(environment: &Environment, extension: &str, text: &str) -> Result<PathBuf, ProvisionError> {
    let file = environment.beside(extension);
    fs::write(&file, text).map_err(failed(format!("write {}", file.display())))?;
    Ok(file)
}

/// Runs a command with its output in the environment's log.
fn run(command: &mut Command, what: &str, environment: &Environment) -> Result<(), ProvisionError> {
    let log = environment.beside("log");
    let open = || fs::OpenOptions::new().append(true).open(&log);
    let (stdout, stderr) =
        open().and_then(|file| Ok((file.try_clone()?, file))).map_err(failed(format!("write {}", log.display())))?;
    // Another environment that is active in the shell is none of this one's business.
    command.env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    let status = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status();
    let status = status.map_err(failed(format!("start {}", command.get_program().display())))?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let needs = match environment.needs.as_slice() {
        [] => String::new(),
        needs => format!("; it needs apt-get install {}", needs.join(" ")),
    };
    let last: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = last[last.len().saturating_sub(SHOWN_LINES)..].join("\n  | ");
    let headline = cause(&text).unwrap_or("see its log");
    Err(ProvisionError::Failed(format!("could not {what}: {headline}{needs}\n  log: {}\n  | {last}", log.display())))
}

/// The line of a log that says why, most likely: the first that a compiler or Python would have written.
fn cause(log: &str) -> Option<&str> {
    let tells = |line: &&str| ["fatal error: ", "error: ", "Error: ", "ERROR: "].iter().any(|word| line.contains(word));
    // This one is in every failure, before what it is about.
    let is_general = |line: &&str| line.contains("subprocess-exited-with-error");
    log.lines().map(str::trim).find(|line| tells(line) && !is_general(line))
}

fn remove(path: &Path, removed: io::Result<()>) -> Result<(), ProvisionError> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(format!("remove {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

fn failed(what: String) -> impl FnOnce(io::Error) -> ProvisionError {
    move |source| ProvisionError::Io { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_the_pins_without_hashes() {
        let lock = "# comment\na==1 \\\n    --hash=sha256:0\nb==2 ; python_version < '3.12' \\\n    --hash=sha256:1\n";
        assert_eq!(versions(lock), "a==1\nb==2 ; python_version < '3.12'\n");
    }

    #[test]
    fn the_cause_is_the_first_error_that_is_about_something() {
        let log = "Collecting x\n  error: subprocess-exited-with-error\n  x.c:1:10: fatal error: ev.h: No such file\nERROR: y";
        assert_eq!(cause(log), Some("x.c:1:10: fatal error: ev.h: No such file"));
        assert_eq!(cause("all is well"), None);
    }
}
