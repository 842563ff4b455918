//! What several tests need: a project folder of their own, the lab binary, and the processes it has left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

/// A project folder with lab's own scenario and fixtures in it.
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// With `scenarios/default.toml`, changed by `edit`.
    pub(crate) fn new(edit: impl FnOnce(&str) -> String) -> Project {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        for file in ["scenarios/default.toml", "fixtures/nginx/corrected.conf"] {
            let target = folder.path().join(file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(source.join(file), target).unwrap();
        }
        let project = Project { folder };
        let text = fs::read_to_string(project.path("scenarios/default.toml")).unwrap();
        fs::write(project.path("scenarios/default.toml"), edit(&text)).unwrap();
        project
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// lab in this folder, marked so that [`marked`](Project::marked) finds what it starts.
    pub(crate) fn lab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.args(arguments).current_dir(self.folder.path()).env("LAB_TEST_MARK", self.folder.path());
        command.env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs lab to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.lab(arguments).output().unwrap()
    }

    /// The command lines of all living processes that descend from this project's lab, wherever they hang now.
    pub(crate) fn marked(&self) -> Vec<(u32, String)> {
        let mark = format!("LAB_TEST_MARK={}", self.folder.path().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        found
    }
}

/// Whether a program is installed. Where it is not, says so, and fails if `LAB_REQUIRE` names it.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !is_there {
        let required = std::env::var("LAB_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name.trim() == program);
        assert!(!is_required, "LAB_REQUIRE names {program}, which is not installed");
        eprintln!("SKIPPED, at least in part: {program} is not installed");
    }
    is_there
}

/// Both streams as text.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits until `condition` gives something.
pub(crate) fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, condition)
}

/// The same with a patience of its own.
pub(crate) fn wait_within<T>(patience: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {} s", patience.as_secs());
        std::thread::yield_now();
    }
}

/// Makes the default scenario short: one block, a second of load, no warm-up.
pub(crate) fn short(scenario: &str) -> String {
    let scenario = replaced(scenario, "duration = \"2s\"", "duration = \"1s\"");
    let scenario = replaced(&scenario, "warmup = \"1s\"", "warmup = \"0s\"");
    replaced(&scenario, "count  = 8 ", "count  = 1 ")
}

/// `text` with `old` replaced, which must be there.
pub(crate) fn replaced(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "the scenario has no {old:?}");
    text.replace(old, new)
}

/// Whether a program that not every machine has is there. Where it is missing, the test is to be skipped, and this says
/// so; unless `LAB_REQUIRE` names it, in which case the test fails.
pub(crate) fn has(name: &str, program: &str) -> bool {
    let is_there = Path::new(program).exists();
    let required = std::env::var("LAB_REQUIRE").unwrap_or_default();
    assert!(is_there || !required.split(',').any(|own| own == name), "LAB_REQUIRE names {name}: {program} is missing");
    if !is_there {
        eprintln!("SKIPPED: {name} is not installed: {program} is missing");
    }
    is_there
}

/// The folder that environments of the tests are kept in, from one run of the tests to the next.
pub(crate) fn kinds_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("kinds-cache")
}

/// Whether there is a Python on the path.
pub(crate) fn has_python() -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').map(|folder| format!("{folder}/python3")).find(|program| Path::new(program).exists());
    has("python", &found.unwrap_or_else(|| "python3".to_owned()))
}
