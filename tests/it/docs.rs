//! The README and the pages of `docs`: their commands run in folders of their own, and the output is compared. A block of commands
//! that does not run says why.

mod output;
mod page;

use std::fs;
use std::path::Path;

use clap::Parser as _;
use lab::cli::Cli;
use lab::scenario::model::{Growth, Metric};
use lab_load::wire::ErrorClass;

use output::WILDCARD;
use page::{NOT_RUN, Page, comment};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

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
