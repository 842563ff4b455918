//! A session as a person has it, for a Flask, a Django and a FastAPI site: from `lab init` to a gate that is green in two fresh
//! clones and red for a planted fault. No file of the person's is edited but for the fault, and none of lab's is used.

use std::fs;
use std::path::Path;
use std::process::Command;

use lab::exit::Exit;

use super::init::site;
use crate::support::{Project, replaced, requires};

/// A mistake in one of the person's files: its path, what it replaces, and with what.
struct Fault {
    file: &'static str,
    old: &'static str,
    new: &'static str,
    /// What the gate says of it.
    shown: &'static str,
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a person", "-c", "user.email=person@example.org", "-c", "init.defaultBranch=main"]);
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn clone_of(project: &Project) -> Project {
    let clone = Project::empty().with_shared_cache();
    git(&clone.path("."), &["clone", "--quiet", project.path(".").to_str().unwrap(), "."]);
    clone
}

/// The scenario without loads, and without the stacks on `lab serve`, whose gateway takes minutes to build.
fn shortened(scenario: &str) -> String {
    let (facts, _) = scenario.split_once("# --- How fast is it?").unwrap();
    let (stacks, checks) = facts.split_once("# --- Is it right?").unwrap();
    let (kept, _) = stacks.split_once("[[stack]]\nname      = \"lab-serve\"").unwrap_or((stacks, ""));
    format!("{kept}\n{checks}\n[gate]\n")
}

#[track_caller]
fn record(name: &str, fault: &Fault) {
    let project = site(name);
    git(&project.path("."), &["init", "--quiet"]);
    git(&project.path("."), &["add", "--all"]);
    git(&project.path("."), &["commit", "--quiet", "--message", "The site"]);
    project.expect(Exit::Ok, &["init", "--yes"]);
    let scenario = fs::read_to_string(project.path("lab.toml")).unwrap();
    project.write("lab.toml", &shortened(&scenario));
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    project.expect(Exit::Ok, &["run", "lab.toml", "--gate", "--accept-new"]);
    let snapshots = "reports/snapshots";
    let written: &[&str] = match project.path("lab-nginx.conf").exists() {
        true => &["lab.toml", "lab-nginx.conf", snapshots],
        false => &["lab.toml", snapshots],
    };
    git(&project.path("."), &[&["add"], written].concat());
    git(&project.path("."), &["commit", "--quiet", "--message", "Check the site with lab"]);
    let clones = [clone_of(&project), clone_of(&project)];
    for clone in &clones {
        let printed = clone.expect(Exit::Ok, &["run", "lab.toml", "--gate"]);
        assert!(printed.contains("original"), "{printed}");
    }
    let [clone, _] = clones;
    let text = fs::read_to_string(clone.path(fault.file)).unwrap();
    clone.write(fault.file, &replaced(&text, fault.old, fault.new));
    let printed = clone.expect(Exit::Failed, &["run", "lab.toml", "--gate"]);
    assert!(printed.contains(fault.shown), "{:?} is not in\n{printed}", fault.shown);
}

#[test]
fn flask_site_has_a_gate_from_its_files() {
    requires!(Python, Nginx);
    // The second value from the right is the client's own.
    record("flask", &Fault { file: "shop/__init__.py", old: "x_for=1", new: "x_for=2", shown: "app.remote_addr" });
}

#[test]
fn django_site_has_a_gate_from_its_files() {
    requires!(Python, Nginx);
    record(
        "django",
        &Fault {
            file: "deploy/sites-enabled/library",
            old: "        proxy_set_header Host $host;\n",
            new: "",
            shown: "status",
        },
    );
}

#[test]
fn fastapi_site_has_a_gate_from_its_files() {
    requires!(Python, Nginx);
    // uvicorn, which trusts everybody here, takes the first value, which is the client's own.
    record(
        "fastapi",
        &Fault {
            file: "nginx/default.conf",
            old: "X-Forwarded-For $remote_addr",
            new: "X-Forwarded-For $proxy_add_x_forwarded_for",
            shown: "app.remote_addr",
        },
    );
}
