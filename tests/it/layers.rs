//! The direction of imports that the compiler does not hold: between the modules of the harness, and between the files
//! of one folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules it may use, and no others.
const ALLOWED: &[(&str, &[&str])] = &[
    ("exit", &[]),
    ("shell_words", &[]),
    ("whole_file", &[]),
    ("ci", &[]),
    ("document", &[]),
    ("lint", &[]),
    ("init", &["lint", "shell_words"]),
    ("catalog", &["document"]),
    ("provision", &["catalog"]),
    ("scenario", &["catalog", "document"]),
    ("revision", &[]),
    ("stack", &["catalog", "provision", "scenario", "measure"]),
    ("check", &["scenario"]),
    ("measure", &[]),
    ("hosts", &["scenario", "stack", "measure"]),
    ("record", &["catalog", "scenario", "stack", "check", "measure", "whole_file"]),
    ("event", &["check", "record", "scenario"]),
    (
        "engine",
        &[
            "catalog",
            "provision",
            "scenario",
            "stack",
            "check",
            "measure",
            "hosts",
            "event",
            "record",
            "snapshot",
            "whole_file",
        ],
    ),
    ("snapshot", &["exit", "scenario", "check", "record", "whole_file"]),
    ("report", &["scenario", "stack", "check", "measure", "record", "lint", "shell_words"]),
    ("cli", &["exit"]),
    ("cmd", &["*"]),
];

#[test]
fn nothing_imports_upwards() {
    let harness = Room::read("src");
    let top = harness.uses(&[]);
    let mut wrong = Vec::new();
    for (module, used) in &top {
        let allowed = ALLOWED.iter().find(|(name, _)| name == module).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("module `{module}` has no line in ALLOWED"));
        if !allowed.contains(&"*") {
            let forbidden = used.iter().filter(|name| !allowed.contains(&name.as_str()));
            wrong.extend(forbidden.map(|name| format!("`{module}` uses `{name}`")));
        }
    }
    assert!(wrong.is_empty(), "imports against the direction:\n{}", wrong.join("\n"));
    for (module, allowed) in ALLOWED.iter().filter(|(module, _)| *module != "cmd") {
        let used = top.get(*module).cloned().unwrap_or_default();
        let idle: Vec<&&str> = allowed.iter().filter(|name| !used.contains(**name)).collect();
        assert!(idle.is_empty(), "`{module}` may use {idle:?} and does not");
    }
}

#[test]
fn no_folder_has_a_circle() {
    let mut found = BTreeSet::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let crates = fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for source in crates.map(|name| format!("crates/{name}/src")).chain(["src".to_owned()]) {
        found.extend(Room::read(&source).circles());
    }
    let rows: String =
        found.iter().map(|(folder, modules)| format!("    {folder}: {}\n", modules.join(", "))).collect();
    assert!(found.is_empty(), "files that import each other:\n{rows}");
}

type ModulePath = Vec<String>;

/// The modules of a source folder, each with the modules it uses.
struct Room {
    folder: String,
    modules: BTreeMap<ModulePath, BTreeSet<ModulePath>>,
}

impl Room {
    fn read(folder: &str) -> Room {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let texts: BTreeMap<ModulePath, String> = rust_files(&source)
            .into_iter()
            .map(|file| (module_path(file.strip_prefix(&source).unwrap()), fs::read_to_string(file).unwrap()))
            .filter(|(path, _)| !path.iter().any(|name| name == "tests" || name == "main"))
            .collect();
        let uses = |(path, text): (&ModulePath, &String)| {
            let used = used_paths(path, text).into_iter().map(|mut used| {
                // What follows the module's name is an item in it.
                while !texts.contains_key(&used) && !used.is_empty() {
                    used.pop();
                }
                used
            });
            (path.clone(), used.collect())
        };
        Room { folder: folder.to_owned(), modules: texts.iter().map(uses).collect() }
    }

    /// The children of a module by the siblings they, or modules below them, use.
    fn uses(&self, parent: &[String]) -> BTreeMap<String, BTreeSet<String>> {
        let child = |path: &[String]| path.strip_prefix(parent)?.first().cloned();
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, used) in &self.modules {
            let Some(module) = child(module) else { continue };
            let siblings = used.iter().filter_map(|used| child(used)).filter(|used| *used != module);
            uses.entry(module.clone()).or_default().extend(siblings);
        }
        uses
    }

    /// The sets of siblings that reach each other.
    fn circles(&self) -> BTreeSet<(String, Vec<String>)> {
        let mut circles = BTreeSet::new();
        let parents: BTreeSet<&[String]> = self.modules.keys().filter_map(|path| Some(path.split_last()?.1)).collect();
        for parent in parents {
            let uses = self.uses(parent);
            let reached: BTreeMap<&String, BTreeSet<&String>> =
                uses.keys().map(|module| (module, reached_from(module, &uses))).collect();
            for (module, own) in &reached {
                let both: Vec<String> = own
                    .iter()
                    .filter(|other| reached[**other].contains(*module))
                    .map(|other| (*other).clone())
                    .collect();
                if !both.is_empty() {
                    circles.insert(([std::slice::from_ref(&self.folder), parent].concat().join("/"), both));
                }
            }
        }
        circles
    }
}

fn reached_from<'a>(module: &'a String, uses: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![module];
    while let Some(module) = open.pop() {
        for used in uses.get(module).into_iter().flatten() {
            if uses.contains_key(used) && reached.insert(used) {
                open.push(used);
            }
        }
    }
    reached
}

/// `a/mod.rs` and `a.rs` are `a`; `lib.rs` is the root.
fn module_path(file: &Path) -> ModulePath {
    let mut path: ModulePath = file.with_extension("").iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if path.last().is_some_and(|name| name == "mod") || path == ["lib"] {
        path.pop();
    }
    path
}

/// Every path in the code of `module` that starts with `crate`, `super` or `self`, from the root of the crate.
fn used_paths(module: &[String], text: &str) -> Vec<ModulePath> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let is_inside = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !is_inside {
                let mut rest = &code[at..];
                let mut base = module.to_vec();
                loop {
                    if let Some(after) = rest.strip_prefix("crate::") {
                        (base, rest) = (Vec::new(), after);
                    } else if let Some(after) = rest.strip_prefix("super::") {
                        base.pop();
                        rest = after;
                    } else if let Some(after) = rest.strip_prefix("self::") {
                        rest = after;
                    } else {
                        break;
                    }
                }
                expand(&base, rest, &mut paths);
            }
        }
    }
    paths
}

/// Expands `a::{b, c::d}`; returns the rest.
fn expand<'a>(base: &[String], mut text: &'a str, paths: &mut Vec<ModulePath>) -> &'a str {
    let mut path = base.to_vec();
    loop {
        text = text.trim_start();
        if let Some(mut rest) = text.strip_prefix('{') {
            loop {
                rest = expand(&path, rest, paths).trim_start();
                match rest.strip_prefix(',') {
                    Some(after) => rest = after,
                    None => return rest.strip_prefix('}').unwrap_or(rest),
                }
            }
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        path.push(text[..end].to_owned());
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(after) => text = after,
            None => break,
        }
    }
    paths.push(path);
    // `as name` belongs to the same import.
    text.find([',', '}', ';', '\n']).map_or("", |end| &text[end..])
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
