//! `lab lint`: each rule on files that break it and files that do not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Tool, requires};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/lint/cases")
}

/// Runs `lab lint` in the folder of the project; its exit code and what it said.
fn lint(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    let output = command.arg("lint").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

/// The rule and the line of every finding.
fn found(file: &Path) -> BTreeSet<(String, u64)> {
    let (_, said) = lint(&["--json", file.to_str().unwrap()]);
    let found: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let findings = found.as_array().unwrap().iter();
    findings.map(|one| (one["rule"].as_str().unwrap().to_owned(), one["line"].as_u64().unwrap())).collect()
}

/// What a file says is found in it: `# finds RULE …` on the line, or `RULE@LINE` from elsewhere.
fn expected(text: &str) -> BTreeSet<(String, u64)> {
    let mut expected = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        for rule in line.split_once("# finds ").map_or("", |(_, rules)| rules).split_whitespace() {
            let (rule, at) =
                rule.split_once('@').map_or((rule, index as u64 + 1), |(rule, at)| (rule, at.parse().unwrap()));
            expected.insert((rule.to_owned(), at));
        }
    }
    expected
}

#[test]
fn rules_find_exactly_the_marked_lines() {
    let has_python = Tool::Python.is_available_for_part();
    let mut proven = BTreeSet::new();
    for entry in std::fs::read_dir(cases()).unwrap() {
        let file = entry.unwrap().path();
        let expected = expected(&std::fs::read_to_string(&file).unwrap());
        proven.extend(expected.iter().map(|(rule, _)| rule.clone()));
        if has_python || file.extension().is_none_or(|extension| extension != "py") {
            assert_eq!(found(&file), expected, "{}", file.display());
        }
    }
    proven.insert("proxyfix-believes-client".to_owned()); // takes two files: see below
    let rules: BTreeSet<_> = lab::lint::rules().iter().map(|rule| rule.name.to_owned()).collect();
    assert_eq!(proven, rules, "every rule has a file that breaks it");
}

#[test]
fn documented_deployment_findings() {
    requires!(Python);
    let folder = "fixtures/blog-2011/documented";
    let files = ["nginx.conf", "gunicorn.conf.py", "app.py"].map(|file| format!("{folder}/{file}"));
    let (exit, said) = lint(&files.each_ref().map(String::as_str));
    assert_eq!(exit, 4);
    insta::assert_snapshot!(said);
}

#[test]
fn corrected_deployment_is_clean() {
    let (exit, said) = lint(&["fixtures/nginx/corrected.conf"]);
    assert_eq!((exit, said.trim_end()), (0, "fixtures/nginx/corrected.conf: nothing found"));
    let folder = "fixtures/blog-2011/corrected";
    let mut files = vec![format!("{folder}/nginx.conf")];
    if Tool::Python.is_available_for_part() {
        files.extend(["gunicorn.conf.py", "app.py"].map(|file| format!("{folder}/{file}")));
    }
    let (exit, said) = lint(&files.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(exit == 0 && said.contains("nothing found"), "{said}");
}

#[test]
fn unreadable_files_are_named_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let conf = file("broken.conf", "server {\n  listen 80\n}\n");
    assert_eq!(lint(&[&conf]), (2, format!("lab lint: {conf}:3: unexpected '}}'\n")));
    let (exit, said) = lint(&[&file("scenario.toml", "")]);
    assert!(exit == 2 && said.contains("is no nginx.conf and no Python"), "{said}");
    let (exit, said) = lint(&["nowhere.conf"]);
    assert!(exit == 2 && said.contains("nowhere.conf"), "{said}");
    if Tool::Python.is_available_for_part() {
        let python = file("broken.py", "a = 1\nb = (\n");
        let (exit, said) = lint(&[&python]);
        assert!(exit == 2 && said.starts_with(&format!("lab lint: {python}:2: ")), "{said}");
    }
}
