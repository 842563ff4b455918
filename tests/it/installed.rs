//! lab as packages install it: a binary, and wheels of its Python gateway. Nothing of the source tree is used.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use lab::exit::Exit;

use crate::support::{Project, assert_exit, python_on_path, requires, text};

const APP: &str = r#"
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"#;

const SCENARIO: &str = r#"
schema = 1
name   = "installed"

[app]
wsgi = "site_app:app"
path = "."

[[stack]]
name   = "lab"
server = { kind = "lab" }

[[check]]
name    = "it responds"
request = { path = "/" }
expect.body = "hello"
"#;

/// A prefix as of a package, with the lab binary and, once they are built, its wheels.
fn prefix() -> Project {
    let project = Project::empty().with_file("site_app.py", APP).with_file("lab.toml", SCENARIO);
    fs::create_dir(project.path("bin")).unwrap();
    let binary = project.path("bin/lab");
    // A debug build is large, and often on another file system.
    if fs::hard_link(env!("CARGO_BIN_EXE_lab"), &binary).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_lab"), &binary).unwrap();
    }
    project
}

fn installed_lab(project: &Project, arguments: &[&str]) -> Command {
    let mut command = Command::new(project.path("bin/lab"));
    command.args(arguments).current_dir(project.path(".")).env("LAB_CACHE", project.path("cache"));
    command.env("NO_COLOR", "1").env_remove("LAB_KINDS");
    command
}

#[test]
fn installed_lab_needs_no_source_tree() {
    requires!(Python);
    let project = prefix();
    let wheels = project.path("share/lab/wheels");
    let mut pip = Command::new(python_on_path());
    pip.args(["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir"]).arg(&wheels);
    pip.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/lab-python"));
    // Compiled as the tests are, in their target folder.
    pip.env("MATURIN_PEP517_ARGS", "--profile dev");
    pip.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-wsgi"));
    let built = pip.env_remove("VIRTUAL_ENV").stdin(Stdio::null()).output().unwrap();
    assert!(built.status.success(), "{}", text(&built));

    assert_exit(&installed_lab(&project, &["provision", "lab.toml"]).output().unwrap(), Exit::Ok);
    let logs = fs::read_dir(project.path("cache/venvs")).unwrap().map(|entry| entry.unwrap().path());
    let log = logs.filter(|path| path.extension().is_some_and(|own| own == "log")).map(fs::read_to_string);
    let log: String = log.map(Result::unwrap).collect();
    assert!(!log.contains("crates/lab-python"), "{log}");
    let checked = installed_lab(&project, &["check", "lab.toml"]).output().unwrap();
    assert_exit(&checked, Exit::Ok);
    assert!(text(&checked).contains("lab  1 of 1 checks passed"), "{}", text(&checked));
}

#[test]
fn wheels_for_another_python_are_named() {
    requires!(Python);
    let project = prefix().with_file("share/lab/wheels/lab_wsgi-0.1.0-cp27-cp27m-linux_x86_64.whl", "");
    let output = installed_lab(&project, &["provision", "lab.toml"]).output().unwrap();
    assert_exit(&output, Exit::CouldNotRun);
    let printed = text(&output);
    assert!(printed.contains("could not install it from lab's wheels, which are for cp27: "), "{printed}");
}

#[test]
fn hint_of_a_missing_gateway_names_the_wheels() {
    requires!(Python);
    let project = prefix().with_file("share/lab/wheels/lab_wsgi-0.1.0-cp27-cp27m-linux_x86_64.whl", "");
    let made = Command::new(python_on_path()).args(["-m", "venv", "--without-pip"]).arg(project.path("venv")).status();
    assert!(made.unwrap().success());
    let output =
        installed_lab(&project, &["serve", "--bind", "127.0.0.1:0", "--venv", "venv", "site_app:app"]).output();
    let printed = text(&output.unwrap());
    let wheels = project.path("share/lab/wheels");
    assert!(printed.contains(&format!("--no-index --find-links {} lab-wsgi", wheels.display())), "{printed}");
}
