//! Holds the direction of imports inside the harness: each module may use only the modules listed beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules it may use; what is not named here it may not.
const ALLOWED: &[(&str, &[&str])] = &[
    ("exit", &[]),
    ("document", &[]),
    ("lint", &[]),
    ("catalog", &["document"]),
    ("provision", &["catalog"]),
    ("scenario", &["catalog", "document"]),
    ("stack", &["catalog", "provision", "scenario", "measure"]),
    ("check", &["scenario"]),
    ("measure", &[]),
    ("record", &["catalog", "scenario", "stack", "check", "measure"]),
    ("event", &["check", "record"]),
    ("engine", &["catalog", "provision", "scenario", "stack", "check", "measure", "event", "record", "snapshot"]),
    ("snapshot", &["exit", "scenario", "check", "record"]),
    ("report", &["scenario", "stack", "check", "measure", "record", "lint"]),
    ("cli", &[]),
    ("cmd", &["*"]),
];

#[test]
fn nothing_imports_upwards() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in rust_files(&source) {
        let inside = file.strip_prefix(&source).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "main" || module == "lib" {
            continue;
        }
        for used in used_modules(&fs::read_to_string(&file).unwrap()) {
            if used != module {
                uses.entry(module.clone()).or_default().insert(used.clone());
                let allowed = ALLOWED.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
                let allowed = allowed.unwrap_or_else(|| panic!("module `{module}` has no line in ALLOWED"));
                if !allowed.contains(&"*") && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{} uses `{used}`", inside.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the direction:\n{}", wrong.join("\n"));
    // A permission nobody uses is a door left open.
    for (module, allowed) in ALLOWED.iter().filter(|(module, _)| *module != "cmd") {
        let used = uses.get(*module).cloned().unwrap_or_default();
        let idle: Vec<&&str> = allowed.iter().filter(|name| !used.contains(**name)).collect();
        assert!(idle.is_empty(), "`{module}` may use {idle:?} and does not");
    }
}

/// The first segment of every path that starts with `crate::`.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut used = BTreeSet::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                used.insert(name);
            }
        }
    }
    used
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
