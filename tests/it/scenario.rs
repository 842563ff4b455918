//! Scenario files: the messages of bad ones, the validity of the shipped ones, and the schema on both.
//!
//! After a change on purpose: `INSTA_UPDATE=always cargo test --test it scenario::`, then read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use lab::catalog::Catalog;
use lab::document::DocumentErrors;
use lab::scenario;
use lab::scenario::model::PastSessions;

/// The folder `cargo test` runs in; messages show paths as they were given, so they are given relative to it.
fn relative(path: &Path) -> &Path {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap()
}

/// Every scenario that ships.
fn shipped() -> Vec<PathBuf> {
    let folder = fs::read_dir("scenarios").unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

/// Snapshots beside this file, named after the input alone.
pub(crate) fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // The path of this checkout does not belong in a snapshot.
    settings.add_filter(&format!("{}/", regex::escape(env!("CARGO_MANIFEST_DIR"))), "");
    settings
}

#[test]
fn bad_scenarios_are_refused() {
    snapshots().bind(|| {
        insta::glob!("../../fixtures/scenarios/bad", "*.toml", |path| {
            let path = fs::canonicalize(path).unwrap();
            let errors = scenario::load(relative(&path), None).expect_err("the scenario is bad");
            insta::assert_snapshot!("bad_scenario", errors.render(false));
        });
    });
}

#[test]
fn good_scenarios_are_resolved_and_explained() {
    snapshots().bind(|| {
        insta::glob!("../../fixtures/scenarios/good", "*.toml", |path| {
            let source = fs::read_to_string(path).unwrap();
            let file = Path::new("scenarios").join(path.file_name().unwrap());
            let scenario =
                match scenario::parse(&source, &file, Path::new("/project"), &|_| true, &|_| Ok(Catalog::builtin())) {
                    Ok(scenario) => scenario,
                    Err(errors) => panic!("{}", errors.render(false)),
                };
            insta::assert_snapshot!("resolved_scenario", format!("{scenario:#?}"));
            insta::assert_snapshot!("explained_scenario", scenario::explain(&scenario, PastSessions(3)));
        });
    });
}

#[test]
fn damaged_scenarios_never_panic() {
    let source = fs::read_to_string("fixtures/scenarios/good/everything.toml").unwrap();
    let lines: Vec<_> = source.split_inclusive('\n').collect();
    let truncated = source.char_indices().map(|(at, _)| source[..at].to_owned());
    let without_a_line = (0..lines.len()).map(|left_out| {
        lines.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, line)| *line).collect::<String>()
    });
    let with_crlf_and_a_mark = [format!("\u{feff}{}", source.replace('\n', "\r\n"))];
    for damaged in truncated.chain(without_a_line).chain(with_crlf_and_a_mark) {
        if let Err(errors) =
            scenario::parse(&damaged, Path::new("damaged.toml"), Path::new("/"), &|_| true, &|_| Ok(Catalog::builtin()))
        {
            assert!(errors.render(true).contains("error"), "no message for:\n{damaged}");
        }
    }
}

#[test]
fn shipped_scenarios_are_valid() {
    let files = shipped();
    assert!(!files.is_empty());
    for file in files {
        if let Err(errors) = scenario::load(&file, None) {
            panic!("{}", errors.render(false));
        }
    }
}

#[test]
fn byte_order_mark_and_crlf_are_accepted() {
    let source = fs::read_to_string("fixtures/scenarios/good/everything.toml").unwrap().replace('\n', "\r\n");
    for source in [source.clone(), format!("\u{feff}{source}")] {
        let scenario =
            scenario::parse(&source, Path::new("windows.toml"), Path::new("/"), &|_| true, &|_| Ok(Catalog::builtin()));
        assert!(scenario.is_ok(), "{}", scenario.unwrap_err().render(false));
    }
    let marked = "\u{feff}schema = 1\r\nname = \"A\"\r\n";
    let errors =
        scenario::parse(marked, Path::new("windows.toml"), Path::new("/"), &|_| true, &|_| Ok(Catalog::builtin()))
            .unwrap_err();
    let DocumentErrors::Invalid { text, diagnostics, .. } = &errors else { panic!("{errors}") };
    assert!(diagnostics.iter().any(|one| &text[one.span()] == "\"A\""), "{}", errors.render(false));
}

/// A command line overrides the configuration of gunicorn, which may name another number.
#[test]
fn configuration_decides_before_the_defaults_of_variants() {
    let threads = |server: &str| {
        let source = format!(
            "schema = 1\nname = \"threads\"\n\n[app]\nwsgi = \"pong:app\"\n\n[[stack]]\nname = \"one\"\nserver = {{ {server} }}\n\n\
             [[check]]\nname = \"a page\"\nrequest = {{ path = \"/\" }}\nexpect.status = 200\n"
        );
        let file = Path::new("threads.toml");
        let scenario = scenario::parse(&source, file, Path::new("/"), &|_| true, &|_| Ok(Catalog::builtin()));
        let scenario = scenario.unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        scenario.stacks[0].server.threads.map(std::num::NonZeroU16::get)
    };
    assert_eq!(threads("kind = \"gunicorn/gthread\""), Some(4));
    assert_eq!(threads("kind = \"gunicorn/gthread\", config = \"gunicorn.conf.py\""), None);
    assert_eq!(threads("kind = \"gunicorn/gthread\", config = \"gunicorn.conf.py\", threads = 2"), Some(2));
}
