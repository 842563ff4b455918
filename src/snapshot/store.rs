//! Snapshot files in insta's format, so that both `lab snapshot` and `cargo insta review` work on them.
//!
//! Environment variables control what an insta assertion may write, and a process with threads must not change its own
//! environment. So the assertion runs in a subprocess: lab starts itself with [`ASSERT_COMMAND`] and the variables set, and
//! reads the outcome from the exit code and the files.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use rustix::fs::{FlockOperation, flock};

use super::acceptance::{ratios_name, refusal};

/// The hidden subcommand that asserts. It reads the content from standard input.
pub const ASSERT_COMMAND: &str = "snapshot-assert";

/// The folder of one root's snapshots.
#[derive(Debug, Clone)]
pub struct Store {
    /// `reports/snapshots` in the scenario's root.
    pub folder: PathBuf,
    /// The lab binary, which runs the assertions.
    pub lab: PathBuf,
}

/// The comparison of new content with the committed snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    Same,
    /// No snapshot is committed; the content is pending as `.snap.new`.
    New,
    /// They differ; the content is pending as `.snap.new`.
    Changed {
        committed: String,
    },
}

/// A snapshot that is pending for review.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PendingSnapshot {
    pub name: String,
    pub content: String,
    pub committed: Option<String>,
}

/// The values of `INSTA_UPDATE`.
#[derive(Debug, Clone, Copy)]
enum Update {
    /// insta writes a `.snap.new` beside the committed snapshot.
    New,
    /// insta writes the committed snapshot itself.
    Always,
}

impl Store {
    #[must_use]
    pub fn committed_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.snap"))
    }

    #[must_use]
    pub fn pending_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.snap.new"))
    }

    /// The committed content, if there is any.
    ///
    /// # Errors
    /// The file exists but cannot be read.
    pub fn committed(&self, name: &str) -> io::Result<Option<String>> {
        content(&self.committed_file(name))
    }

    /// Compares `content` with the committed snapshot. If they differ, `content` becomes the pending snapshot; if not, an
    /// older pending one is removed.
    ///
    /// # Errors
    /// The files cannot be read or written.
    pub fn compare(&self, name: &str, description: &str, content: &str) -> io::Result<Comparison> {
        let _lock = self.lock()?;
        let committed = self.committed(name)?;
        // By which a file that is cut off is recognised.
        let description = format!("{description}, {} lines", content.trim_end().lines().count());
        remove_if_exists(&self.pending_file(name))?;
        if self.assert(name, &description, content, Update::New)? {
            return Ok(Comparison::Same);
        }
        Ok(committed.map_or(Comparison::New, |committed| Comparison::Changed { committed }))
    }

    /// The snapshots pending for review, by name.
    ///
    /// # Errors
    /// The folder or a file cannot be read.
    pub fn pending(&self) -> io::Result<Vec<PendingSnapshot>> {
        let mut pending = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(pending),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".snap.new"));
            if let (Some(name), Some(content)) = (name, content(&path)?) {
                pending.push(PendingSnapshot { name: name.to_owned(), content, committed: self.committed(name)? });
            }
        }
        pending.sort();
        Ok(pending)
    }

    /// Commits the pending content.
    ///
    /// # Errors
    /// None is pending, or the pending ratios of the same run are [refused](super::acceptance), or the files cannot be
    /// written.
    pub fn accept(&self, name: &str) -> io::Result<()> {
        let _lock = self.lock()?;
        let pending = self.pending_file(name);
        // Facts and ratios of one run are accepted together, or not at all.
        for name in [name, &ratios_name(name)] {
            if let Some(reason) = content(&self.pending_file(name))?.and_then(|content| refusal(name, &content)) {
                let hint = format!("run again with more rounds, or discard them by `lab snapshot reject {name}`");
                return Err(io::Error::other(format!("the snapshot `{name}` is refused: {reason}; {hint}")));
            }
        }
        let Some(accepted) = content(&pending)? else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no snapshot `{name}` is pending")));
        };
        let description = description(&pending)?;
        self.assert(name, &description, &accepted, Update::Always)?;
        remove_if_exists(&pending)
    }

    /// Removes the pending content.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn reject(&self, name: &str) -> io::Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        remove_if_exists(&self.pending_file(name))
    }

    /// Waits until no other process compares or accepts a snapshot of this folder.
    fn lock(&self) -> io::Result<File> {
        fs::create_dir_all(&self.folder)?;
        // The folder itself is locked: a file for it would be committed with the snapshots.
        let folder = File::open(&self.folder)?;
        flock(&folder, FlockOperation::LockExclusive)?;
        Ok(folder)
    }

    /// Runs insta's assertion in a subprocess, and moves the file that it writes into the folder of snapshots. Returns
    /// whether it held.
    ///
    /// insta writes in place, which a full disk would make a loss of the snapshot. So it writes in a folder beside.
    fn assert(&self, name: &str, description: &str, content: &str, update: Update) -> io::Result<bool> {
        let folder = fs::canonicalize(&self.folder)?;
        let staging = folder.with_file_name(format!(".snapshots-{}", std::process::id()));
        fs::create_dir_all(&staging)?;
        let staged = Store { folder: staging, lab: self.lab.clone() };
        let outcome = self.assert_in(&staged, name, description, content, update);
        let removed = fs::remove_dir_all(&staged.folder);
        let held = outcome?;
        removed.map(|()| held)
    }

    fn assert_in(
        &self,
        staged: &Store,
        name: &str,
        description: &str,
        content: &str,
        update: Update,
    ) -> io::Result<bool> {
        if self.committed_file(name).exists() {
            fs::copy(self.committed_file(name), staged.committed_file(name))?;
        }
        let held = staged.run_assertion(name, description, content, update)?;
        let (written, target) = match update {
            Update::New if held => return Ok(true),
            Update::New => (staged.pending_file(name), self.pending_file(name)),
            Update::Always => (staged.committed_file(name), self.committed_file(name)),
        };
        // insta tells a full disk by a panic, as it does a difference.
        let whole = self::content(&written).ok().flatten();
        if !whole.is_some_and(|whole| whole.lines().eq(content.trim_end().lines())) {
            return Err(io::Error::other(format!(
                "insta could not write the snapshot `{name}` to its end; is the disk full?"
            )));
        }
        fs::rename(written, target)?;
        Ok(held)
    }

    /// Runs insta's assertion in a subprocess. Returns whether it held.
    fn run_assertion(&self, name: &str, description: &str, content: &str, update: Update) -> io::Result<bool> {
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
                let message = String::from_utf8_lossy(&output.stderr);
                Err(io::Error::other(format!("insta could not compare snapshot `{name}`: {}", message.trim())))
            }
        }
    }
}

/// The exit code of [`ASSERT_COMMAND`] if the content equals the committed one.
const HELD: i32 = 0;

/// The exit code of [`ASSERT_COMMAND`] if it differs and is pending.
const DIFFERED: i32 = 10;

/// Runs [`ASSERT_COMMAND`]: asserts `content` with insta and returns the exit code.
#[must_use]
pub fn assert(folder: &Path, name: &str, description: &str, content: &str) -> u8 {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(description);
    // insta panics both for a difference and for an I/O error; only the latter needs a message.
    let pending = folder.join(format!("{name}.snap.new"));
    let (hook, differed) = (std::panic::take_hook(), pending.clone());
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
        Err(_) if pending.exists() => DIFFERED as u8,
        Err(_) => 1,
    }
}

/// The content of a snapshot file, after its second `---` line. `None` if there is no such file.
fn content(file: &Path) -> io::Result<Option<String>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?,
    };
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", file.display()));
    let Some((head, body)) = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")) else {
        return Err(invalid("not a snapshot"));
    };
    let body = body.trim_end();
    let lines = body.lines().count();
    match described_lines(head).filter(|described| lines < *described) {
        Some(described) => Err(invalid(&format!(
            "cut off after {lines} of {described} lines; restore it, or remove it and accept a new one"
        ))),
        None => Ok(Some(body.to_owned())),
    }
}

/// The number of lines that the description in a snapshot's head announces.
fn described_lines(head: &str) -> Option<usize> {
    let description = head.lines().find_map(|line| line.strip_prefix("description: "))?.trim_matches('"');
    description.strip_suffix(" lines")?.rsplit_once(", ")?.1.parse().ok()
}

/// The description in a snapshot file's head.
fn description(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let head = text.split("\n---\n").next().unwrap_or_default();
    let line = head.lines().find_map(|line| line.strip_prefix("description: "));
    Ok(line.map(|line| line.trim_matches('"').to_owned()).unwrap_or_default())
}

fn remove_if_exists(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
