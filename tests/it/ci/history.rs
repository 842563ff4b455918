//! `lab history`: accepted sessions, their merging by git, and the trend.

use std::fs;

use lab::exit::Exit;
use serde_json::{Value, json};

use crate::compare::repository::{commit, git};
use crate::support::{Project, assert_exit, facts_only, requires, text};

const FILE: &str = "reports/history/default.jsonl";

fn sessions(project: &Project) -> Vec<Value> {
    let text = fs::read_to_string(project.path(FILE)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn accepted_session_becomes_a_line() {
    requires!(Git);
    let project = Project::new(facts_only);
    let head = commit(&project);
    let run = ["run", "scenarios/default.toml", "--quiet"];
    project.expect(Exit::Ok, &run);
    assert!(!project.path(FILE).exists(), "nobody has accepted it");
    let accepted = project.expect(Exit::Ok, &["snapshot", "accept", "default"]);
    assert!(accepted.starts_with("accepted default: exact facts\nrecorded run "), "{accepted}");
    assert!(accepted.ends_with(&format!(" in {FILE}\n")), "{accepted}");

    let [session] = &sessions(&project)[..] else { panic!("one line") };
    assert_eq!(
        (&session["schema"], &session["revision"], &session["is_modified"]),
        (&json!(1), &json!(head), &json!(false))
    );
    let record = fs::read_to_string(project.path("reports/default/latest/record.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(session["run"], record["provenance"]["run"]);
    assert_eq!(session["facts"], record["gate"]["facts_sha256"]);
    let figures = session["figures"].as_array().unwrap();
    let (estimates, growth) = (record["estimates"].as_array().unwrap(), record["growth"].as_array().unwrap());
    assert_eq!(figures.len(), estimates.len() + growth.len());
    for (figure, growth) in figures[estimates.len()..].iter().zip(growth) {
        let is_memory = growth["metric"] == "memory_growth";
        let unit = if is_memory { "bytes_per_request" } else { "per_request" };
        assert_eq!((&figure["metric"], &figure["unit"]), (&growth["metric"], &json!(unit)));
    }
    for (figure, estimate) in figures.iter().zip(estimates) {
        assert_eq!((&figure["stack"], &figure["metric"]), (&estimate["stack"], &estimate["metric"]));
        // Of one round, the estimate is its value, to five digits.
        let (value, median) = (figure["value"].as_f64().unwrap(), estimate["median"].as_f64().unwrap());
        assert!((value / median - 1.0).abs() < 1e-4 || figure["rounds"] != 1, "{figure} {estimate}");
    }
    let length = fs::read_to_string(project.path(FILE)).unwrap().len();
    assert!(length < 6000, "it is small: {length} bytes");

    // A session without anything to review is accepted by the name of its scenario, and once.
    fs::write(project.path("notes.txt"), "not committed").unwrap();
    project.expect(Exit::Ok, &["run", "scenarios/default.toml", "--gate", "--quiet"]);
    project.expect(Exit::Ok, &["snapshot", "accept", "default"]);
    assert_eq!(sessions(&project).len(), 2);
    assert_eq!(sessions(&project)[1]["is_modified"], true);
    let again = project.run(&["snapshot", "accept", "default"]);
    assert_exit(&again, Exit::Usage);
    assert!(text(&again).contains("no snapshot `default` is pending"), "{}", text(&again));
    // One that was rejected is not offered again; neither is a part of a scenario.
    project.expect(Exit::Ok, &["run", "scenarios/default.toml", "--quiet", "--only", "direct"]);
    assert_exit(&project.run(&["snapshot", "accept", "default"]), Exit::Usage);

    let trend = project.expect(Exit::Ok, &["history", "scenarios/default.toml", "--metric", "throughput"]);
    assert!(trend.contains("  throughput of direct under pingpong  2 sessions, "), "{trend}");
    assert!(!trend.contains("cpu_per_request"), "{trend}");
}

#[test]
fn first_gate_begins_the_history() {
    let project = Project::new(facts_only);
    project.expect(Exit::Ok, &["run", "scenarios/default.toml", "--gate", "--accept-new", "--quiet"]);
    assert_eq!(sessions(&project).len(), 1);
    assert_eq!(sessions(&project)[0].get("revision"), None, "it is in no repository");
}

/// A line of a session at a revision, with one figure.
fn line(number: usize, revision: &str, cpu_us: f64) -> String {
    let figure = json!({ "load": "browse", "stack": "production", "metric": "cpu_per_request", "unit": "us",
                         "value": cpu_us, "lower": cpu_us * 0.99, "upper": cpu_us * 1.01, "confidence": 0.97, "rounds": 8 });
    let (run, ended) = (format!("r{number:02}"), format!("2026-10-{number:02}T10:00:00.000Z"));
    json!({ "schema": 1, "run": run, "ended": ended, "revision": revision, "is_modified": false, "lab": "0.1.0",
            "machine": "aaaaaaaaaaaa", "cpu": "A CPU, 2 cores, Linux", "scenario_sha256": "00", "figures": [figure] })
    .to_string()
}

/// Twenty sessions, the last eight of which are an eighth dearer.
fn lines() -> Vec<String> {
    let noise = [0.3, -0.4, 0.1, 0.6, -0.2, -0.7, 0.4];
    let value = |number: usize| if number <= 12 { 1000.0 } else { 1125.0 } + noise[number % noise.len()] * 5.0;
    (1..=20).map(|number| line(number, &format!("{number:040x}"), value(number))).collect()
}

#[test]
fn change_point_names_its_revisions() {
    let project = Project::new(str::to_owned);
    let mut shuffled = lines();
    shuffled.reverse();
    shuffled.swap(2, 9);
    project.write("reports/history/shop.jsonl", &(shuffled.join("\n") + "\n"));
    let trend = project.expect(Exit::Ok, &["history", "shop"]);
    insta::assert_snapshot!("history_trend", trend);

    let commands = project.expect(Exit::Ok, &["history", "shop", "--bisect"]);
    let [before, after] = [12, 13].map(|number| format!("{number:040x}"));
    assert!(
        commands.contains(&format!("git bisect start --term-old old --term-new new {after} {before}\n")),
        "{commands}"
    );
    assert!(commands.contains(&format!("lab compare {before} scenarios/shop.toml --gate; ")), "{commands}");

    let unknown = project.run(&["history", "shop", "--metric", "p75"]);
    assert_exit(&unknown, Exit::Usage);
    assert!(text(&unknown).contains("no metric `p75`; accepted: cpu_per_request"), "{}", text(&unknown));
    let none = project.run(&["history", "other"]);
    assert_exit(&none, Exit::Usage);
    assert!(text(&none).contains("there is no session in reports/history/other.jsonl"), "{}", text(&none));
    let json = project.expect(Exit::Ok, &["history", "shop", "--json"]);
    let sessions: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert!(sessions.iter().map(|session| session["run"].as_str().unwrap()).is_sorted());
}

/// A leak begins from nothing: its size is no percentage.
#[test]
fn leak_is_a_change_point() {
    let project = Project::new(str::to_owned);
    let leaking = lines().into_iter().enumerate().map(|(number, line)| {
        let mut line: Value = serde_json::from_str(&line).unwrap();
        let figure = &mut line["figures"][0];
        (figure["metric"], figure["unit"]) = (json!("memory_growth"), json!("bytes_per_request"));
        let per_request = if number < 12 { 0.0 } else { 10.5 } + 0.01 * (number % 3) as f64;
        (figure["value"], figure["lower"], figure["upper"]) = (json!(per_request), Value::Null, Value::Null);
        line.to_string() + "\n"
    });
    project.write("reports/history/shop.jsonl", &leaking.collect::<String>());
    let trend = project.expect(Exit::Ok, &["history", "shop"]);
    assert!(trend.contains("memory_growth of production under browse  20 sessions"), "{trend}");
    assert!(trend.contains("│ 0.98 KiB per 100k → 1 MiB per 100k, 2026-10-13, between "), "{trend}");
    let commands = project.expect(Exit::Ok, &["history", "shop", "--bisect"]);
    assert!(commands.contains("# memory_growth of production under browse: 0.98 KiB per 100k → 1 MiB"), "{commands}");
}

/// The commands that are printed find the commit that made it slower.
#[test]
fn printed_bisection_finds_the_commit() {
    requires!(Git);
    let project = Project::new(str::to_owned);
    let mut commits = Vec::new();
    for number in 0..8 {
        project.write("speed", if number < 5 { "fast" } else { "slow" });
        project.write("number", &number.to_string());
        commits.push(commit(&project));
    }
    // What `lab compare` would find out: whether the working tree is slower than the revision.
    let judge = "#!/bin/sh\n[ \"$1\" = compare ] || exit 1\n\
                 [ \"$(git show \"$2:speed\")\" = \"$(cat speed)\" ] && exit 0\nexit 4\n";
    let bin = tempfile::tempdir().unwrap();
    let lab = bin.path().join("lab");
    fs::write(&lab, judge).unwrap();
    fs::set_permissions(&lab, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());

    for (slow, fast) in [(1125.0, 1000.0), (1000.0, 1125.0)] {
        let lines: Vec<String> = (1..=20)
            .map(|number| match number {
                ..=10 => line(number, &commits[0], fast + number as f64),
                _ => line(number, &commits[7], slow + number as f64),
            })
            .collect();
        project.write("reports/history/shop.jsonl", &(lines.join("\n") + "\n"));
        let commands = project.expect(Exit::Ok, &["history", "shop", "--bisect"]);
        let mut shell = std::process::Command::new("sh");
        let found = shell.args(["-c", &commands]).current_dir(project.path("")).env("PATH", &path).output().unwrap();
        let found = String::from_utf8_lossy(&[found.stdout, found.stderr].concat()).into_owned();
        assert!(found.contains(&format!("{} is the first new commit", commits[5])), "{found}");
        assert_eq!(git(&project, &["rev-parse", "HEAD"]), commits[7], "the bisection is over");
    }
}

#[test]
fn branches_merge_without_conflict() {
    requires!(Git);
    let project = Project::new(facts_only);
    fs::create_dir_all(project.path("reports")).unwrap();
    let run = ["run", "scenarios/default.toml", "--gate", "--quiet", "--accept-new"];
    project.expect(Exit::Ok, &run);
    // The default .gitignore of these tests leaves all reports out.
    git(&project, &["init", "--quiet"]);
    project.write(".gitignore", "/reports/default/\n");
    commit(&project);
    let base = fs::read_to_string(project.path(FILE)).unwrap();
    for (branch, number) in [("one", 1), ("two", 2)] {
        git(&project, &["checkout", "--quiet", "-b", branch, "main"]);
        project.write(FILE, &format!("{base}{}\n", line(number, "00", 1000.0)));
        commit(&project);
    }
    git(&project, &["merge", "--quiet", "--no-edit", "one"]);
    let merged = project.expect(Exit::Ok, &["history", "default", "--json"]);
    let merged: Vec<Value> = serde_json::from_str(&merged).unwrap();
    assert_eq!(merged.len(), 3);
}

#[test]
fn broken_history_is_named_and_untouched() {
    let project = Project::new(facts_only);
    let broken = format!("{}\n{}", line(1, "00", 1000.0), &line(2, "00", 1000.0)[..60]);
    project.write(FILE, &broken);
    let output = project.run(&["history", "default"]);
    assert_exit(&output, Exit::BadScenario);
    assert!(
        text(&output).contains("reports/history/default.jsonl:2: not a session: EOF while parsing"),
        "{}",
        text(&output)
    );
    // The report and the exit code of a run do not depend on it, and its snapshots stay pending.
    project.expect(Exit::Ok, &["run", "scenarios/default.toml", "--quiet"]);
    let refused = project.run(&["snapshot", "accept"]);
    assert_exit(&refused, Exit::CouldNotRun);
    assert!(text(&refused).contains("default.jsonl:2: not a session"), "{}", text(&refused));
    assert!(project.path("reports/snapshots/default.snap.new").exists());
    assert_eq!(fs::read_to_string(project.path(FILE)).unwrap(), broken);
}
