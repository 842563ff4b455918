//! Snapshot files, in insta's own format, so that `cargo insta review` works on them as well as `lab snapshot`.
//!
//! insta decides by environment variables what an assertion may write, and a process must not change its own
//! environment once it has threads. So the assertion runs in a process of its own: lab starts itself with
//! [`ASSERT_COMMAND`] and the variables set, and reads the outcome from the exit code and the files.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

/// The hidden subcommand that asserts: `lab snapshot-assert FOLDER NAME`, the content on standard input.
pub const ASSERT_COMMAND: &str = "snapshot-assert";

/// The folder of one root's snapshots, and the lab binary that asserts.
#[derive(Debug, Clone)]
pub struct Store {
    /// `reports/snapshots` in the scenario's root.
    pub folder: PathBuf,
    /// The lab binary.
    pub lab: PathBuf,
}

/// How a content compares with a committed snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// No difference.
    Same,
    /// There is none committed; the content waits as `.snap.new`.
    New,
    /// They differ; the content waits as `.snap.new`.
    Changed {
        /// The committed content.
        committed: String,
    },
}

/// What insta may write.
#[derive(Debug, Clone, Copy)]
enum Update {
    /// A `.snap.new` beside the committed one.
    New,
    /// The committed one itself.
    Always,
}

impl Store {
    /// The committed snapshot's file.
    #[must_use]
    pub fn committed_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.snap"))
    }

    /// The file of a content that waits for review.
    #[must_use]
    pub fn waiting_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.snap.new"))
    }

    /// The committed content, if there is one.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn committed(&self, name: &str) -> io::Result<Option<String>> {
        content(&self.committed_file(name))
    }

    /// Compares `content` with the committed snapshot. A difference waits as `.snap.new`; without one, an older
    /// waiting file is removed.
    ///
    /// # Errors
    /// When the files cannot be read or written.
    pub fn compare(&self, name: &str, description: &str, content: &str) -> io::Result<Comparison> {
        let committed = self.committed(name)?;
        // Whether a file waits afterwards is how the assertion's outcome is known.
        remove_if_there(&self.waiting_file(name))?;
        if self.assert(name, description, content, Update::New)? {
            return Ok(Comparison::Same);
        }
        Ok(committed.map_or(Comparison::New, |committed| Comparison::Changed { committed }))
    }

    /// The snapshots that wait for review: name, waiting content, committed content.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn waiting(&self) -> io::Result<Vec<(String, String, Option<String>)>> {
        let mut found = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".snap.new"));
            if let (Some(name), Some(waiting)) = (name, content(&path)?) {
                found.push((name.to_owned(), waiting, self.committed(name)?));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Makes the waiting content the committed one.
    ///
    /// # Errors
    /// When none waits, or the files cannot be written.
    pub fn accept(&self, name: &str) -> io::Result<()> {
        let waiting = self.waiting_file(name);
        let Some(accepted) = content(&waiting)? else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no snapshot `{name}` waits for review")));
        };
        let description = description(&waiting)?;
        self.assert(name, &description, &accepted, Update::Always)?;
        remove_if_there(&waiting)
    }

    /// Removes the waiting content.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn reject(&self, name: &str) -> io::Result<()> {
        remove_if_there(&self.waiting_file(name))
    }

    /// Runs insta's assertion in a process of its own; whether it held.
    fn assert(&self, name: &str, description: &str, content: &str, update: Update) -> io::Result<bool> {
        fs::create_dir_all(&self.folder)?;
        let mut command = Command::new(&self.lab);
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("INSTA_") {
                command.env_remove(variable);
            }
        }
        let update = match update {
            Update::New => "new",
            Update::Always => "always",
        };
        command
            .args([ASSERT_COMMAND, "--name", name, "--description", description])
            .arg(&self.folder)
            .env("INSTA_UPDATE", update)
            .env("INSTA_WORKSPACE_ROOT", &self.folder)
            .env("INSTA_OUTPUT", "none");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(content.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        match output.status.code() {
            Some(HELD) => Ok(true),
            Some(DIFFERED) => Ok(false),
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(io::Error::other(format!("insta could not compare snapshot `{name}`: {}", said.trim())))
            }
        }
    }
}

/// The exit code of [`ASSERT_COMMAND`] when the content is the committed one.
const HELD: i32 = 0;

/// The exit code of [`ASSERT_COMMAND`] when it is not, and a file waits.
const DIFFERED: i32 = 10;

/// What [`ASSERT_COMMAND`] does: asserts `content` with insta and returns the exit code to end with.
#[must_use]
pub fn assert(folder: &Path, name: &str, description: &str, content: &str) -> u8 {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(description);
    // insta says "no" by a panic, and cannot write by another; only the latter is worth a word.
    let waiting = folder.join(format!("{name}.snap.new"));
    let (hook, differed) = (std::panic::take_hook(), waiting.clone());
    std::panic::set_hook(Box::new(move |panic| {
        if !differed.exists() {
            hook(panic);
        }
    }));
    let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!(name, content));
    }));
    match held {
        Ok(()) => HELD as u8,
        Err(_) if waiting.exists() => DIFFERED as u8,
        Err(_) => 1,
    }
}

/// The content of a snapshot file: what follows its second `---` line. `None` when there is no such file.
fn content(file: &Path) -> io::Result<Option<String>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let body = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map(|(_, body)| body);
    match body {
        Some(body) => Ok(Some(body.trim_end().to_owned())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{}: not a snapshot", file.display()))),
    }
}

/// The description in a snapshot file's head.
fn description(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let head = text.split("\n---\n").next().unwrap_or_default();
    let line = head.lines().find_map(|line| line.strip_prefix("description: "));
    Ok(line.map(|line| line.trim_matches('"').to_owned()).unwrap_or_default())
}

fn remove_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
