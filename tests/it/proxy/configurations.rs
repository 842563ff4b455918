//! Configurations that are refused, each with a snapshot of the message, and those that are not.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::exit::Exit;

use super::running::NGINX;
use crate::support::{assert_exit, requires};

/// `-t`, with a folder for the files that the configuration opens.
fn test(program: &mut Command, file: &Path) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("logs")).expect("a folder");
    program.arg("-t").arg("-p").arg(folder.path()).arg("-c").arg(file).output().expect("a program that runs")
}

fn lab() -> Command {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.arg("proxy");
    lab
}

#[test]
fn wrong_configurations_are_refused() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots");
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!("bad/*.conf", |file| {
            let output = test(&mut lab(), file);
            assert_eq!(output.status.code(), Some(1), "{}", file.display());
            let folder = format!("{}/", file.parent().expect("a folder").display());
            let printed = String::from_utf8(output.stderr).expect("text").replace(&folder, "");
            insta::assert_snapshot!(printed);
        });
    });
}

#[test]
fn wrong_configuration_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, "events { } http { } pid pid; error_log log; nonsense;").expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_lab")).args(["proxy", "-c"]).arg(&file).output().expect("lab runs");
    assert_exit(&output, Exit::Usage);
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.path()).collect();
    assert_eq!(left, [file], "nothing was started");
}

#[test]
fn lab_accepts_right_configurations() {
    for file in right() {
        let output = test(&mut lab(), &file);
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && printed.contains("test is successful"), "{}: {printed}", file.display());
    }
}

/// Needs nginx.
#[test]
fn nginx_accepts_right_configurations() {
    requires!(Nginx);
    for file in right() {
        let output = test(&mut Command::new(NGINX), &file);
        assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn nginx_takes_a_device_for_an_empty_file() {
    requires!(Nginx);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/proxy/bad/include-of-device.conf");
    let output = test(&mut Command::new(NGINX), &file);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What is shipped, and a file with every directive and variable.
fn right() -> [PathBuf; 2] {
    let files = ["fixtures/nginx/corrected.conf", "tests/it/proxy/good/everything.conf"];
    files.map(|file| Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
}
