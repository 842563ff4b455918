//! The README and the pages of `docs`: their commands run in folders of their own, and the output is compared. A block of commands
//! that does not run says why.
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
use std::sync::LazyLock;

use clap::Parser as _;
use lab::cli::Cli;
use lab::scenario::model::{Growth, Metric};
use lab_load::wire::ErrorClass;
use regex::Regex;

use crate::support::{Project, Tool, replaced, short};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

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
struct Page {
    /// Relative to the repository.
    name: String,
    steps: Vec<Step>,
    /// The names of tools.
    requires: Vec<String>,
}

impl Page {
    fn read(name: &str) -> Page {
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

    fn has_commands(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Command(_)))
    }

    /// Runs the page.
    fn run(&self) {
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
            let shop = Project::empty().with_scenario("shop", include_str!("docs/shop.toml"));
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
fn comment(line: &str) -> Option<(&str, &str)> {
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

const WILDCARD: &str = "…";
const NOT_RUN: &str = "not run";

fn are_lines_matched(expected: &[String], actual: &[String]) -> bool {
    match (expected, actual) {
        ([], []) => true,
        ([line, rest @ ..], _) if line.trim() == WILDCARD => {
            (0..=actual.len()).any(|skipped| are_lines_matched(rest, &actual[skipped..]))
        }
        ([line, rest @ ..], [found, others @ ..]) => is_line_matched(line, found) && are_lines_matched(rest, others),
        _ => false,
    }
}

/// A number with its unit, or the marks of a sparkline.
static FIGURE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[+-]?\d+(?: \d{3})*(?:\.\d+)?(?: (?:µs|ms|s|B|KiB|MiB|GiB)\b)?|[▁▂▃▄▅▆▇█×]+").unwrap()
});

/// A line with a mark for each figure, and with one space between words, because columns are as wide as their figures.
fn without_figures(line: &str) -> String {
    FIGURE.replace_all(line, "#").split_whitespace().collect::<Vec<_>>().join(" ")
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

/// All pages below `docs`, and the README, relative to the repository.
fn pages() -> Vec<String> {
    let root = Path::new(ROOT);
    let mut found = vec!["README.md".to_owned()];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "md") => {
                    found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
                false => {}
            }
        }
    }
    found.sort();
    found
}

fn text_of(page: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(page)).unwrap()
}

fn run_page(name: &str) {
    let page = Page::read(name);
    assert!(page.has_commands(), "{name} has no command");
    page.run();
}

#[test]
fn readme_runs() {
    run_page("README.md");
}

#[test]
fn tutorial_runs() {
    run_page("docs/tutorial.md");
}

#[test]
fn how_to_write_a_check_runs() {
    run_page("docs/how-to/write-a-check.md");
}

#[test]
fn how_to_add_a_server_runs() {
    run_page("docs/how-to/add-a-server.md");
}

#[test]
fn how_to_find_a_server_runs() {
    run_page("docs/how-to/find-a-server.md");
}

#[test]
fn how_to_look_at_a_run_runs() {
    run_page("docs/how-to/look-at-a-run.md");
}

#[test]
fn how_to_use_the_schema_runs() {
    run_page("docs/how-to/use-the-schema.md");
}

#[test]
fn deployment_runs() {
    run_page("docs/deployment.md");
}

#[test]
fn compare_runs() {
    run_page("docs/compare.md");
}

#[test]
fn ci_runs() {
    run_page("docs/ci.md");
}

#[test]
fn facts_run() {
    run_page("docs/facts.md");
}

#[test]
fn history_runs() {
    run_page("docs/history.md");
}

#[test]
fn events_run() {
    run_page("docs/events.md");
}

/// A page whose commands run has a test above.
#[test]
fn every_page_with_a_session_is_tested() {
    let source = include_str!("docs.rs");
    for name in pages() {
        let is_tested = source.contains(&format!("run_page(\"{name}\")"));
        assert!(is_tested || !Page::read(&name).has_commands(), "{name} has no test");
    }
}

/// Every other block of commands says why it does not run. Its commands are at least no mistakes.
#[test]
fn commands_that_do_not_run_say_why() {
    for name in pages() {
        let text = text_of(&name);
        let mut before = "";
        let mut is_in_block = false;
        for (number, line) in text.lines().enumerate() {
            let is_command =
                ["    lab ", "    cargo ", "    git ", "    $ "].iter().any(|start| line.starts_with(start));
            let is_excused = comment(before).is_some_and(|(key, _)| key == NOT_RUN);
            assert!(!is_command || is_in_block || is_excused, "{name}:{}: it neither runs nor says why", number + 1);
            is_in_block = is_command;
            if !line.is_empty() {
                before = line;
            }
        }
    }
}

#[test]
fn commands_of_pages_are_accepted() {
    let mut commands = 0;
    for name in pages() {
        let text = text_of(&name);
        for (number, line) in text.lines().enumerate() {
            let Some(command) = line.strip_prefix("    lab ").or_else(|| line.strip_prefix("$ lab ")) else { continue };
            let command = command.split(['#', '|', '&', '>', ';']).next().unwrap_or_default();
            // A placeholder for further options.
            let words = command.split_whitespace().filter(|word| *word != WILDCARD);
            let words: Vec<&str> = ["lab"].into_iter().chain(words).collect();
            if let Err(error) = Cli::try_parse_from(&words) {
                let is_help = !error.use_stderr();
                assert!(is_help, "{name}:{}: {}\n{error}", number + 1, words.join(" "));
            }
            commands += 1;
        }
    }
    assert!(commands > 30, "only {commands} commands were found");
}

/// The ids of the headings of a page, as mdbook and GitHub make them.
fn heading_ids(text: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        if is_code || !line.starts_with('#') {
            continue;
        }
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = |letter: char| match letter {
            letter if letter.is_whitespace() => Some('-'),
            letter if letter.is_alphanumeric() || "-_".contains(letter) => Some(letter),
            _ => None,
        };
        let id: String = heading.chars().filter_map(kept).collect();
        let earlier = ids.iter().filter(|known| **known == id || known.starts_with(&format!("{id}-"))).count();
        ids.push(if ids.contains(&id) { format!("{id}-{earlier}") } else { id });
    }
    ids
}

#[test]
fn links_of_pages_lead_to_headings() {
    for name in pages() {
        let text = text_of(&name);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            let (file, id) = target.split_once('#').unwrap_or((target, ""));
            let page = Path::new(ROOT).join(&name);
            let file = if file.is_empty() { page } else { page.parent().unwrap().join(file) };
            assert!(file.exists(), "{name}: {target} leads nowhere");
            if !id.is_empty() && file.extension().is_some_and(|extension| extension == "md") {
                let ids = heading_ids(&fs::read_to_string(&file).unwrap());
                assert!(ids.iter().any(|known| known == id), "{name}: {target} leads to no heading of {ids:?}");
            }
        }
    }
}

#[test]
fn page_of_metrics_names_every_metric_and_error() {
    let text = text_of("docs/metrics.md");
    let metrics = Metric::ALL.map(Metric::name).into_iter().chain(Growth::ALL.map(Growth::name));
    for name in metrics.chain(ErrorClass::ALL.map(ErrorClass::name)) {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn page_of_events_names_every_event() {
    let text = text_of("docs/events.md");
    let schema: serde_json::Value = serde_json::from_str(&lab::event::line::schema()).unwrap();
    let events = schema["oneOf"].as_array().unwrap();
    assert!(events.len() > 10);
    for event in events {
        let name = event["properties"]["event"]["const"].as_str().unwrap();
        assert!(text.contains(&format!("| `{name}` |")), "{name}");
    }
}

/// `SUMMARY.md` lists every page of the book.
#[test]
fn summary_has_every_page() {
    let summary = text_of("docs/SUMMARY.md");
    for name in pages() {
        let Some(inside) = name.strip_prefix("docs/") else { continue };
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
        let [expected, actual] = [expected, actual].map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        are_lines_matched(&expected, &actual)
    };
    assert!(matches("…\na … c\n…", "before\na b b c"));
    assert!(matches("…", "") && matches("…", "a\nb") && matches("a…", "a"));
    assert!(!matches("a … c", "a b d") && !matches("a", "a\nb") && !matches("…\nc", "c\nd"));
}

#[test]
fn figures_of_any_size_match() {
    let same = |one: &str, other: &str| assert_eq!(without_figures(one), without_figures(other));
    same("  proxied     8/8  35 631  436 µs  27.2 µs  14.0 MiB", "  proxied  8/9  963  1.25 ms  102 µs  9.50 MiB");
    same("reports/default/20261124T205140Z-24984/record.json", "reports/default/20261125T000000Z-1/record.json");
    same("  pingpong  proxied  ▅▄▆▅", "  pingpong  proxied  ×▅");
    assert_ne!(without_figures("8 rounds"), without_figures("8 blocks"));
}
