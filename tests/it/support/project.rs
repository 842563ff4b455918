//! A project folder of a test's own, and lab in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::exit::Exit;
use tempfile::TempDir;

use super::assert_exit;

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A temporary project folder with the default scenario, and the environment of lab in it.
pub(crate) struct Project {
    folder: TempDir,
    environment: Vec<(String, PathBuf)>,
}

impl Project {
    /// With `scenarios/default.toml`, changed by `edit`.
    pub(crate) fn new(edit: impl FnOnce(&str) -> String) -> Project {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(ROOT);
        for file in ["scenarios/default.toml", "fixtures/nginx/corrected.conf"] {
            let target = folder.path().join(file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(source.join(file), target).unwrap();
        }
        let project = Project { folder, environment: Vec::new() };
        let text = fs::read_to_string(project.path("scenarios/default.toml")).unwrap();
        fs::write(project.path("scenarios/default.toml"), edit(&text)).unwrap();
        project
    }

    /// With nothing in it.
    pub(crate) fn empty() -> Project {
        Project { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// With a file, whose folder is made.
    pub(crate) fn with_file(self, file: &str, text: &str) -> Project {
        self.write(file, text);
        self
    }

    /// With `scenarios/{name}.toml`.
    pub(crate) fn with_scenario(self, name: &str, text: &str) -> Project {
        self.with_file(&format!("scenarios/{name}.toml"), text)
    }

    /// With a server kind and the Python script that starts it, for scenarios that say `kinds = "kinds"`.
    pub(crate) fn with_server_kind(self, name: &str, kind: &str, launcher: &str) -> Project {
        self.with_file(&format!("kinds/servers/{name}.toml"), kind)
            .with_file(&format!("kinds/servers/{name}.py"), launcher)
    }

    /// With a link to a folder of the repository.
    pub(crate) fn with_link(self, folder: &str) -> Project {
        std::os::unix::fs::symlink(Path::new(ROOT).join(folder), self.path(folder)).unwrap();
        self
    }

    /// With a copy of a folder of the repository.
    pub(crate) fn with_copy(self, folder: &str) -> Project {
        let target = self.path(folder);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let source = Path::new(ROOT).join(folder);
        assert!(Command::new("cp").arg("-r").args([&source, &target]).status().unwrap().success());
        self
    }

    /// With a variable in lab's environment.
    pub(crate) fn with_variable(mut self, name: &str, value: impl Into<PathBuf>) -> Project {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// With the virtual environments that all tests share, which outlive them.
    pub(crate) fn with_shared_cache(self) -> Project {
        self.with_variable("LAB_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("kinds-cache"))
    }

    /// Writes a file and makes its folder.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// lab in this folder, marked so that [`marked`](Project::marked) finds what it starts.
    pub(crate) fn lab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.args(arguments).current_dir(self.folder.path()).env("LAB_TEST_MARK", self.folder.path());
        command.env("NO_COLOR", "1").env_remove("RUST_BACKTRACE").env_remove("LAB_KINDS");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs lab to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.lab(arguments).output().unwrap()
    }

    /// Runs lab to its end, which must be `exit`; its output.
    #[track_caller]
    pub(crate) fn expect(&self, exit: Exit, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_exit(&output, exit);
        super::text(&output)
    }

    /// `lab provision` and `lab check` of a scenario, both of which must succeed; the output of the check.
    #[track_caller]
    pub(crate) fn provision_and_check(&self, scenario: &str) -> String {
        let file = format!("scenarios/{scenario}.toml");
        self.expect(Exit::Ok, &["provision", &file]);
        self.expect(Exit::Ok, &["check", &file])
    }

    /// Process ids and command lines of the living descendants of this project's lab, also of orphaned ones.
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

/// Makes the default scenario short: one block, a second of load, no warm-up.
pub(crate) fn short(scenario: &str) -> String {
    let scenario = replaced(scenario, "duration = \"2s\"", "duration = \"1s\"");
    let scenario = replaced(&scenario, "warmup = \"1s\"", "warmup = \"0s\"");
    replaced(&scenario, "count  = 8 ", "count  = 1 ")
}

/// The short default scenario, which gates no metric.
pub(crate) fn facts_only(scenario: &str) -> String {
    replaced(&short(scenario), "margins = { cpu_per_request = \"25%\" }", "")
}

/// `text` with `old` replaced, which must be there.
pub(crate) fn replaced(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "the scenario has no {old:?}");
    text.replace(old, new)
}
