//! A session as a person has it, for a Flask, a Django and a FastAPI site: from `lab init` to a gate of facts and figures that is
//! green in two fresh clones and red for a planted fault. No file of the person's is edited but for the fault, and none of lab's
//! is used. What `lab init` writes is kept, but for the time that its load takes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lab::exit::Exit;

use super::init::{files, site};
use crate::support::{Project, replaced, requires};

/// The longest time that a session may take.
const MAX_TIME: Duration = Duration::from_secs(600);

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

/// The gateway of `lab serve` is compiled as the tests are, and the result is kept.
fn with_gateway(project: Project) -> Project {
    project
        .with_variable("MATURIN_PEP517_ARGS", "--profile dev")
        .with_variable("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-wsgi"))
}

fn clone_of(project: &Project) -> Project {
    let clone = with_gateway(Project::empty().with_shared_cache());
    git(&clone.path("."), &["clone", "--quiet", project.path(".").to_str().unwrap(), "."]);
    clone
}

/// The scenario with rounds of a second, of the original and of one twin. Machines that test are busy with other things, so the
/// margins are wide.
fn shortened(scenario: &str, twin: &str) -> String {
    let load = format!("[[load]]\nstacks = [\"original\", \"{twin}\"]\n");
    let scenario = replaced(scenario, "[[load]]\n", &load);
    let scenario = replaced(&scenario, "\"5s\"", "\"1s\"");
    let scenario = replaced(&scenario, "warmup = \"1s\"", "warmup = \"0s\"");
    replaced(&scenario, "\"15%\"", "\"60%\"")
}

#[track_caller]
fn record(name: &str, twin: &str, fault: &Fault) {
    let start = Instant::now();
    let project = with_gateway(site(name));
    let own = files(&project);
    git(&project.path("."), &["init", "--quiet"]);
    git(&project.path("."), &["add", "--all"]);
    git(&project.path("."), &["commit", "--quiet", "--message", "The site"]);
    project.expect(Exit::Ok, &["init", "--yes"]);
    let scenario = fs::read_to_string(project.path("lab.toml")).unwrap();
    project.write("lab.toml", &shortened(&scenario, twin));
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
        assert!(printed.contains("How fast is it under page?"), "{printed}");
        assert!(!printed.contains("original was not measured"), "{printed}");
        assert_eq!(files(clone), own, "no file of the person's has changed in a clone");
    }
    let [clone, _] = clones;
    let text = fs::read_to_string(clone.path(fault.file)).unwrap();
    clone.write(fault.file, &replaced(&text, fault.old, fault.new));
    let printed = clone.expect(Exit::Failed, &["run", "lab.toml", "--gate"]);
    assert!(printed.contains(fault.shown), "{:?} is not in\n{printed}", fault.shown);
    clone.write(fault.file, &text);
    assert_eq!(files(&clone), own, "no file of the person's has changed but for the fault");
    assert_eq!(files(&project), own, "no file of the person's has changed");
    let taken = start.elapsed();
    assert!(taken < MAX_TIME, "the session took {} s of at most {} s", taken.as_secs(), MAX_TIME.as_secs());
}

#[test]
fn flask_site_has_a_gate_from_its_files() {
    requires!(Python, Nginx);
    // The second value from the right is the client's own.
    record(
        "flask",
        "lab",
        &Fault { file: "shop/__init__.py", old: "x_for=1", new: "x_for=2", shown: "app.remote_addr" },
    );
}

#[test]
fn django_site_has_a_gate_from_its_files() {
    requires!(Python, Nginx);
    record(
        "django",
        "lab",
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
    // lab serve hosts no ASGI application.
    record(
        "fastapi",
        "lab-proxy",
        &Fault {
            file: "nginx/default.conf",
            old: "X-Forwarded-For $remote_addr",
            new: "X-Forwarded-For $proxy_add_x_forwarded_for",
            shown: "app.remote_addr",
        },
    );
}
