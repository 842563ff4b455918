//! Configuration files as public projects write them (`configurations/`): what `lab serve --check-config` makes of each, and
//! what gunicorn does.
//!
//! The first lines of a file say so: `# lab: accepted` or `# lab: refused NAME, …`, the same for gunicorn where it does not
//! accept the file, and `# env: NAME=VALUE …`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use super::python::Folder;
use crate::support::text;

struct Configuration {
    /// The name of the file.
    name: String,
    text: String,
    /// The settings that lab refuses.
    refused: BTreeSet<String>,
    gunicorn_accepts: bool,
    environment: Vec<(String, String)>,
}

impl Configuration {
    fn read(path: &Path) -> Configuration {
        let text = std::fs::read_to_string(path).unwrap();
        let remark = |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("# {name}: ")));
        let verdict = remark("lab").unwrap_or_else(|| panic!("{}: no verdict", path.display()));
        let refused: BTreeSet<String> = match verdict.strip_prefix("refused ") {
            Some(names) => names.split(", ").map(str::to_owned).collect(),
            None => BTreeSet::new(),
        };
        assert!(verdict == "accepted" || !refused.is_empty(), "{}: {verdict}", path.display());
        let variables = remark("env").unwrap_or_default().split_whitespace();
        let variable = |text: &str| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Configuration {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            gunicorn_accepts: remark("gunicorn").is_none(),
            environment: variables.filter_map(variable).collect(),
            refused,
            text,
        }
    }

    fn check(&self, mut command: Command) -> Output {
        command.args(["--check-config", "-c", &self.name, "shop:app"]);
        command.envs(self.environment.iter().cloned()).output().unwrap()
    }

    /// Every refused setting is named with its line, and with what to use instead.
    fn judge(&self, output: &Output) -> Result<(), String> {
        let printed = text(output);
        let mut refused = BTreeSet::new();
        for line in printed.lines() {
            let line = line.strip_prefix("lab: ").unwrap_or(line);
            let Some((place, (setting, reason))) =
                line.split_once(": ").and_then(|(place, rest)| Some((place, rest.split_once(" = ")?)))
            else {
                continue;
            };
            if !place.starts_with(&self.name) {
                continue;
            }
            refused.insert(setting.to_owned());
            let number = place.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix(':'));
            let source = number.and_then(|number| self.text.lines().nth(number.parse::<usize>().ok()? - 1));
            // Values from a loop have no line of their own.
            let is_located = source.is_some_and(|source| source.contains(setting)) || self.text.contains("locals()");
            let is_helpful = reason.contains("must ") || reason.ends_with(" is not supported");
            if !is_located || !is_helpful {
                return Err(format!("{line:?} has no line, or no reason"));
            }
        }
        let hints = printed.lines().filter(|line| line.starts_with("hint: ")).count();
        let unsupported = printed.lines().filter(|line| line.ends_with(" is not supported")).count();
        if refused != self.refused || output.status.success() != refused.is_empty() || hints < unsupported {
            return Err(format!("refused {refused:?}, expected {:?}:\n{printed}", self.refused));
        }
        Ok(())
    }
}

#[test]
fn public_configurations_are_judged() {
    let Some(folder) = Folder::new() else { return };
    folder.write("shop_base.py", "workers = 2\ntimeout = 60\n");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/serve/configurations");
    let mut configurations: Vec<_> =
        std::fs::read_dir(cases).unwrap().map(|entry| Configuration::read(&entry.unwrap().path())).collect();
    configurations.sort_by(|one, other| one.name.cmp(&other.name));
    for configuration in &configurations {
        folder.write(&configuration.name, &configuration.text);
    }
    let judge = |configuration: &Configuration| {
        let mut wrong = Vec::new();
        if let Err(reason) = configuration.judge(&configuration.check(folder.lab())) {
            wrong.push(format!("{}: lab: {reason}", configuration.name));
        }
        let mut gunicorn = Command::new(folder.venv.join("bin/python"));
        gunicorn.args(["-m", "gunicorn"]);
        let output = configuration.check(folder.in_here(gunicorn));
        if output.status.success() != configuration.gunicorn_accepts {
            wrong.push(format!("{}: gunicorn: {}", configuration.name, text(&output)));
        }
        wrong
    };
    let halves = configurations.chunks(configurations.len().div_ceil(2));
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let judge = &judge;
        let threads: Vec<_> =
            halves.map(|half| scope.spawn(move || half.iter().flat_map(judge).collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let refused = configurations.iter().filter(|one| !one.refused.is_empty()).count();
    println!("{} of {} accepted", configurations.len() - refused, configurations.len());
}
