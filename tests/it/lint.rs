//! `lab lint`: each rule on files that break it and files that do not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Tool, assert_valid, requires};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/lint/cases")
}

/// Runs `lab lint` in the folder of the project; returns its exit code and output.
fn lint(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    let output = command.arg("lint").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

/// The rule and the line of every finding. A file may begin with `# --nginx-version`.
fn found(file: &Path) -> BTreeSet<(String, u64)> {
    found_in(&[file]).into_iter().map(|(_, rule, line)| (rule, line)).collect()
}

/// The file, the rule and the line of every finding in files that belong together.
fn found_in(files: &[impl AsRef<Path>]) -> BTreeSet<(PathBuf, String, u64)> {
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    let mut versions = texts.map(|text| text.lines().next()?.strip_prefix("# --nginx-version ").map(str::to_owned));
    let version = versions.find_map(|version| version);
    let options: Vec<&str> = version.iter().flat_map(|version| ["--nginx-version", version.as_str()]).collect();
    let files: Vec<&str> = files.iter().map(|file| file.as_ref().to_str().unwrap()).collect();
    let (_, printed) = lint(&[&["--json"], &options[..], &files[..]].concat());
    let found: serde_json::Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = found.as_array().unwrap().iter();
    findings.map(|one| (text(one, "file").into(), text(one, "rule"), one["line"].as_u64().unwrap())).collect()
}

/// The expected findings of a file: `# finds RULE …` on the line, or `RULE@LINE` elsewhere.
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
    // These take two files: see below, and own/upstreams.rs.
    proven.extend(["proxyfix-believes-client", "upstream-elsewhere"].map(str::to_owned));
    proven.extend(
        folders("deployments")
            .into_iter()
            .flat_map(|(_, files)| files)
            .flat_map(|file| expected(&std::fs::read_to_string(file).unwrap()).into_iter().map(|(rule, _)| rule)),
    );
    let rules: BTreeSet<_> = lab::lint::rules().iter().map(|rule| rule.name.to_owned()).collect();
    assert_eq!(proven, rules, "every rule has a file that breaks it");
}

/// The folders of files that belong together. Files that these include are in folders of their own.
fn folders(name: &str) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let entries = |folder: &Path| {
        let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        found
    };
    let files = |folder: PathBuf| {
        let files = entries(&folder).into_iter().filter(|path| path.is_file()).collect();
        (folder, files)
    };
    entries(&cases().with_file_name(name)).into_iter().map(files).collect()
}

#[track_caller]
fn assert_marked(name: &str) {
    for (folder, files) in folders(name) {
        let mut marked = BTreeSet::new();
        for file in &files {
            let expected = expected(&std::fs::read_to_string(file).unwrap());
            marked.extend(expected.into_iter().map(|(rule, line)| (file.clone(), rule, line)));
        }
        assert_eq!(found_in(&files), marked, "{}", folder.display());
    }
}

#[test]
fn rules_for_several_files_find_the_marked_lines() {
    requires!(Python);
    assert_marked("deployments");
}

/// Configurations as public guides and projects have them. Each finding in them was judged; no other may appear.
#[test]
fn public_configurations_have_no_false_alarm() {
    requires!(Python);
    assert_marked("public");
}

#[test]
fn safe_fixes_are_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tls.conf", "responses.conf", "fields.conf"] {
        let file = folder.path().join(name);
        std::fs::copy(cases().join(name), &file).unwrap();
        let fixable = ["old-tls", "add-header-without-always", "misspelt-header"];
        let is_fixable = |rule: &str| fixable.contains(&rule);
        let before = found(&file);
        assert!(before.iter().any(|(rule, _)| is_fixable(rule)), "{before:?}");
        let (_, printed) = lint(&["--fix", file.to_str().unwrap()]);
        let count = before.iter().filter(|(rule, _)| is_fixable(rule)).count();
        let noun = if count == 1 { "finding" } else { "findings" };
        assert!(printed.contains(&format!("lab lint: {count} {noun} fixed")), "{printed}");
        let left: BTreeSet<_> = before.into_iter().filter(|(rule, _)| !is_fixable(rule)).collect();
        // The corrected name makes a field known that its level sets, so nothing is missing there.
        assert!(found(&file).is_subset(&left), "{}", std::fs::read_to_string(&file).unwrap());
    }
    let fixed = std::fs::read_to_string(folder.path().join("tls.conf")).unwrap();
    assert!(fixed.contains("ssl_protocols TLSv1.2 TLSv1.3;      # finds"), "{fixed}");
}

#[test]
fn fixes_stay_below_the_folder_of_named_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file
    };
    let old = "ssl_protocols TLSv1 TLSv1.2;\n";
    let (inside, outside) = (write("site/tls.conf", old), write("shared/tls.conf", old));
    let conf = write("site/nginx.conf", &format!("include tls.conf;\ninclude {};\n", outside.display()));
    let (_, printed) = lint(&["--fix", conf.to_str().unwrap()]);
    assert!(printed.contains("1 finding fixed"), "{printed}");
    let read = |file: &Path| std::fs::read_to_string(file).unwrap();
    assert_eq!((read(&inside).as_str(), read(&outside).as_str()), ("ssl_protocols TLSv1.2;\n", old));
}

#[test]
fn documented_deployment_findings() {
    requires!(Python);
    let folder = "fixtures/blog-2011/documented";
    let files = ["nginx.conf", "gunicorn.conf.py", "app.py"].map(|file| format!("{folder}/{file}"));
    let (exit, printed) = lint(&files.each_ref().map(String::as_str));
    assert_eq!(exit, 4);
    insta::assert_snapshot!(printed);
}

#[test]
fn corrected_deployment_is_clean() {
    let (exit, printed) = lint(&["fixtures/nginx/corrected.conf"]);
    assert_eq!((exit, printed.trim_end()), (0, "fixtures/nginx/corrected.conf: nothing found"));
    let folder = "fixtures/blog-2011/corrected";
    let mut files = vec![format!("{folder}/nginx.conf")];
    if Tool::Python.is_available_for_part() {
        files.extend(["gunicorn.conf.py", "app.py"].map(|file| format!("{folder}/{file}")));
    }
    let (exit, printed) = lint(&files.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(exit == 0 && printed.contains("nothing found"), "{printed}");
}

#[test]
fn unreadable_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (exit, printed) = lint(&[&file("scenario.toml", "")]);
    assert!(exit == 2 && printed.contains("is neither an nginx.conf nor Python"), "{printed}");
    let (exit, printed) = lint(&["nowhere.conf"]);
    assert!(exit == 2 && printed.contains("nowhere.conf"), "{printed}");
}

/// The log of `--format sarif`, which must be valid by the schema of OASIS.
fn sarif(arguments: &[&str]) -> Value {
    let (_, printed) = lint(&[&["--format", "sarif"], arguments].concat());
    let log: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/lint/sarif-schema-2.1.0.json");
    assert_valid(&serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap(), &log);
    log
}

#[test]
fn sarif_log_is_valid_and_complete() {
    let conf = "fixtures/blog-2011/documented/nginx.conf";
    let log = sarif(&[conf]);
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), lab::lint::rules().len());
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(conf)).unwrap();
    let results = run["results"].as_array().unwrap();
    let mut found = BTreeSet::new();
    for result in results {
        let rule = result["ruleId"].as_str().unwrap();
        assert_eq!(rules[result["ruleIndex"].as_u64().unwrap() as usize]["id"], rule);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], conf);
        let region = |key: &str| place["region"][key].as_u64().unwrap() as usize;
        let line = text.lines().nth(region("startLine") - 1).unwrap();
        let marked: String =
            line.chars().skip(region("startColumn") - 1).take(region("endColumn") - region("startColumn")).collect();
        assert!(!marked.is_empty() && marked.trim() == marked, "{line:?}: {marked:?}");
        found.insert((rule.to_owned(), region("startLine") as u64));
    }
    assert!(results.len() > 3, "{log:#}");
    assert_eq!(found, self::found(&Path::new(env!("CARGO_MANIFEST_DIR")).join(conf)));

    let clean = sarif(&["fixtures/nginx/corrected.conf"]);
    assert_eq!(clean["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn broken_sarif_is_refused_by_the_schema() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/lint/sarif-schema-2.1.0.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let good = sarif(&["fixtures/blog-2011/documented/nginx.conf"]);
    for (pointer, value) in [
        ("/version", serde_json::json!("2.0.0")),
        ("/runs/0/tool/driver/name", Value::Null),
        ("/runs/0/results/0/level", serde_json::json!("advice")),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", serde_json::json!(0)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let refused = std::panic::catch_unwind(|| assert_valid(&schema, &bad));
        assert!(refused.is_err(), "{pointer}");
    }
}

/// In a step of GitHub Actions: the job summary and the annotations.
#[test]
fn findings_are_annotated_in_a_workflow() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    let conf = "fixtures/blog-2011/documented/nginx.conf";
    command.args(["lint", "--github", conf]).current_dir(root);
    let output = command.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_WORKSPACE", root).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let annotations: BTreeSet<(String, u64)> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("::")?.split_once(&format!("file={conf},line=")))
        .map(|(_, rest)| {
            let (line, rest) = rest.split_once(",title=").unwrap();
            (rest.split_once("::").unwrap().0.to_owned(), line.parse().unwrap())
        })
        .collect();
    assert_eq!(annotations, found(&root.join(conf)), "{printed}");
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(summary.starts_with("before\n# ❌ lab lint: "), "{summary}");
    assert!(summary.contains(&format!("| {conf}:")), "{summary}");

    let (exit, printed) = {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.args(["lint", "--github", conf]).current_dir(root).env_remove("GITHUB_STEP_SUMMARY");
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(exit, 1, "{printed}");
    assert!(printed.contains("GITHUB_STEP_SUMMARY"), "{printed}");
}
