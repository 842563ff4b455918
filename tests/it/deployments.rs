//! Deployments of other people's programs: the tutorial's of 2011, and a worker that a slow client occupies.

use std::path::Path;
use std::process::Output;

use crate::support::{Project, has, has_python, kinds_cache, text};

/// lab in the folder of the project, for what its own scenarios name.
fn lab(project: &Project, arguments: &[&str]) -> Output {
    let mut command = project.lab(arguments);
    command.env("LAB_CACHE", kinds_cache()).env_remove("LAB_KINDS").output().unwrap()
}

/// A project with the scenario of `name` and the fixtures it names, without the stacks that need the WSGI gateway, which
/// takes minutes to build.
fn project(scenario: &str, is_left_out: impl Fn(&str) -> bool) -> Project {
    let project = Project::new(str::to_owned);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(source.join("fixtures/blog-2011"), project.path("fixtures/blog-2011")).unwrap();
    std::os::unix::fs::symlink(source.join("fixtures/apps"), project.path("fixtures/apps")).unwrap();
    let file = format!("scenarios/{scenario}.toml");
    let text = std::fs::read_to_string(source.join(&file)).unwrap();
    let paragraphs = text.split("\n\n").filter(|paragraph| !is_left_out(paragraph));
    let text: Vec<&str> = paragraphs.collect();
    std::fs::write(project.path(&file), text.join("\n\n")).unwrap();
    project
}

#[test]
fn the_tutorial_of_2011_is_seen_as_it_is_and_corrected() {
    if !has_python() || !has("nginx", "/usr/sbin/nginx") {
        return;
    }
    let needs_gateway =
        |paragraph: &str| paragraph.contains("name   = \"lab-serve\"") || paragraph.contains("name   = \"lab-both\"");
    let project = project("blog-2011", needs_gateway);
    let file = project.path("scenarios/blog-2011.toml");
    let scenario = std::fs::read_to_string(&file).unwrap().replace("\"lab-serve\", \"lab-both\", ", "");
    std::fs::write(&file, scenario.replace(", \"lab-serve\", \"lab-both\"]", "]")).unwrap();
    let provisioned = lab(&project, &["provision", "scenarios/blog-2011.toml"]);
    assert_eq!(provisioned.status.code(), Some(0), "{}", text(&provisioned));
    let checked = lab(&project, &["check", "scenarios/blog-2011.toml"]);
    let said = text(&checked);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for row in [
        "documented  6 of 6 checks passed  proxy nginx",
        "corrected  10 of 10 checks passed  proxy nginx",
        "lab-proxy  10 of 10 checks passed  proxy lab",
        "rust  9 of 9 checks passed  proxy lab",
    ] {
        assert!(said.contains(row), "{row}: {said}");
    }
    let run = project.path("reports/blog-2011/latest/checks");
    let configuration = std::fs::read_to_string(run.join("corrected/nginx.conf")).unwrap();
    assert!(configuration.contains("fixtures/blog-2011/corrected/site;"), "documents stay where they are");
    let workers = std::fs::read_to_string(run.join("corrected/server.log")).unwrap();
    assert_eq!(workers.matches("Booting worker").count(), 2, "as gunicorn.conf.py says: {workers}");
    assert!(!project.path("gunicorn.pid").exists(), "its pid file is the run's");
}

#[test]
fn a_slow_client_occupies_a_sync_worker_and_none_behind_a_proxy_that_waits() {
    if !has_python() || !has("nginx", "/usr/sbin/nginx") {
        return;
    }
    let project = project("proxies", |_| false);
    let provisioned = lab(&project, &["provision", "scenarios/proxies.toml"]);
    assert_eq!(provisioned.status.code(), Some(0), "{}", text(&provisioned));
    let checked = lab(
        &project,
        &[
            "check",
            "scenarios/proxies.toml",
            "--only",
            "gunicorn",
            "--only",
            "nginx-gunicorn",
            "--only",
            "lab-gunicorn",
        ],
    );
    let said = text(&checked);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    for row in ["  gunicorn  2 of 2", "nginx-gunicorn  2 of 2", "lab-gunicorn  2 of 2"] {
        assert!(said.contains(row), "{row}: {said}");
    }
}
