//! Puts the stacks of two versions of a scenario side by side. Pure.

use std::path::Path;

use super::model::{Against, App, Comparison, Scenario, Stack, StackVersion, base_name};

/// The scenario that runs the stacks of `head` beside those of the same names in `base`, the earlier version. Checks,
/// loads, rounds and margins are those of `head`. A stack that `base` lacks is checked and not measured.
#[must_use]
pub fn compare_versions(head: &Scenario, base: &Scenario, comparison: Comparison) -> Scenario {
    let mut compared = head.clone();
    compared.stacks = Vec::new();
    for stack in &head.stacks {
        let before = base.stacks.iter().find(|before| before.name == stack.name);
        let lab = &comparison.base.lab;
        compared.stacks.extend(before.map(|before| as_it_was(before, stack, [head, base], lab.as_deref())));
        let base = before.map(|_| base_name(&stack.name));
        compared.stacks.push(Stack {
            measured: stack.measured && base.is_some(),
            reference: false,
            version: Some(StackVersion::Head { base }),
            ..stack.clone()
        });
    }
    let has_base = |name: &String| base.stacks.iter().any(|before| before.name == *name);
    let with_bases = |names: &mut Vec<String>| {
        let bases: Vec<String> = names.iter().filter(|name| has_base(name)).map(|name| base_name(name)).collect();
        names.extend(bases);
    };
    compared.checks.iter_mut().filter_map(|check| check.stacks.as_mut()).for_each(with_bases);
    // Whether two drivers agree is another question.
    compared.loads.retain(|load| load.validates.is_none());
    compared.loads.iter_mut().filter_map(|load| load.stacks.as_mut()).for_each(with_bases);
    // Each stack is compared with its own base: a ratio of 1.
    compared.gate.against = Against::Reference;
    compared.comparison = Some(comparison);
    compared
}

/// The earlier version of a stack. Whether it is measured, and how it is run, is decided today.
fn as_it_was(before: &Stack, now: &Stack, [head, base]: [&Scenario; 2], lab: Option<&Path>) -> Stack {
    Stack {
        name: base_name(&before.name),
        backend: now.backend,
        measured: now.measured,
        reference: false,
        is_optional: now.is_optional,
        version: Some(StackVersion::Base {
            root: base.root.clone(),
            head_root: head.root.clone(),
            lab: lab.map(Path::to_owned),
        }),
        apps: in_environment_of(&before.apps, &now.apps),
        ..before.clone()
    }
}

/// The apps of an earlier version, in today's virtual environment: a repository does not have it.
fn in_environment_of(before: &App, now: &App) -> App {
    let mut apps = before.clone();
    if let (App::Python(app) | App::Both { python: app, .. }, Some(now)) = (&mut apps, now.python()) {
        app.venv = app.venv.take().and(now.venv.clone());
    }
    apps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::scenario::model::Version;
    use crate::scenario::parse;

    const TEXT: &str = r#"
schema = 1
name = "s"
[app]
native = "hello"
[[stack]]
name = "one"
server = { kind = "lab", workers = 2 }
[[stack]]
name = "two"
server = { kind = "lab" }
[[check]]
name = "it responds"
stacks = ["one", "two"]
request = { path = "/pong" }
expect.status = 200
[[load]]
name = "all"
driver = "closed"
connections = 1
duration = "1s"
[[load]]
name = "some"
driver = "closed"
connections = 1
duration = "1s"
stacks = ["one"]
[[load]]
name = "beside"
validates = "all"
driver = "wrk"
connections = 1
duration = "1s"
"#;

    fn parsed(text: &str, root: &str) -> Scenario {
        let scenario = parse(text, Path::new("s.toml"), Path::new(root), &|_| true, &|_| Ok(Catalog::builtin()));
        scenario.unwrap_or_else(|errors| panic!("{}", errors.render(false)))
    }

    fn version(name: &str) -> Version {
        Version { name: name.to_owned(), commit: None, is_modified: false, lab: None }
    }

    #[test]
    fn stacks_are_paired_with_their_bases() {
        let base = TEXT.replace("workers = 2", "workers = 3").replace("name = \"two\"", "name = \"gone\"");
        let base = base.replace("\"one\", \"two\"", "\"one\"");
        let comparison = Comparison { base: version("main"), head: version("now"), notes: Vec::new() };
        let compared = compare_versions(&parsed(TEXT, "/now"), &parsed(&base, "/then"), comparison);
        let names: Vec<&str> = compared.stacks.iter().map(|stack| stack.name.as_str()).collect();
        assert_eq!(names, ["one@base", "one", "two"]);
        let [one_base, one, two] = compared.stacks.as_slice() else { panic!("{names:?}") };
        assert_ne!(one_base.server.workers, one.server.workers);
        assert_eq!(compared.reference_of(one).map(|stack| stack.name.as_str()), Some("one@base"));
        assert!(compared.is_reference(one_base) && compared.reference_of(one_base).is_none());
        assert!(compared.reference_of(two).is_none() && !two.measured && !compared.is_reference(two));
        assert_eq!(compared.ungated_stacks(), ["one@base", "two"]);
        assert_eq!(compared.checks[0].stacks.as_deref().unwrap(), ["one", "two", "one@base"]);
        let loads: Vec<_> = compared.loads.iter().map(|load| (load.name.as_str(), load.stacks.clone())).collect();
        assert_eq!(loads, [("all", None), ("some", Some(vec!["one".to_owned(), "one@base".to_owned()]))]);
    }
}
