//! A page of `docs`, or the README: its instructions, and its commands with their output.
//!
//! Comments in a page, which its readers do not see, are instructions:
//!
//! - `<!-- folder: NAME -->`: the commands below run in a new folder; `made_folder` has the names. The first one is empty.
//! - `<!-- run: COMMAND -->`: runs a command that prepares those below.
//! - `<!-- env: NAME=VALUE -->`: the commands below have this variable.
//! - `<!-- file: PATH -->`: the next block is the content of this file; `<!-- append: PATH -->` adds it.
//! - `<!-- requires: nginx, python -->`: the page needs these tools.
//! - `<!-- exit: 4 -->`: the last command of the next block ends with this exit code instead of 0.
//! - `<!-- figures: vary -->`: figures in the output of the next block may be any others.
//! - `<!-- not run: REASON -->`: the next block of commands does not run.
//!
//! In a block of `console`, lines that start with `$ ` are commands for a shell, and the lines below are their output. `…` stands for
//! any text, and on a line of its own for any lines.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::ROOT;
use super::output::{WILDCARD, are_lines_matched, without_figures};
use crate::support::{Project, Tool, replaced, short};

/// The key of a comment that says why the next block does not run.
pub(super) const NOT_RUN: &str = "not run";

/// A part of a page that does something.
#[derive(Debug)]
enum Step {
    /// The commands below run in a new folder.
    Folder(String),
    File {
        path: String,
        text: String,
        is_appended: bool,
    },
    /// The commands below have this variable.
    Variable {
        name: String,
        value: String,
    },
    Command(DocumentedCommand),
}

/// A command with its expected output and exit code.
#[derive(Debug)]
struct DocumentedCommand {
    line: usize,
    command: String,
    output: Vec<String>,
    exit: i32,
    /// Whether figures in the output may be any others.
    has_varying_figures: bool,
}

/// A page of the book, or the README.
pub(super) struct Page {
    /// Relative to the repository.
    name: String,
    steps: Vec<Step>,
    /// The names of tools.
    requires: Vec<String>,
}

impl Page {
    pub(super) fn read(name: &str) -> Page {
        let text = fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
        let mut page = Page { name: name.to_owned(), steps: Vec::new(), requires: Vec::new() };
        let mut comments: Vec<(&str, &str)> = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if let Some((key, value)) = comment(line) {
                match page.immediate_step(key, value, number + 1) {
                    Some(step) => page.steps.push(step),
                    None => comments.push((key, value)),
                }
            } else if let Some(language) = line.strip_prefix("```") {
                let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
                page.add(language, &block, &comments);
                comments.clear();
            }
        }
        page
    }

    /// The step of an instruction that needs no block.
    fn immediate_step(&self, key: &str, value: &str, line: usize) -> Option<Step> {
        match key {
            "folder" => Some(Step::Folder(value.to_owned())),
            "run" => {
                let (command, output) = (value.to_owned(), vec![WILDCARD.to_owned()]);
                Some(Step::Command(DocumentedCommand { line, command, output, exit: 0, has_varying_figures: false }))
            }
            "env" => {
                let (name, value) = value.split_once('=').unwrap_or_else(|| panic!("{}:{line}: {value}", self.name));
                Some(Step::Variable { name: name.to_owned(), value: value.to_owned() })
            }
            _ => None,
        }
    }

    fn add(&mut self, language: &str, block: &[(usize, &str)], comments: &[(&str, &str)]) {
        let (mut exit, mut has_varying_figures, mut is_run) = (0, false, true);
        for (key, value) in comments {
            match *key {
                "file" | "append" => {
                    let text = block.iter().map(|(_, line)| format!("{line}\n")).collect();
                    self.steps.push(Step::File { path: (*value).to_owned(), text, is_appended: *key == "append" });
                }
                "requires" => self.requires.extend(value.split(',').map(|name| name.trim().to_owned())),
                "exit" => exit = value.parse().unwrap(),
                "figures" => has_varying_figures = *value == "vary",
                NOT_RUN => is_run = false,
                _ => panic!("{}: `{key}` is no instruction", self.name),
            }
        }
        if language == "console" && is_run {
            self.add_commands(block, exit, has_varying_figures);
        }
    }

    fn add_commands(&mut self, block: &[(usize, &str)], last_exit: i32, has_varying_figures: bool) {
        let first = self.steps.len();
        for (number, line) in block {
            match (line.strip_prefix("$ "), self.steps[first..].last_mut()) {
                (Some(command), _) => {
                    let (line, command) = (number + 1, command.to_owned());
                    let command = DocumentedCommand { line, command, output: Vec::new(), exit: 0, has_varying_figures };
                    self.steps.push(Step::Command(command));
                }
                (None, Some(Step::Command(command))) => command.output.push((*line).to_owned()),
                (None, _) => panic!("{}:{}: output without a command", self.name, number + 1),
            }
        }
        let Some(Step::Command(command)) = self.steps[first..].last_mut() else {
            panic!("{}: a block without a command", self.name);
        };
        command.exit = last_exit;
    }

    pub(super) fn has_commands(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Command(_)))
    }

    /// Runs the page, unless it needs tools that are not here.
    pub(super) fn run(&self) {
        if !self.requires.iter().all(|name| Tool::from_name(name).is_available()) {
            return;
        }
        let mut project = made_folder("empty");
        let mut variables: Vec<(&str, &str)> = Vec::new();
        for step in &self.steps {
            match step {
                Step::Folder(name) => project = made_folder(name),
                Step::File { path, text, is_appended } => write_file(&project, path, text, *is_appended),
                Step::Variable { name, value } => variables.push((name, value)),
                Step::Command(command) => self.run_command(&project, &variables, command),
            }
        }
    }

    fn run_command(&self, project: &Project, variables: &[(&str, &str)], documented: &DocumentedCommand) {
        let DocumentedCommand { line, command, output, exit, has_varying_figures } = documented;
        let place = format!("{}:{line}: {command}", self.name);
        let (code, actual) = run(project, variables, command);
        assert_eq!(code, Some(*exit), "{place}\n{actual}");
        let comparable = |line: &str| match has_varying_figures {
            true => without_figures(line),
            false => line.trim_end().to_owned(),
        };
        let expected: Vec<String> = output.iter().map(|line| comparable(line)).collect();
        let lines: Vec<String> = actual.lines().map(comparable).collect();
        assert!(are_lines_matched(&expected, &lines), "{place}\nexpected:\n{}\n\nactual:\n{actual}", output.join("\n"));
    }
}

/// A folder for the commands of a page.
fn made_folder(name: &str) -> Project {
    let project = match name {
        "empty" => Project::empty(),
        // The files of the tutorial.
        "site" => {
            let site = Project::empty();
            for step in Page::read("docs/tutorial.md").steps {
                if let Step::File { path, text, is_appended } = step {
                    write_file(&site, &path, &text, is_appended);
                }
            }
            site
        }
        // Short windows, and no margin: a debug build costs more than the committed ratios say.
        "repository" => {
            let edited = |scenario: &str| {
                let scenario = replaced(&short(scenario), "count  = 1 ", "count  = 8 ");
                replaced(&scenario, "margins = { cpu_per_request = \"25%\" }", "")
            };
            Project::new(edited).with_copy("reports/snapshots")
        }
        // A project in git with one short scenario.
        "shop" => {
            let shop = Project::empty().with_scenario("shop", include_str!("shop.toml"));
            let commit =
                "git init --quiet --initial-branch=main && git add . && git commit --quiet --message 'The shop'";
            let (code, output) = run(&shop, &[], commit);
            assert_eq!(code, Some(0), "{output}");
            shop
        }
        _ => panic!("`{name}` is no folder"),
    };
    project.with_shared_cache()
}

fn write_file(project: &Project, path: &str, text: &str, is_appended: bool) {
    let file = project.path(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut options = fs::File::options();
    options.create(true).write(true).append(is_appended).truncate(!is_appended);
    options.open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

/// The key and value of a comment that is an instruction.
pub(super) fn comment(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(": ")?;
    Some((key, value))
}

/// Runs a command line with lab on its path; its exit code and both of its streams.
fn run(project: &Project, variables: &[(&str, &str)], command: &str) -> (Option<i32>, String) {
    let lab = Path::new(env!("CARGO_BIN_EXE_lab"));
    let path = format!("{}:{}", lab.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    // The environment of the project's lab is that of the shell.
    let prepared = project.lab(&[]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(project.path(""))
        .env("PATH", path)
        .env("COLUMNS", "100")
        .envs(variables.iter().copied());
    for (name, value) in [("NAME", "me"), ("EMAIL", "me@example.org")] {
        shell.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    for (name, value) in prepared.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}
