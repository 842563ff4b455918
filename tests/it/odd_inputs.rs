//! Odd inputs: each gets a clear message at once, and none costs a record.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use lab::exit::Exit;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Project, assert_exit, text};

/// A name that is not UTF-8.
const ODD: &[u8] = b"s\xff";

/// Far more than any of these takes, even on a busy machine, and far less than each took before its fix.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Runs a command to its end, which must come at once.
#[track_caller]
fn at_once(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (ended, output) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    let output = output.recv_timeout(AT_ONCE).unwrap_or_else(|_| {
        kill_process(pid, Signal::KILL).unwrap();
        panic!("{command:?} takes longer than {} s", AT_ONCE.as_secs());
    });
    output.unwrap()
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn argument_that_is_no_text_keeps_the_record() {
    let project = Project::new(str::to_owned);
    let odd = project.path("scenarios").join(OsStr::from_bytes(b"s\xff.toml"));
    fs::copy(project.path("scenarios/default.toml"), &odd).unwrap();
    let output = project.lab(&["check"]).arg(&odd).output().unwrap();
    assert_exit(&output, Exit::Ok);
    let record = fs::read_to_string(project.path("reports/default/latest/record.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["provenance"]["file"], "scenarios/s\u{fffd}.toml");
    assert!(record["provenance"]["command"][2].as_str().unwrap().ends_with("s\u{fffd}.toml"), "{record}");
}

#[test]
fn folder_that_is_no_text_is_refused() {
    let project = Project::new(str::to_owned);
    let odd = project.path("").join(OsStr::from_bytes(ODD));
    fs::create_dir_all(odd.join("scenarios")).unwrap();
    fs::copy(project.path("scenarios/default.toml"), odd.join("scenarios/default.toml")).unwrap();
    for subcommand in ["run", "check", "explain"] {
        let output = at_once(project.lab(&[subcommand, "scenarios/default.toml"]).current_dir(&odd));
        assert_exit(&output, Exit::BadScenario);
        assert!(text(&output).contains("is not UTF-8; accepted: a folder whose path is text"), "{}", text(&output));
    }
    let output = at_once(project.lab(&["check", "scenarios/default.toml", "--cache"]).arg(&odd));
    assert_exit(&output, Exit::CouldNotRun);
    assert!(text(&output).contains("(--cache)"), "{}", text(&output));
}

#[test]
fn environment_that_is_no_text_is_harmless() {
    let project = Project::new(str::to_owned);
    let mut lab = project.lab(&["check", "scenarios/default.toml"]);
    let output = lab.env(OsStr::from_bytes(ODD), OsStr::from_bytes(ODD)).output().unwrap();
    assert_exit(&output, Exit::Ok);
}

#[test]
fn home_is_not_needed() {
    let project = Project::new(str::to_owned);
    for home in [None, Some("")] {
        let mut lab = project.lab(&["check", "scenarios/default.toml"]);
        lab.env_remove("HOME").env_remove("XDG_CACHE_HOME").env_remove("LAB_CACHE");
        if let Some(home) = home {
            lab.env("HOME", home);
        }
        assert_exit(&lab.output().unwrap(), Exit::Ok);
        assert!(!project.path(".cache").exists(), "an empty HOME is no folder");
    }
}

#[test]
fn files_without_an_end_are_refused() {
    let project = Project::new(str::to_owned);
    pipe(&project.path("scenarios/pipe.toml"));
    pipe(&project.path("record.json"));
    let listed = at_once(&mut project.lab(&["list"]));
    assert_exit(&listed, Exit::BadScenario);
    assert!(text(&listed).contains("scenarios/pipe.toml  is invalid"), "{}", text(&listed));
    assert!(text(&listed).contains("scenarios/default.toml"), "the others are listed: {}", text(&listed));
    for (arguments, said) in [
        (["explain", "/dev/zero"], "it is not a regular file"),
        (["run", "scenarios/pipe.toml"], "it is not a regular file"),
        (["report", "record.json"], "it is not a regular file"),
        (["report", "/dev/zero"], "it is not a regular file"),
        (["explain", "scenarios"], "Is a directory"),
        (["lint", "/dev/zero"], "a configuration may have 64 MiB"),
    ] {
        let output = at_once(&mut project.lab(&arguments));
        assert_exit(&output, Exit::BadScenario);
        assert!(text(&output).contains(said), "{arguments:?}: {}", text(&output));
    }
}

/// It took minutes: each message went through the whole file.
#[test]
fn many_problems_are_counted() {
    let project = Project::new(|scenario| {
        let mut keys = String::new();
        for key in 0..100_000 {
            writeln!(keys, "key_{key} = {key}").unwrap();
        }
        keys + scenario
    });
    let output = at_once(&mut project.lab(&["explain", "scenarios/default.toml"]));
    assert_exit(&output, Exit::BadScenario);
    let said = text(&output);
    assert!(said.contains("unknown key `key_0` in the scenario\n --> scenarios/default.toml:1:1"), "{said}");
    assert!(said.contains("scenarios/default.toml: 99950 problems more"), "{said}");
}

#[test]
fn comments_of_a_configuration_have_any_encoding() {
    let project = Project::new(str::to_owned);
    let file = project.path("fixtures/nginx/corrected.conf");
    let text_before = fs::read(&file).unwrap();
    fs::write(&file, [b"# caf\xe9\n", &*text_before].concat()).unwrap();
    assert_exit(&project.lab(&["lint", "fixtures/nginx/corrected.conf"]).output().unwrap(), Exit::Ok);
    assert_exit(&project.lab(&["check", "scenarios/default.toml", "--only", "proxied"]).output().unwrap(), Exit::Ok);
    fs::write(&file, [&*text_before, b"# a\ncaf\xe9;\n"].concat()).unwrap();
    let output = at_once(&mut project.lab(&["check", "scenarios/default.toml", "--only", "proxied"]));
    assert_exit(&output, Exit::BadScenario);
    let line = text_before.iter().filter(|byte| **byte == b'\n').count() + 2;
    let message = format!("it is not UTF-8: line {line} has other bytes outside a comment");
    assert!(text(&output).contains(&message), "{}", text(&output));
}
