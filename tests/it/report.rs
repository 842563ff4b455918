//! `lab report`: the reports of whole, abridged and compressed records, and its errors.
//!
//! After a change on purpose: `INSTA_UPDATE=always cargo test --test it report::`, then read the difference.

use std::path::Path;
use std::process::{Command, Output};

use lab::exit::Exit;
use serde_json::json;
use tempfile::TempDir;

mod live;
mod made;
mod page;
mod page_layout;
mod page_records;

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

/// The standard output of a successful `lab report`.
fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = report(folder, arguments);
    assert_exit(&output, Exit::Ok);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn record_as_markdown() {
    let folder = folder();
    snapshots()
        .bind(|| insta::assert_snapshot!("report_markdown", stdout(folder.path(), &[".", "--format", "markdown"])));
}

#[test]
fn record_as_chart() {
    let folder = folder();
    snapshots().bind(|| insta::assert_snapshot!("report_chart", stdout(folder.path(), &[".", "--format", "svg"])));
}

#[test]
fn unsustained_rates_are_marked() {
    let folder = folder();
    let rows = [("bjoern", 5_000.0, 12.0), ("granian", 3_000.0, 20.0), ("slow", 90.0, 900.0)];
    let record = made::record("slow", &rows, &[&["bjoern"], &["granian"], &["slow"]]);
    made::write(folder.path(), "slow.json", &record);
    let text = stdout(folder.path(), &["slow.json", "--format", "markdown"]);
    assert!(text.contains("No rate of the ramp suited every stack."), "{text}");
    assert!(text.contains("| p50, p99 at 250/s |"), "{text}");
    assert!(text.contains("| 3 | slow | slow 1.4 | 90 | 0.018 (0.017 to 0.019) | 900 µs | – |"), "{text}");
}

/// The measured time includes the lag, so it is an upper bound.
#[test]
fn late_driver_turns_times_into_bounds() {
    let folder = folder();
    let mut record = made::record("late", &FIRST, GROUPS);
    for round in record["rounds"].as_array_mut().unwrap() {
        let lag = &mut round["open"]["rates"][0]["lag"];
        (lag["p50_us"], lag["p99_us"]) = (json!(3), json!(1_500));
    }
    made::write(folder.path(), "late.json", &record);
    let markdown = stdout(folder.path(), &["late.json", "--format", "markdown"]);
    assert!(markdown.contains("| 105 µs, ≤ 420 µs |"), "{markdown}");
    assert!(markdown.contains("≤: the driver was late, and the time includes its lag."), "{markdown}");
    let terminal = stdout(folder.path(), &["late.json"]);
    assert!(
        terminal.contains("99th percentile of the response time, by scheduled requests per second (≤: "),
        "{terminal}"
    );
    assert!(terminal.contains("median response time, by scheduled requests per second\n"), "{terminal}");
}

/// No report needs histograms, seconds or curves.
#[test]
fn abridged_record_gives_the_same_report() {
    let folder = folder();
    let inside = folder.path();
    stdout(inside, &["record.json", "--format", "record", "--output", "small.json.gz"]);
    let small = stdout(inside, &["record.json", "--format", "record"]);
    assert!(small.contains(r#""left_out":["histograms""#));
    assert!(!small.contains("SGlzdG9ncmFt") && !small.contains("Pong!") && !small.contains("\"curve\""));
    for format in ["text", "markdown", "svg"] {
        let whole = stdout(inside, &["record.json", "--format", format]);
        assert!(whole.contains("granian"), "{whole}");
        assert_eq!(stdout(inside, &["small.json.gz", "--format", format]), whole);
    }
    let again = stdout(inside, &["record.json", "--against", "small.json.gz", "--exit-code"]);
    assert!(
        again.contains("ranks agree; told apart: 5 of 6 pairs in both runs, 0 in one only, 1 in neither"),
        "{again}"
    );
}

#[test]
fn two_runs_compared() {
    let folder = folder();
    let inside = folder.path();
    // the first two are told apart now, the last two have swapped ranks, and a stack is slower by a tenth
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
        let markdown = stdout(inside, &["second.json", "--against", "record.json", "--format", "markdown"]);
        insta::assert_snapshot!("report_against_markdown", markdown);
    });
}

#[test]
fn pair_decided_once_is_not_a_disagreement() {
    let folder = folder();
    let groups: &[&[&str]] = &[&["bjoern"], &["fastwsgi"], &["granian"], &["wsgiref"]];
    made::write(folder.path(), "second.json", &made::record("second", &FIRST[..3], &groups[..3]));
    let short = report(folder.path(), &["second.json", "--against", ".", "--exit-code"]);
    assert_exit(&short, Exit::Failed);
    assert!(text(&short).contains("wsgiref: has a rank in the first run only\n"), "{}", text(&short));
    made::write(folder.path(), "second.json", &made::record("second", &FIRST, groups));
    let text = stdout(folder.path(), &["second.json", "--against", ".", "--metric", "throughput", "--exit-code"]);
    assert!(text.contains("ranks agree; told apart: 5 of 6 pairs in both runs, 1 in one only, 0 in"), "{text}");
}

/// The ranks are the same, and every figure of one stack is another one.
#[test]
fn medians_far_apart_are_a_disagreement() {
    let folder = folder();
    let inside = folder.path();
    // Still the last one, at less than an eighth of its throughput.
    let mut rows = FIRST;
    rows[3] = ("wsgiref", 117.5, 150.0);
    made::write(inside, "second.json", &made::record("second", &rows, GROUPS));
    let arguments = ["second.json", "--against", "record.json", "--exit-code"];
    let slower = report(inside, &arguments);
    assert_exit(&slower, Exit::Failed);
    let printed = text(&slower);
    assert!(
        printed.contains("1 stack with medians more than 50.0 % apart; told apart: 5 of 6 pairs in both"),
        "{printed}"
    );
    assert!(printed.contains("wsgiref: the medians are 666 % apart (0.131 ×)"), "{printed}");
    let faster = report(inside, &["record.json", "--against", "second.json", "--exit-code"]);
    assert_exit(&faster, Exit::Failed);
    assert_exit(&report(inside, &[&arguments[..], &["--tolerance", "700%"]].concat()), Exit::Ok);
    assert_exit(&report(inside, &[&arguments[..], &["--tolerance", "0%"]].concat()), Exit::Usage);
    assert_exit(&report(inside, &[&arguments[..], &["--metric", "cpu_per_request"]].concat()), Exit::Ok);
}

/// The ranks of the two published runs agree, and the medians of throughput and cost. Times over a ramp, which leads through
/// overload, do not.
#[test]
fn published_runs_differ_in_times_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/published");
    let [first, second] = ["wsgi-pingpong.json.gz", "wsgi-pingpong-again.json.gz"];
    let output = report(&folder, &[second, "--against", first, "--exit-code"]);
    assert_exit(&output, Exit::Failed);
    let printed = text(&output);
    assert!(printed.contains("bjoern: the medians are 1017 % apart (11.174 ×)"), "{printed}");
    let rates = ["--metric", "throughput", "--metric", "cpu_per_request"];
    assert_exit(&report(&folder, &[&[second, "--against", first, "--exit-code"][..], &rates].concat()), Exit::Ok);
}

/// Without decided pairs there is neither agreement nor disagreement.
#[test]
fn undecided_runs_do_not_agree() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path();
    let mut record = made::record("short", &FIRST, &[&["bjoern", "fastwsgi", "granian", "wsgiref"]]);
    for ranking in record["places"].as_array_mut().unwrap() {
        ranking["blocks_needed"] = json!(7);
    }
    made::write(inside, "short.json", &record);
    let output = report(inside, &["short.json", "--against", "short.json", "--exit-code"]);
    assert_exit(&output, Exit::Inconclusive);
    assert!(text(&output).contains("no verdict; told apart: 0 of 6 pairs in both runs"), "{}", text(&output));
}

/// The reports and charts that README links to match the records published beside them, and two full runs agree.
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
        ("wsgi-pingpong-repeated.md", &[second, "--against", first, "--format", "markdown"]),
    ] {
        assert!(stdout(&folder, arguments) == published(file), "{file}: `lab report {}` differs", arguments.join(" "));
    }
}

#[test]
fn other_files_are_refused() {
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
        (
            &["text.json"],
            2,
            "lab: text.json: it is not a record; accepted: the record.json of a run, or the folder of the run: expected ident",
        ),
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
        (
            &[".", "--against", ".", "--format", "svg"],
            1,
            "lab: two records are compared as `text` or as `markdown`; `lab report FIRST ",
        ),
    ] {
        let output = report(inside, arguments);
        let message = text(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(message.starts_with(expected), "{arguments:?}: {message}");
    }
}
