//! `lab report`: what is made of a record, from whole, abridged and compressed ones, and what is refused.
//!
//! After a change on purpose: `INSTA_UPDATE=always cargo test --test it report::`, then read the difference.

use std::path::Path;
use std::process::{Command, Output};

use lab::exit::Exit;
use serde_json::json;
use tempfile::TempDir;

mod made;

use crate::scenario::snapshots;
use crate::support::{assert_exit, text};
use made::FIRST;

const GROUPS: &[&[&str]] = &[&["bjoern", "fastwsgi"], &["granian"], &["wsgiref"]];

/// A folder with the record of a first run.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    made::write(folder.path(), "record.json", &made::record("first", &FIRST, GROUPS));
    folder
}

fn report(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.arg("report").args(arguments).current_dir(folder).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    command.output().unwrap()
}

/// What a report says that succeeds.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = report(folder, arguments);
    assert_exit(&output, Exit::Ok);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn record_as_markdown() {
    let folder = folder();
    snapshots()
        .bind(|| insta::assert_snapshot!("report_markdown", said(folder.path(), &[".", "--format", "markdown"])));
}

#[test]
fn record_as_chart() {
    let folder = folder();
    snapshots().bind(|| insta::assert_snapshot!("report_chart", said(folder.path(), &[".", "--format", "svg"])));
}

#[test]
fn unsustained_rates_are_marked() {
    let folder = folder();
    let rows = [("bjoern", 5_000.0, 12.0), ("granian", 3_000.0, 20.0), ("slow", 90.0, 900.0)];
    let record = made::record("slow", &rows, &[&["bjoern"], &["granian"], &["slow"]]);
    made::write(folder.path(), "slow.json", &record);
    let said = said(folder.path(), &["slow.json", "--format", "markdown"]);
    assert!(said.contains("No rate of the ramp was answered by every stack; the times are at the one"), "{said}");
    assert!(said.contains("| p50, p99 at 250/s |"), "{said}");
    assert!(said.contains("| 3 | slow | slow 1.4 | 90 | 0.018 (0.017 to 0.019) | 900 µs | – |"), "{said}");
}

/// Its lag is part of what it saw, so that is the most it can have been.
#[test]
fn late_driver_turns_times_into_bounds() {
    let folder = folder();
    let mut record = made::record("late", &FIRST, GROUPS);
    for round in record["rounds"].as_array_mut().unwrap() {
        let lag = &mut round["open"]["rates"][0]["lag"];
        (lag["p50_us"], lag["p99_us"]) = (json!(3), json!(1_500));
    }
    made::write(folder.path(), "late.json", &record);
    let markdown = said(folder.path(), &["late.json", "--format", "markdown"]);
    assert!(markdown.contains("| 105 µs, ≤ 420 µs |"), "{markdown}");
    assert!(markdown.contains("≤: the driver was itself late, and its lag is part of that time."), "{markdown}");
    let terminal = said(folder.path(), &["late.json"]);
    assert!(terminal.contains("99th percentile of the response time, by requests asked per second (≤: "), "{terminal}");
    assert!(terminal.contains("median response time, by requests asked per second\n"), "{terminal}");
}

/// Histograms, seconds and curves are left out, and no report misses them.
#[test]
fn abridged_record_gives_the_same_report() {
    let folder = folder();
    let inside = folder.path();
    said(inside, &["record.json", "--format", "record", "--output", "small.json.gz"]);
    let small = said(inside, &["record.json", "--format", "record"]);
    assert!(small.contains(r#""left_out":["histograms""#));
    assert!(!small.contains("SGlzdG9ncmFt") && !small.contains("Pong!") && !small.contains("\"curve\""));
    for format in ["text", "markdown", "svg"] {
        let whole = said(inside, &["record.json", "--format", format]);
        assert!(whole.contains("granian"), "{whole}");
        assert_eq!(said(inside, &["small.json.gz", "--format", format]), whole);
    }
    let again = said(inside, &["record.json", "--against", "small.json.gz", "--exit-code"]);
    assert!(
        again.contains("places agree; of 6 pairs, 5 are told apart in both runs, 0 in one only, 1 in neither"),
        "{again}"
    );
}

#[test]
fn two_runs_compared() {
    let folder = folder();
    let inside = folder.path();
    // the first two are told apart now, the last two have changed places, and a stack is slower by a tenth
    let rows =
        [("bjoern", 5_000.0, 12.0), ("fastwsgi", 4_500.0, 12.5), ("granian", 850.0, 20.0), ("wsgiref", 910.0, 150.0)];
    let groups: &[&[&str]] = &[&["bjoern"], &["fastwsgi"], &["wsgiref"], &["granian"]];
    let mut second = made::record("second", &rows, groups);
    second["provenance"]["machine"]["kernel"] = json!("Linux 6.2");
    made::write(inside, "second.json", &second);

    let same = report(inside, &["record.json", "--against", "record.json", "--exit-code"]);
    assert_exit(&same, Exit::Ok);
    let moved = report(inside, &["second.json", "--against", "record.json", "--exit-code"]);
    assert_exit(&moved, Exit::Failed);
    snapshots().bind(|| {
        insta::assert_snapshot!("report_against", text(&moved));
        let markdown = said(inside, &["second.json", "--against", "record.json", "--format", "markdown"]);
        insta::assert_snapshot!("report_against_markdown", markdown);
    });
}

#[test]
fn pair_decided_once_is_no_disagreement() {
    let folder = folder();
    let groups: &[&[&str]] = &[&["bjoern"], &["fastwsgi"], &["granian"], &["wsgiref"]];
    made::write(folder.path(), "second.json", &made::record("second", &FIRST[..3], &groups[..3]));
    let short = report(folder.path(), &["second.json", "--against", ".", "--exit-code"]);
    assert_exit(&short, Exit::Failed);
    assert!(text(&short).contains("wsgiref: has a place in the first run only\n"), "{}", text(&short));
    made::write(folder.path(), "second.json", &made::record("second", &FIRST, groups));
    let said = said(folder.path(), &["second.json", "--against", ".", "--metric", "throughput", "--exit-code"]);
    assert!(said.contains("places agree; of 6 pairs, 5 are told apart in both runs, 1 in one only, 0 in"), "{said}");
}

/// Nothing contradicts where nothing was told, and nothing is shown by that.
#[test]
fn undecided_runs_do_not_agree() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path();
    let mut record = made::record("short", &FIRST, &[&["bjoern", "fastwsgi", "granian", "wsgiref"]]);
    for placed in record["places"].as_array_mut().unwrap() {
        placed["blocks_needed"] = json!(7);
    }
    made::write(inside, "short.json", &record);
    let output = report(inside, &["short.json", "--against", "short.json", "--exit-code"]);
    assert_exit(&output, Exit::Inconclusive);
    assert!(
        text(&output).contains("nothing can be said; of 6 pairs, 0 are told apart in both runs"),
        "{}",
        text(&output)
    );
}

/// The reports and charts that README leads to are made of records that are published with it, and two full runs agree.
#[test]
fn published_reports_match_their_records() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/published");
    let published = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let [first, second] = ["wsgi-pingpong.json.gz", "wsgi-pingpong-again.json.gz"];
    let recommended = "wsgi-recommended.json.gz";
    let containers = ["containers.json.gz", "containers-again.json.gz"];
    for (file, arguments) in [
        ("proxies.md", &["proxies.json.gz", "--format", "markdown"][..]),
        ("containers.md", &[containers[0], "--format", "markdown"]),
        ("containers-repeated.md", &[containers[1], "--against", containers[0], "--format", "markdown", "--exit-code"]),
        ("wsgi-recommended.md", &[recommended, "--format", "markdown"]),
        ("wsgi-recommended.svg", &[recommended, "--format", "svg"]),
        ("wsgi-pingpong.md", &[first, "--format", "markdown"]),
        ("wsgi-pingpong.svg", &[first, "--format", "svg"]),
        ("wsgi-pingpong-repeated.md", &[second, "--against", first, "--format", "markdown", "--exit-code"]),
    ] {
        assert!(said(&folder, arguments) == published(file), "{file}: `lab report {}` differs", arguments.join(" "));
    }
}

#[test]
fn other_files_are_no_records() {
    let folder = folder();
    let inside = folder.path();
    let mut other = made::record("other", &FIRST, GROUPS);
    other["schema"] = json!(3);
    made::write(inside, "newer.json", &other);
    other["schema"] = json!(2);
    other["provenance"]["scenario"] = json!("hello");
    made::write(inside, "hello.json", &other);
    std::fs::write(inside.join("text.json"), "no record").unwrap();
    std::fs::write(inside.join("broken.json.gz"), [0x1f, 0x8b, 0]).unwrap();
    std::fs::create_dir(inside.join("empty")).unwrap();
    for (arguments, code, expected) in [
        (&["newer.json"][..], 2, "lab: newer.json: it is a record of schema 3; this lab reads schema 2\n"),
        (&["text.json"], 2, "lab: text.json: it is not a record: expected ident at line 1 column 2\n"),
        (&["broken.json.gz"], 2, "lab: broken.json.gz: it cannot be decompressed: "),
        (&["empty"], 2, "lab: empty: the folder has neither record.json nor record.json.gz\n"),
        (&["none.json"], 2, "lab: none.json: No such file or directory (os error 2)\n"),
        (&["hello.json", "--against", "."], 2, "lab: a record of hello cannot be compared with one of pong\n"),
        (&[".", "--load", "burst"], 1, "lab: run first has no load `burst`; accepted: keep-alive\n"),
        (
            &[".", "--against", ".", "--metric", "p99"],
            1,
            "lab: run first has no metric `p99`; accepted: cpu_per_request, ",
        ),
        (&[".", "--against", ".", "--format", "svg"], 1, "lab: two records are compared as `text` or as `markdown`\n"),
    ] {
        let output = report(inside, arguments);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.starts_with(expected), "{arguments:?}: {said}");
    }
}
