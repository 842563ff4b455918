//! Revisions, folders and scenarios that are not there, and what a comparison leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use lab::exit::Exit;
use rustix::process::{Pid, Signal, kill_process};

use super::repository::{assert_no_worktree, commit, git};
use super::shop::edit;
use crate::support::{Project, assert_exit, requires, text, wait_until};

const CONFIGURATION: &str = "http {\n    server {\n        listen 80;\n        add_header X-Edge one;\n        \
                             location / { proxy_pass http://app; }\n    }\n    upstream app { server 127.0.0.1:8000; }\n}\n\
                             events { }\n";

/// Two stacks of lab's own, of which the edge has a configuration.
const SCENARIO: &str = r#"
schema = 1
name   = "edge"

[app]
native = "hello"

[[stack]]
name   = "edge"
proxy  = { kind = "lab", config = "deploy/nginx.conf" }
server = { kind = "lab" }

[[stack]]
name   = "direct"
server = { kind = "lab" }

[[check]]
name    = "it responds"
request = { path = "/pong" }
expect.status = 200
"#;

const LOAD: &str = "\n[[load]]\nname = \"pong\"\npath = \"/pong\"\ndriver = \"closed\"\nconnections = 1\n\
                    duration = \"1s\"\n\n[rounds]\ncount = 2\nwarmup = \"0s\"\n";

fn project(scenario: &str) -> Project {
    Project::new(str::to_owned).with_file("deploy/nginx.conf", CONFIGURATION).with_scenario("edge", scenario)
}

fn edge() -> Project {
    let project = project(SCENARIO);
    commit(&project);
    project
}

const CHANGED: &str = "headers.X-Edge of `edge` (two; was one)";

#[test]
fn configuration_of_the_revision_is_run() {
    requires!(Git);
    let project = edge();
    edit(&project, "deploy/nginx.conf", "X-Edge one", "X-Edge two");
    let red = project.expect(Exit::Failed, &["compare", "HEAD", "scenarios/edge.toml", "--gate"]);
    assert!(red.contains(&format!("the same but for {CHANGED}")), "{red}");
    assert!(red.contains("No difference in any check\n  direct\n"), "{red}");

    // What a stack is made from includes its row in the scenario.
    git(&project, &["checkout", "--quiet", "deploy/nginx.conf"]);
    edit(&project, "scenarios/edge.toml", "proxy  = { kind = \"lab\", config = \"deploy/nginx.conf\" }\n", "");
    let red = project.expect(Exit::Failed, &["compare", "HEAD", "scenarios/edge.toml", "--gate"]);
    assert!(red.contains("headers.X-Edge of `edge` (gone; was one)"), "{red}");
    let only = ["compare", "HEAD", "scenarios/edge.toml", "--gate", "--only", "direct"];
    assert!(project.expect(Exit::Ok, &only).contains("  the same\n"));
    assert_no_worktree(&project);
}

#[test]
fn unknown_revisions_are_refused() {
    requires!(Git);
    let project = edge();
    let refused = |arguments: &[&str], why: &str| {
        let printed = project.expect(Exit::Usage, &[&["compare"], arguments].concat());
        assert!(printed.contains(why), "{printed}");
    };
    refused(&["nowhere", "scenarios/edge.toml"], "git knows no revision `nowhere`, and there is no such folder");
    refused(&["--", "-x", "scenarios/edge.toml"], "git knows no revision `-x`");
    refused(&["deploy", "scenarios/edge.toml", "--merge-base"], "`deploy` is a folder");
    git(&project, &["checkout", "--quiet", "--orphan", "other"]);
    // The same files, committed within the same second, would be the same commit.
    project.write("README.md", "another history\n");
    commit(&project);
    refused(&["main", "scenarios/edge.toml", "--merge-base"], "no common ancestor of `main` and HEAD");

    let outside = super::revisions::project(SCENARIO);
    let printed = outside.expect(Exit::Usage, &["compare", "main", "scenarios/edge.toml"]);
    assert!(printed.contains("is in no git repository"), "{printed}");
    assert_no_worktree(&project);
}

#[test]
fn folder_is_compared_without_git() {
    let project = project(SCENARIO);
    let copy = super::revisions::project(SCENARIO);
    edit(&project, "deploy/nginx.conf", "X-Edge one", "X-Edge two");
    let folder = copy.path("").display().to_string();
    let red = project.expect(Exit::Failed, &["compare", &folder, "scenarios/edge.toml", "--gate"]);
    assert!(red.contains(CHANGED), "{red}");
    // Neither is a program looked for that only a revision needs.
    let without_git = |version: &str| {
        let mut lab = project.lab(&["compare", version, "scenarios/edge.toml", "--gate"]);
        lab.env("PATH", project.path("scenarios")).output().unwrap()
    };
    assert_exit(&without_git(&folder), Exit::Failed);
    let output = without_git("main");
    assert_exit(&output, Exit::CouldNotRun);
    assert!(text(&output).contains("git is not installed"), "{}", text(&output));

    fs::remove_file(copy.path("deploy/nginx.conf")).unwrap();
    let gone = project.expect(Exit::BadScenario, &["compare", &folder, "scenarios/edge.toml"]);
    assert!(gone.contains("is not valid for this lab, so today's scenario was tried"), "{gone}");
    assert!(gone.contains("no such file: `deploy/nginx.conf`"), "{gone}");
}

#[test]
fn both_versions_run_in_containers() {
    requires!(Git, Docker);
    let project = edge();
    edit(&project, "deploy/nginx.conf", "X-Edge one", "X-Edge two");
    let compare = ["compare", "HEAD", "scenarios/edge.toml", "--gate", "--backend", "container"];
    let red = project.expect(Exit::Failed, &compare);
    assert!(red.contains(&format!("the same but for {CHANGED}")), "{red}");
    let contained =
        red.lines().filter(|line| line.starts_with("  ") && line.contains("server lab") && line.contains("(container"));
    assert_eq!(contained.count(), 4, "{red}");
    assert_no_worktree(&project);
}

#[test]
fn earlier_lab_serves_the_base() {
    requires!(Git);
    let project = edge();
    let older = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'lab 0.0.9'; exit; }}\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_lab")
    );
    project.write("older-lab", &older);
    fs::set_permissions(project.path("older-lab"), fs::Permissions::from_mode(0o755)).unwrap();
    fn compare(lab: &str) -> [&str; 5] {
        ["compare", "HEAD", "scenarios/edge.toml", "--base-lab", lab]
    }
    let printed = project.expect(Exit::Ok, &compare("./older-lab"));
    assert!(printed.contains("note: lab in the earlier version is ./older-lab, version 0.0.9\n"), "{printed}");
    let line = |stack: &str| printed.lines().find(|line| line.starts_with(&format!("  {stack}  "))).unwrap().to_owned();
    assert!(line("edge@base").ends_with("proxy lab 0.0.9 → server lab 0.0.9"), "{printed}");
    assert!(line("edge").ends_with(&format!("→ server lab {}", env!("CARGO_PKG_VERSION"))), "{printed}");

    let refused = |lab: &str, why: &str| {
        let printed = project.expect(Exit::Usage, &compare(lab));
        assert!(printed.contains(why), "{printed}");
    };
    refused("/bin/echo", "--base-lab /bin/echo is no lab: `--version` prints ");
    refused("./gone", "--base-lab ./gone: No such file or directory");
    let contained = [&compare("./older-lab")[..], &["--backend", "container"]].concat();
    let printed = project.expect(Exit::Usage, &contained);
    assert!(printed.contains("needs processes, and edge runs in containers"), "{printed}");
}

#[test]
fn only_scenario_need_not_be_named() {
    requires!(Git);
    let project = edge();
    fs::remove_file(project.path("scenarios/default.toml")).unwrap();
    assert!(project.expect(Exit::Ok, &["compare", "HEAD", "--gate"]).contains("  the same\n"));
    project.write("scenarios/other.toml", SCENARIO);
    let printed = project.expect(Exit::Usage, &["compare", "HEAD", "--gate"]);
    assert!(printed.contains("name a scenario: there are scenarios/edge.toml, scenarios/other.toml"), "{printed}");
}

#[test]
fn scenario_below_the_top_is_compared() {
    requires!(Git);
    let project = Project::new(str::to_owned)
        .with_file("service/deploy/nginx.conf", CONFIGURATION)
        .with_file("service/scenarios/edge.toml", SCENARIO);
    let first = commit(&project);
    edit(&project, "service/deploy/nginx.conf", "X-Edge one", "X-Edge two");
    let arguments = ["compare", &first, "service/scenarios/edge.toml", "--gate"];
    let red = project.expect(Exit::Failed, &arguments);
    assert!(red.contains(CHANGED), "{red}");
}

#[test]
fn new_scenario_runs_earlier_files() {
    requires!(Git);
    let project = Project::new(str::to_owned).with_file("deploy/nginx.conf", CONFIGURATION);
    commit(&project);
    project.write("scenarios/edge.toml", SCENARIO);
    edit(&project, "deploy/nginx.conf", "X-Edge one", "X-Edge two");
    let red = project.expect(Exit::Failed, &["compare", "HEAD", "scenarios/edge.toml", "--gate"]);
    assert!(red.contains(CHANGED), "{red}");
    assert!(red.contains("HEAD has no scenarios/edge.toml: today's scenario is used for both versions"), "{red}");

    commit(&project);
    project.write("scenarios/edge.toml", &SCENARIO.replace("\"direct\"", "\"straight\""));
    let printed = project.expect(Exit::Ok, &["compare", "HEAD", "scenarios/edge.toml", "--gate"]);
    assert!(printed.contains("the stack straight is new: it is checked, and compared with nothing"), "{printed}");
}

#[test]
fn merge_base_leaves_out_the_other_branch() {
    requires!(Git);
    let project = edge();
    git(&project, &["checkout", "--quiet", "-b", "topic"]);
    project.write("README.md", "a topic\n");
    commit(&project);
    git(&project, &["checkout", "--quiet", "main"]);
    edit(&project, "deploy/nginx.conf", "X-Edge one", "X-Edge two");
    commit(&project);
    git(&project, &["checkout", "--quiet", "topic"]);
    project.expect(Exit::Failed, &["compare", "main", "scenarios/edge.toml", "--gate"]);
    project.expect(Exit::Ok, &["compare", "main", "scenarios/edge.toml", "--gate", "--merge-base"]);
}

#[test]
fn submodules_are_reported() {
    requires!(Git);
    let project = edge();
    let other = super::revisions::edge();
    git(&project, &["submodule", "--quiet", "add", &other.path("").display().to_string(), "vendor/other"]);
    commit(&project);
    let printed = project.expect(Exit::Ok, &["compare", "HEAD", "scenarios/edge.toml"]);
    assert!(printed.contains("submodules are not checked out") && printed.contains("vendor/other"), "{printed}");
}

#[test]
fn killed_comparison_is_cleaned_up_by_the_next() {
    requires!(Git);
    let project = project(&format!("{SCENARIO}{LOAD}"));
    commit(&project);
    let arguments = ["compare", "HEAD", "scenarios/edge.toml"];
    let start = || project.lab(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let a_round_has_ended = || {
        wait_until("a round has ended", || {
            let runs = fs::read_dir(project.path("reports/edge")).ok()?;
            let mut rounds = runs.flatten().map(|run| run.path().join("rounds.jsonl"));
            rounds.find(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0)).map(drop)
        });
    };
    let mut killed = start();
    a_round_has_ended();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(git(&project, &["worktree", "list"]).lines().count(), 2);
    fs::remove_dir_all(project.path("reports/edge")).unwrap();

    let mut interrupted = start();
    a_round_has_ended();
    kill_process(Pid::from_raw(interrupted.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert_eq!(interrupted.wait().unwrap().code(), Some(130));
    let printed = std::io::read_to_string(interrupted.stderr.take().unwrap()).unwrap();
    assert_no_worktree(&project);

    let resume = printed.split('`').find(|command| command.starts_with("lab compare")).unwrap();
    let resume: Vec<&str> = resume.split(' ').skip(1).collect();
    let run = resume.last().unwrap();
    let wrong = project.expect(Exit::Usage, &["run", "scenarios/edge.toml", "--resume", run]);
    assert!(wrong.contains("it is a comparison with ") && wrong.contains("`lab compare`"), "{wrong}");
    assert_exit(&project.run(&resume), Exit::Ok);
    assert_no_worktree(&project);
}

#[test]
fn unjudged_margins_are_refused() {
    requires!(Git);
    let one = SCENARIO.replace("[[stack]]\nname   = \"direct\"\nserver = { kind = \"lab\" }\n", "");
    let project = project(&format!("{one}{LOAD}\n[gate]\nmargins = {{ cpu_per_request = \"5%\" }}\n"));
    commit(&project);
    let refused = project.expect(Exit::BadScenario, &["run", "scenarios/edge.toml", "--gate"]);
    assert!(refused.contains("nothing can judge these margins: no load measures two stacks"), "{refused}");
    assert!(refused.contains("scenarios/edge.toml:") && refused.contains("^^^"), "{refused}");
    assert!(refused.contains("`lab compare REVISION scenarios/edge.toml` judges them"), "{refused}");
    let explained = project.expect(Exit::Ok, &["explain", "scenarios/edge.toml"]);
    assert!(explained.contains("cpu_per_request +5%: nothing judges it in `lab run`"), "{explained}");
    let compared = project.expect(Exit::Ok, &["compare", "HEAD", "scenarios/edge.toml", "--gate"]);
    assert!(compared.contains("cpu_per_request under pong of edge: inconclusive"), "{compared}");
}

#[test]
fn limits_are_judged_with_one_stack() {
    let one = SCENARIO.replace("[[stack]]\nname   = \"direct\"\nserver = { kind = \"lab\" }\n", "");
    let load = LOAD.replace("count = 2", "count = 6");
    let with = |limits: &str| project(&format!("{one}{load}\n[gate]\nlimits = {{ {limits} }}\n"));
    let within = with("p99 = \"20s\", throughput = 1, errors = 0");
    let gated = ["run", "scenarios/edge.toml", "--gate", "--accept-new"];
    let printed = within.expect(Exit::Ok, &gated);
    for line in
        ["p99 under pong of edge, at most 20.0 s: pass (", "throughput under pong of edge, at least 1/s: pass ("]
    {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(printed.contains("errors under pong of edge, at most 0: pass (0, "), "{printed}");
    let beyond = with("p50 = \"1us\"");
    let printed = beyond.expect(Exit::Failed, &gated);
    assert!(printed.contains("p50 under pong of edge, at most 1.00 µs: FAIL ("), "{printed}");
    assert!(!beyond.path("reports/snapshots/edge.snap").exists(), "a failed run is no baseline");
}
