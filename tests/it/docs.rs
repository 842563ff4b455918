//! The pages of `docs`: the commands of a page run in a folder of their own, and their output is compared; every other command
//! is at least one that lab would accept.
//!
//! Comments in a page, which its readers do not see, say what a block is:
//!
//! - `<!-- file: PATH -->`: the next block is the content of this file; `<!-- append: PATH -->` adds it.
//! - `<!-- requires: nginx, python -->`: the page needs these tools.
//! - `<!-- exit: 4 -->`: the last command of the next block ends with this exit code instead of 0.
//!
//! In a block of `console`, lines that start with `$ ` are commands for a shell, and the lines below are their output. `…` stands for
//! any text, and on a line of its own for any lines.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser as _;
use lab::cli::Cli;

use crate::support::{Project, Tool};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A part of a page that does something.
#[derive(Debug)]
enum Step {
    File {
        path: String,
        text: String,
        is_appended: bool,
    },
    /// A command with its expected output and exit code.
    Command {
        line: usize,
        command: String,
        output: Vec<String>,
        exit: i32,
    },
}

/// A page of the book.
struct Page {
    path: PathBuf,
    steps: Vec<Step>,
    /// The names of tools.
    requires: Vec<String>,
}

impl Page {
    fn read(path: &Path) -> Page {
        let text = fs::read_to_string(path).unwrap();
        let mut page = Page { path: path.to_owned(), steps: Vec::new(), requires: Vec::new() };
        let mut comments: Vec<(&str, &str)> = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((_, line)) = lines.next() {
            if let Some((key, value)) = comment(line) {
                comments.push((key, value));
            } else if let Some(language) = line.strip_prefix("```") {
                let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
                page.add(language, &block, &comments);
                comments.clear();
            }
        }
        page
    }

    fn add(&mut self, language: &str, block: &[(usize, &str)], comments: &[(&str, &str)]) {
        let mut exit = 0;
        for (key, value) in comments {
            match *key {
                "file" | "append" => {
                    let text = block.iter().map(|(_, line)| format!("{line}\n")).collect();
                    self.steps.push(Step::File { path: (*value).to_owned(), text, is_appended: *key == "append" });
                }
                "requires" => self.requires.extend(value.split(',').map(|name| name.trim().to_owned())),
                "exit" => exit = value.parse().unwrap(),
                _ => panic!("{}: `{key}` is no instruction", self.path.display()),
            }
        }
        if language == "console" {
            self.add_commands(block, exit);
        }
    }

    fn add_commands(&mut self, block: &[(usize, &str)], last_exit: i32) {
        let first = self.steps.len();
        for (number, line) in block {
            match (line.strip_prefix("$ "), self.steps.last_mut()) {
                (Some(command), _) => {
                    let (line, command) = (number + 1, command.to_owned());
                    self.steps.push(Step::Command { line, command, output: Vec::new(), exit: 0 });
                }
                (None, Some(Step::Command { output, .. })) => output.push((*line).to_owned()),
                (None, _) => panic!("{}:{}: output without a command", self.path.display(), number + 1),
            }
        }
        assert!(self.steps.len() > first, "{}: a block without a command", self.path.display());
        if let Some(Step::Command { exit, .. }) = self.steps.last_mut() {
            *exit = last_exit;
        }
    }

    /// Runs the page in a folder of its own.
    fn run(&self) {
        if !self.requires.iter().all(|name| Tool::from_name(name).is_available()) {
            return;
        }
        let project = Project::empty().with_shared_cache();
        for step in &self.steps {
            match step {
                Step::File { path, text, is_appended } => {
                    let file = project.path(path);
                    fs::create_dir_all(file.parent().unwrap()).unwrap();
                    let mut options = fs::File::options();
                    options.create(true).write(true).append(*is_appended).truncate(!is_appended);
                    options.open(file).unwrap().write_all(text.as_bytes()).unwrap();
                }
                Step::Command { line, command, output, exit } => {
                    let place = format!("{}:{line}: {command}", self.path.display());
                    let (code, actual) = run(&project, command);
                    assert_eq!(code, Some(*exit), "{place}\n{actual}");
                    let expected: Vec<&str> = output.iter().map(String::as_str).collect();
                    let lines: Vec<&str> = actual.lines().map(str::trim_end).collect();
                    assert!(
                        are_lines_matched(&expected, &lines),
                        "{place}\nexpected:\n{}\n\nactual:\n{actual}",
                        output.join("\n")
                    );
                }
            }
        }
    }
}

/// The key and value of a comment that is an instruction.
fn comment(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(": ")?;
    Some((key, value))
}

/// Runs a command line with lab on its path; its exit code and both of its streams.
fn run(project: &Project, command: &str) -> (Option<i32>, String) {
    let lab = Path::new(env!("CARGO_BIN_EXE_lab"));
    let path = format!("{}:{}", lab.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    // The environment of the project's lab is that of the shell.
    let prepared = project.lab(&[]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(project.path(""))
        .env("PATH", path)
        .env("COLUMNS", "100");
    for (name, value) in prepared.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

const WILDCARD: &str = "…";

fn are_lines_matched(expected: &[&str], actual: &[&str]) -> bool {
    match (expected, actual) {
        ([], []) => true,
        ([WILDCARD, rest @ ..], _) => (0..=actual.len()).any(|skipped| are_lines_matched(rest, &actual[skipped..])),
        ([line, rest @ ..], [found, others @ ..]) => is_line_matched(line, found) && are_lines_matched(rest, others),
        _ => false,
    }
}

fn is_line_matched(pattern: &str, text: &str) -> bool {
    match pattern.split_once(WILDCARD) {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.any(|at| is_line_matched(after, &rest[at..]))
        }),
    }
}

/// All pages below `docs`, and the README.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![Path::new(ROOT).join("README.md")];
    let mut folders = vec![Path::new(ROOT).join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "md") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

fn run_page(name: &str) {
    let page = Page::read(&Path::new(ROOT).join("docs").join(name));
    assert!(page.steps.iter().any(|step| matches!(step, Step::Command { .. })), "{name} has no command");
    page.run();
}

#[test]
fn tutorial_runs() {
    run_page("tutorial.md");
}

#[test]
fn how_to_write_a_check_runs() {
    run_page("how-to/write-a-check.md");
}

#[test]
fn how_to_add_a_server_runs() {
    run_page("how-to/add-a-server.md");
}

#[test]
fn how_to_find_a_server_runs() {
    run_page("how-to/find-a-server.md");
}

#[test]
fn how_to_use_the_schema_runs() {
    run_page("how-to/use-the-schema.md");
}

/// A page whose commands run has a test above.
#[test]
fn every_page_with_a_session_is_tested() {
    let source = include_str!("docs.rs");
    for path in pages() {
        let has_commands = Page::read(&path).steps.iter().any(|step| matches!(step, Step::Command { .. }));
        let name = path.strip_prefix(Path::new(ROOT).join("docs")).unwrap_or(&path).display().to_string();
        assert!(!has_commands || source.contains(&format!("run_page(\"{name}\")")), "{name} has no test");
    }
}

/// Blocks that are no session show commands that cannot run in a test. They are at least no mistakes.
#[test]
fn commands_of_pages_are_accepted() {
    let mut commands = 0;
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let Some(command) = line.strip_prefix("    lab ").or_else(|| line.strip_prefix("$ lab ")) else { continue };
            let command = command.split(['#', '|', '&', '>', ';']).next().unwrap_or_default();
            // A placeholder for further options.
            let words = command.split_whitespace().filter(|word| *word != WILDCARD);
            let words: Vec<&str> = ["lab"].into_iter().chain(words).collect();
            if let Err(error) = Cli::try_parse_from(&words) {
                let is_help = !error.use_stderr();
                assert!(is_help, "{}:{}: {}\n{error}", path.display(), number + 1, words.join(" "));
            }
            commands += 1;
        }
    }
    assert!(commands > 30, "only {commands} commands were found");
}

#[test]
fn links_of_pages_lead_to_files() {
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let is_elsewhere = target.contains("://") || file.is_empty() || target.contains(char::is_whitespace);
            let file = path.parent().unwrap().join(file);
            assert!(is_elsewhere || file.exists(), "{}: {target} leads nowhere", path.display());
        }
    }
}

/// `SUMMARY.md` lists every page of the book.
#[test]
fn summary_has_every_page() {
    let docs = Path::new(ROOT).join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    for path in pages() {
        let Ok(inside) = path.strip_prefix(&docs) else { continue };
        let inside = inside.display().to_string();
        let is_listed = summary.contains(&format!("]({inside})"));
        // Decisions have a table of contents of their own.
        assert!(
            is_listed || inside == "SUMMARY.md" || inside.starts_with("decisions/"),
            "{inside} is not in SUMMARY.md"
        );
    }
}

#[test]
fn wildcards_match_lines_and_parts_of_lines() {
    let matches = |expected: &str, actual: &str| {
        let [expected, actual] = [expected, actual].map(|text| text.lines().collect::<Vec<_>>());
        are_lines_matched(&expected, &actual)
    };
    assert!(matches("…\na … c\n…", "before\na b b c"));
    assert!(matches("…", "") && matches("…", "a\nb") && matches("a…", "a"));
    assert!(!matches("a … c", "a b d") && !matches("a", "a\nb") && !matches("…\nc", "c\nd"));
}
