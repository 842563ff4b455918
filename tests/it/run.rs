//! `lab run` as a user runs it: outcomes, exit codes, files.

use std::fs;
use std::process::Stdio;

use lab::exit::Exit;

use crate::support::{Project, assert_exit, replaced, short, text};

/// The record that `latest` leads to.
fn latest(project: &Project) -> serde_json::Value {
    let text = fs::read_to_string(project.path("reports/default/latest/record.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn snapshot_is_new_then_same_then_changed() {
    let project = Project::new(short);

    let first = project.run(&["run", "scenarios/default.toml"]);
    assert_exit(&first, Exit::Ok);
    assert!(text(&first).contains("no snapshot is committed yet"), "{}", text(&first));
    assert!(project.path("reports/snapshots/default.snap.new").exists());
    let strict = project.run(&["run", "scenarios/default.toml", "--gate", "--strict"]);
    assert_exit(&strict, Exit::Inconclusive);

    let accepted = project.run(&["snapshot", "accept"]);
    assert_eq!(text(&accepted), "accepted default\naccepted default.ratios\n");
    let second = project.run(&["run", "scenarios/default.toml", "--gate"]);
    assert_exit(&second, Exit::Ok);
    assert!(text(&second).contains("exact facts: as in the snapshot"), "{}", text(&second));
    assert!(!project.path("reports/snapshots/default.snap.new").exists());

    let record = latest(&project);
    assert_eq!(record["schema"], 2);
    assert_eq!(record["gate"]["facts"], "same");
    let rounds = record["rounds"].as_array().unwrap();
    assert!(rounds.len() >= 2, "a block with an invalid round is repeated");
    for round in rounds {
        assert!(round["ok"].as_u64().unwrap() > 100, "{round}");
        assert_eq!(round["failed"], serde_json::json!({}), "{round}");
        let parts = round["components"].as_array().unwrap();
        assert_eq!(parts.len(), if round["stack"] == "proxied" { 2 } else { 1 });
        for part in parts {
            assert!(part["cpu_us"].as_u64().unwrap() > 10_000, "{part}");
            assert!(part["peak_rss_bytes"].as_u64().unwrap() > 1_000_000, "{part}");
            assert!(part["peak_pss_bytes"].as_u64().is_none_or(|pss| pss > 100_000), "{part}");
            let at_rest = &part["at_rest"];
            assert!(at_rest["rss_bytes"].as_u64().unwrap() > 1_000_000, "{part}");
            // Proportional sizes also change with what others share; resident ones do not shrink within a second.
            assert!(at_rest["rss_bytes"].as_u64() <= part["peak_rss_bytes"].as_u64(), "{part}");
            assert_eq!(at_rest["pss_bytes"].is_null(), part["peak_pss_bytes"].is_null(), "{part}");
            assert!(part["peak_open_fds"].as_u64().unwrap() > 10, "{part}");
            assert!(part["peak_threads"].as_u64().unwrap() >= 2, "{part}");
            assert!(part["peak_connections"].as_u64().is_none_or(|connections| connections >= 16), "{part}");
            assert!(part["accept_queue_drops"].as_u64().is_none_or(|drops| drops == 0), "{part}");
            let curve = part["curve"].as_array().unwrap();
            assert!(curve.len() >= 3, "{part}");
            assert!(curve.iter().map(|level| level["at_us"].as_u64().unwrap()).is_sorted(), "{part}");
        }
    }

    let scenario = fs::read_to_string(project.path("scenarios/default.toml")).unwrap();
    let changed = replaced(
        &scenario,
        "X-Real-IP = \"{client}\" }\n\n[[check]]\nname    = \"a forged scheme",
        "X-Real-IP = \"203.0.113.9\" }\n\n[[check]]\nname    = \"a forged scheme",
    );
    fs::write(project.path("scenarios/changed.toml"), changed).unwrap();
    let failed = project.run(&["run", "scenarios/changed.toml"]);
    assert_exit(&failed, Exit::Failed);
    let said = text(&failed);
    let diff = "FAIL proxied: a forged X-Real-IP is replaced  GET /headers
  upstream.headers.X-Real-IP
    - expected  \"203.0.113.9\"
    + observed  \"127.0.0.1\"
";
    assert!(said.contains(diff), "{said}");
}

#[test]
fn changed_fact_fails_only_the_gate() {
    let project = Project::new(short);
    project.run(&["run", "scenarios/default.toml", "--quiet"]);
    project.run(&["snapshot", "accept"]);
    let conf = project.path("fixtures/nginx/corrected.conf");
    let text_before = fs::read_to_string(&conf).unwrap();
    let marked = text_before.replacen(
        "proxy_set_header X-Real-IP",
        "proxy_set_header X-New yes;\n proxy_set_header X-Real-IP",
        1,
    );
    assert_ne!(marked, text_before);
    fs::write(&conf, marked).unwrap();

    let ungated = project.run(&["run", "scenarios/default.toml"]);
    assert_exit(&ungated, Exit::Ok);
    assert!(text(&ungated).contains("+   > X-New: yes"), "{}", text(&ungated));
    let gated = project.run(&["run", "scenarios/default.toml", "--gate"]);
    assert_exit(&gated, Exit::Failed);

    let review = project.run(&["snapshot", "review", "default"]);
    assert!(text(&review).contains("+   > X-New: yes"), "{}", text(&review));
    assert_eq!(text(&project.run(&["snapshot", "reject", "default"])), "rejected default\n");
    assert!(!project.path("reports/snapshots/default.snap.new").exists());
}

#[test]
fn json_output_is_the_record() {
    let project = Project::new(short);
    let output = project.run(&["run", "scenarios/default.toml", "--json", "--only", "direct"]);
    assert_exit(&output, Exit::Ok);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, latest(&project));
    assert_eq!(printed["gate"]["facts"], "not-compared");
}

#[test]
fn check_drives_no_load() {
    let project = Project::new(str::to_owned);
    let output = project.run(&["check", "scenarios/default.toml"]);
    assert_exit(&output, Exit::Ok);
    assert_eq!(latest(&project)["rounds"], serde_json::json!([]));
}

#[test]
fn errors_have_their_documented_exit_codes() {
    let project = Project::new(|scenario| replaced(scenario, "users    = 16", "users    = 0"));
    let cases: [(&[&str], i32, &str); 9] = [
        (&["run", "scenarios/default.toml"], 2, "scenarios/default.toml:"),
        (&["run", "scenarios/none.toml"], 2, "scenarios/none.toml"),
        (&["list"], 2, "is wrong"),
        (&["list", "nowhere"], 1, "cannot list nowhere"),
        (&["list", "fixtures"], 0, "no scenario (*.toml) in fixtures"),
        (&["run", "x.toml", "--rounds", "10001"], 1, "10001"),
        (&["run"], 1, "required"),
        (&["fly"], 1, "unrecognized subcommand"),
        (&["--help"], 0, "Exit codes:"),
    ];
    for (arguments, code, said) in cases {
        let output = project.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(said), "{arguments:?}: {}", text(&output));
    }
    assert!(!project.path("reports").exists(), "nothing is started for a wrong scenario");
}

#[test]
fn other_subcommands_succeed() {
    let project = Project::new(str::to_owned);
    let cases: [(&[&str], &str); 6] = [
        (&["list"], "scenarios/default.toml"),
        (&["list", "scenarios/default.toml"], "a forged address is not trusted"),
        (&["explain", "scenarios/default.toml"], "proxied"),
        (&["schema"], "\"$schema\""),
        (&["doctor"], "loopback ports"),
        (&["completions", "bash"], "_lab()"),
    ];
    for (arguments, said) in cases {
        let output = project.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(said), "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn closed_pipe_is_no_error() {
    let project = Project::new(str::to_owned);
    for arguments in [&["completions", "bash"][..], &["schema"], &["explain", "scenarios/default.toml"]] {
        let mut lab = project.lab(arguments);
        let mut lab = lab.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Closed before lab has written its last byte, or its first.
        drop(lab.stdout.take());
        let output = lab.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output)), (Some(0), String::new()), "{arguments:?}");
    }
}

/// Once it was exit code 0, and with `--quiet` not a word.
#[test]
fn load_answered_with_errors_fails() {
    let project = Project::new(|scenario| replaced(&short(scenario), "\"/pong\"\nusers", "\"/status/503\"\nusers"));
    for arguments in [&["run", "scenarios/default.toml", "--quiet"][..], &["run", "scenarios/default.toml", "--gate"]] {
        let output = project.run(arguments);
        let said = text(&output);
        assert_exit(&output, Exit::Failed);
        assert!(said.contains("status-5xx") && said.contains("errors under load"), "{said}");
        assert!(said.contains("2 stacks without a valid round"), "{said}");
    }
}

#[test]
fn unreadable_snapshot_is_reported_before_the_start() {
    let project = Project::new(short);
    fs::create_dir_all(project.path("reports/snapshots")).unwrap();
    for name in ["default", "default.ratios"] {
        let file = project.path(&format!("reports/snapshots/{name}.snap"));
        fs::write(&file, "---\nsource: x\n---\nloads = 1\n").unwrap();
        if name == "default" {
            fs::write(&file, "not a snapshot").unwrap();
        }
        let output = project.run(&["run", "scenarios/default.toml"]);
        assert_exit(&output, Exit::CouldNotRun);
        assert!(text(&output).contains(&format!("{name}.snap")), "{}", text(&output));
        assert!(!text(&output).contains("round 1"), "{}", text(&output));
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn unwritable_snapshot_keeps_record_and_report() {
    let project = Project::new(short);
    fs::create_dir_all(project.path("reports/snapshots/default.snap.new/x")).unwrap();
    let output = project.run(&["run", "scenarios/default.toml"]);
    assert_exit(&output, Exit::CouldNotRun);
    assert!(text(&output).contains("Is it right?"), "{}", text(&output));
    assert!(text(&output).contains("compare the exact facts"), "{}", text(&output));
    assert!(latest(&project)["rounds"].as_array().unwrap().len() >= 2, "a block with an invalid round is repeated");
}
