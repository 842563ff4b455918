//! `lab run` as a user runs it: outcomes, exit codes, files.

use std::fs;
use std::process::Stdio;

use lab::exit::Exit;
use quick_junit::{Report, TestCaseStatus};

use crate::support::{Project, assert_exit, facts_only, replaced, short, text};

/// The record that `latest` leads to.
fn latest(project: &Project) -> serde_json::Value {
    let text = fs::read_to_string(project.path("reports/default/latest/record.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The cases in `junit.xml` that are failures or errors, each as suite, name and message. Their descriptions must contain
/// `parts`.
fn failed_cases(project: &Project, parts: &[&str]) -> Vec<String> {
    let xml = fs::read_to_string(project.path("junit.xml")).unwrap();
    let report = Report::deserialize_from_str(&xml).unwrap();
    assert!(report.tests > 20, "{xml}");
    let mut failed = Vec::new();
    for suite in &report.test_suites {
        for case in &suite.test_cases {
            if let TestCaseStatus::NonSuccess { message, description, .. } = &case.status {
                let [message, description] =
                    [message, description].map(|text| text.as_ref().map_or("", |text| text.as_str()));
                assert!(parts.iter().all(|part| description.contains(part)), "{xml}");
                failed.push(format!("{}: {}: {message}", suite.name.as_str(), case.name.as_str()));
            }
        }
    }
    failed
}

#[test]
fn snapshot_is_new_then_same_then_changed() {
    let project = Project::new(facts_only);

    let first = project.run(&["run", "scenarios/default.toml"]);
    assert_exit(&first, Exit::Ok);
    assert!(text(&first).contains("no snapshot is committed yet"), "{}", text(&first));
    assert!(project.path("reports/snapshots/default.snap.new").exists());
    let gated = project.run(&["run", "scenarios/default.toml", "--gate", "--quiet"]);
    assert_exit(&gated, Exit::Failed);
    assert!(text(&gated).contains("there is no reports/snapshots/default.snap\n"), "{}", text(&gated));
    assert!(!project.path("reports/snapshots/default.ratios.snap.new").exists(), "nothing would compare with them");

    let accepted = project.run(&["snapshot", "accept"]);
    let accepted = text(&accepted);
    assert!(accepted.starts_with("accepted default: exact facts\nrecorded run "), "{accepted}");
    let second = project.run(&["run", "scenarios/default.toml", "--gate"]);
    assert_exit(&second, Exit::Ok);
    assert!(text(&second).contains("exact facts: the same as in the snapshot"), "{}", text(&second));
    assert!(!project.path("reports/snapshots/default.snap.new").exists());

    let record = latest(&project);
    assert_eq!(record["schema"], 2);
    assert_eq!(record["gate"]["facts"], "same");
    let rounds = record["rounds"].as_array().unwrap();
    assert!(rounds.len() >= 2, "a block with an invalid round is repeated");
    for round in rounds {
        assert!(round["ok"].as_u64().unwrap() > 20, "{round}");
        assert_eq!(round["failed"], serde_json::json!({}), "{round}");
        let parts = round["components"].as_array().unwrap();
        assert_eq!(parts.len(), if round["stack"] == "proxied" { 2 } else { 1 });
        for part in parts {
            assert!(part["cpu_us"].as_u64().unwrap() > 10_000, "{part}");
            assert!(part["peak_rss_bytes"].as_u64().unwrap() > 1_000_000, "{part}");
            assert!(part["peak_pss_bytes"].as_u64().is_none_or(|pss| pss > 100_000), "{part}");
            let at_rest = &part["at_rest"];
            assert!(at_rest["rss_bytes"].as_u64().unwrap() > 1_000_000, "{part}");
            // Proportional sizes also depend on sharing processes; resident ones do not shrink within a second.
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
    let failed = project.run(&["run", "scenarios/changed.toml", "--junit", "junit.xml"]);
    assert_exit(&failed, Exit::Failed);
    let difference = ["- expected  \"203.0.113.9\"", "+ observed  \"127.0.0.2\""];
    assert_eq!(
        failed_cases(&project, &difference),
        ["checks of proxied: a forged X-Real-IP is replaced: GET /headers: upstream.headers.X-Real-IP"]
    );
    let printed = text(&failed);
    let diff = "FAIL proxied: a forged X-Real-IP is replaced  GET /headers
  upstream.headers.X-Real-IP
    - expected  \"203.0.113.9\"
    + observed  \"127.0.0.2\"
";
    assert!(printed.contains(diff), "{printed}");
}

#[test]
fn first_gate_may_commit_its_snapshot() {
    let project = Project::new(|scenario| replaced(&short(scenario), "count  = 1 ", "count  = 7 "));
    let first = project.expect(Exit::Ok, &["run", "scenarios/default.toml", "--gate", "--accept-new"]);
    assert!(first.contains("committed reports/snapshots/default.snap as the snapshot"), "{first}");
    assert!(project.path("reports/snapshots/default.ratios.snap").exists());
    assert!(!project.path("reports/snapshots/default.snap.new").exists());
    assert_eq!(latest(&project)["gate"]["accepted_snapshots"].as_array().unwrap().len(), 2);

    // A gate that compares with nothing must not pass, whichever of the two is missing.
    fs::remove_file(project.path("reports/snapshots/default.ratios.snap")).unwrap();
    let without = project.expect(Exit::Failed, &["run", "scenarios/default.toml", "--gate", "--quiet"]);
    assert!(without.contains("there is no reports/snapshots/default.ratios.snap"), "{without}");
    for part in [["--only", "direct"], ["--skip", "direct"], ["--backend", "process"]] {
        let partly = project.run(&[&["run", "scenarios/default.toml", "--gate"][..], &part].concat());
        assert_exit(&partly, Exit::Usage);
    }
}

#[test]
fn ratios_from_one_block_are_not_accepted() {
    let project = Project::new(short);
    let refused = project.expect(Exit::Failed, &["run", "scenarios/default.toml", "--gate", "--accept-new"]);
    let reason = "throughput of proxied under pingpong is from 1 pair of valid rounds, and a comparison takes 7";
    assert!(refused.contains(&format!("lab: nothing is committed: {reason}")), "{refused}");
    let accepted = project.expect(Exit::CouldNotRun, &["snapshot", "accept"]);
    assert!(accepted.contains("the snapshot `default.ratios` is refused: ") && accepted.contains(reason), "{accepted}");
    for name in ["default", "default.ratios"] {
        assert!(!project.path(&format!("reports/snapshots/{name}.snap")).exists(), "{name}");
        assert!(project.path(&format!("reports/snapshots/{name}.snap.new")).exists(), "{name}");
    }
}

#[test]
fn failed_run_is_not_accepted() {
    let project = Project::new(|scenario| replaced(&short(scenario), "\"/pong\"\nusers", "\"/status/503\"\nusers"));
    project.expect(Exit::Failed, &["run", "scenarios/default.toml", "--gate", "--accept-new", "--quiet"]);
    assert!(!project.path("reports/snapshots/default.snap").exists());
    assert!(project.path("reports/snapshots/default.snap.new").exists());
}

#[test]
fn changed_fact_fails_only_the_gate() {
    let project = Project::new(facts_only);
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

    let ungated = project.run(&["run", "scenarios/default.toml", "--junit", "junit.xml"]);
    assert_exit(&ungated, Exit::Ok);
    assert_eq!(failed_cases(&project, &[]), [""; 0]);
    assert!(text(&ungated).contains("+   > X-New: yes"), "{}", text(&ungated));
    let gated = project.run(&["run", "scenarios/default.toml", "--gate", "--junit", "junit.xml"]);
    assert_exit(&gated, Exit::Failed);
    assert_eq!(failed_cases(&project, &["+   > X-New: yes"]), ["gate: exact facts: different from the snapshot"]);

    let review = project.run(&["snapshot", "diff", "default"]);
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
        (&["list"], 2, "is invalid"),
        (&["list", "nowhere"], 1, "cannot list nowhere"),
        (&["list", "fixtures"], 0, "no scenario (*.toml) in fixtures"),
        (&["run", "x.toml", "--rounds", "10001"], 1, "10001"),
        (&["run"], 1, "required"),
        (&["fly"], 1, "unrecognized subcommand"),
        (&["--help"], 0, "Exit codes:"),
    ];
    for (arguments, code, message) in cases {
        let output = project.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(message), "{arguments:?}: {}", text(&output));
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
    for (arguments, message) in cases {
        let output = project.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(message), "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn completions_and_manual_are_installed() {
    let project = Project::empty();
    for (shell, file) in [
        ("bash", ".local/share/bash-completion/completions/lab"),
        ("zsh", ".local/share/zsh/site-functions/_lab"),
        ("fish", ".config/fish/completions/lab.fish"),
    ] {
        let mut lab = project.lab(&["completions", "--install"]);
        lab.env("HOME", project.path("")).env("SHELL", format!("/bin/{shell}"));
        let output = lab.env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME").output().unwrap();
        assert_exit(&output, Exit::Ok);
        let script = fs::read_to_string(project.path(file)).unwrap_or_else(|_| panic!("{}", text(&output)));
        assert!(script.contains("lab"), "{shell}");
    }
    for (page, words) in [("lab.1", "Write a scenario for the deployment"), ("lab-run.1", "\\-\\-watch")] {
        let manual = fs::read_to_string(project.path(&format!(".local/share/man/man1/{page}"))).unwrap();
        assert!(manual.contains(words), "{page}\n{manual}");
    }
    let mut unknown = project.lab(&["completions"]);
    let output = unknown.env("SHELL", "/bin/tcsh").output().unwrap();
    assert_exit(&output, Exit::Usage);
    assert!(text(&output).contains("lab completions bash|elvish|fish|powershell|zsh"), "{}", text(&output));
}

#[test]
fn lab_alone_names_the_first_command() {
    let project = Project::new(str::to_owned);
    let output = project.run(&[]);
    assert_exit(&output, Exit::Usage);
    let last = text(&output);
    assert!(last.contains("Usage: lab") && last.contains("`lab run scenarios/default.toml` runs one."), "{last}");
    let output = project.run(&["ci"]);
    assert!(!text(&output).contains("runs one."), "{}", text(&output));
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

/// It used to be exit code 0, and with `--quiet` no message.
#[test]
fn load_answered_with_errors_fails() {
    let project = Project::new(|scenario| replaced(&short(scenario), "\"/pong\"\nusers", "\"/status/503\"\nusers"));
    for arguments in [&["run", "scenarios/default.toml", "--quiet"][..], &["run", "scenarios/default.toml", "--gate"]] {
        let output = project.run(arguments);
        let printed = text(&output);
        assert_exit(&output, Exit::Failed);
        assert!(printed.contains("status-5xx") && printed.contains("errors under load"), "{printed}");
        assert!(printed.contains("2 stacks without a valid round"), "{printed}");
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
