//! `lab init` in typical projects. Each file in `layouts/` is a folder, as `-- path --` and the text of each of its files; the
//! snapshot is the output with the scenario.

use std::fs;

use lab::exit::Exit;

use crate::support::{Project, Tool, requires};

/// The files in the text of a folder.
fn files(text: &str) -> Vec<(&str, String)> {
    let mut files: Vec<(&str, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let name = line.trim_end().strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --"));
        match (name, files.last_mut()) {
            (Some(name), _) => files.push((name, String::new())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) => panic!("a file begins with its path: {line}"),
        }
    }
    files
}

/// The printed lists and the scenario, without the parts that are the same for all projects.
fn outcome(printed: &str, scenario: &str) -> String {
    let lists = printed.split("wrote ").next().unwrap();
    let from = scenario.find("[app]").unwrap();
    let to = scenario.find("[rounds]").or_else(|| scenario.find("[gate]")).unwrap();
    let commands = printed.lines().filter(|line| line.starts_with("before each start"));
    let commands: String = commands.map(|line| format!("{line}\n")).collect();
    format!("{lists}{commands}\n{}", scenario[from..to].trim_end())
}

#[test]
fn layouts_of_projects_are_understood() {
    requires!(Python, Nginx);
    insta::glob!("layouts/*.txt", |path| {
        let text = fs::read_to_string(path).unwrap();
        let project = files(&text).iter().fold(Project::empty(), |project, (file, text)| project.with_file(file, text));
        let printed = project.expect(Exit::Ok, &["init", "--yes"]);
        let scenario = fs::read_to_string(project.path("lab.toml")).unwrap();
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
            insta::assert_snapshot!(outcome(&printed, &scenario));
        });
    });
}

/// The checks that are written for typical projects pass on their own files: folders and templates of containers, certbot's
/// files and those of a server that are not here, users and logs of another machine.
#[test]
fn layouts_pass_their_checks() {
    requires!(Python, Nginx);
    let layouts = [
        ("django-certbot", None, None),
        // nginx also passes requests to a server that is not started.
        ("flask-beside-frontend", None, None),
        ("flask-nginx-template", None, None),
        ("flask-poetry", Some("/assets/main.css"), Some(Tool::Redis)),
        ("flask-shared-static", Some("/static/shop.css"), None),
        // The folder is one of the machine with the unit.
        ("flask-socket-unit", Some("/static/site.css"), None),
    ];
    let available = layouts.iter().filter(|(_, _, tool)| tool.is_none_or(Tool::is_available_for_part));
    for (layout, static_file, _) in available {
        let text =
            fs::read_to_string(format!("{}/tests/it/own/layouts/{layout}.txt", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let project = files(&text).iter().fold(Project::empty(), |project, (file, text)| project.with_file(file, text));
        let project = project.with_shared_cache();
        project.expect(Exit::Ok, &["init", "--yes"]);
        // The twins of gunicorn need a gateway, which takes minutes to build.
        let stacks = ["--only", "original", "--only", "lab-proxy"];
        project.expect(Exit::Ok, &[&["provision", "lab.toml"], &stacks[..]].concat());
        let checked = project.expect(Exit::Ok, &[&["check", "lab.toml"], &stacks[..]].concat());
        if let Some(file) = static_file {
            let scenario = fs::read_to_string(project.path("lab.toml")).unwrap();
            assert!(scenario.contains(&format!("path = \"{file}\"")), "{scenario}");
        }
        assert!(!checked.contains("failed"), "{checked}");
    }
}
