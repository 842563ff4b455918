//! Failures with the lines that a reader would look at: of the scenario, of a configuration, of the application's view.

use super::test_suites::{RunContext, Subject, TestCase, TestOutcome, test_suites};
use crate::lint::{Finding, Severity};
use crate::record::{FactsVerdict, Record};
use crate::scenario::lines::ScenarioLines;
use crate::scenario::routes::Route;

/// A message at a line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    pub level: Level,
    pub location: Location,
    /// One line.
    pub title: String,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Notice,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// As it is to be shown.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
}

/// The lines that failures are about.
#[derive(Debug, Clone, Default)]
pub struct SourceLines {
    /// The scenario's file.
    pub scenario: String,
    pub lines: ScenarioLines,
    /// The routes of the application, each with its file.
    pub routes: Vec<(String, Route)>,
    /// The configurations of the stacks: how messages name them, and their files.
    pub configurations: Vec<(String, String)>,
}

/// A failure or an error of [`test_suites`] each. What several stacks fail alike is one annotation.
#[must_use]
pub fn annotations(record: &Record, context: RunContext, sources: &SourceLines) -> Vec<Annotation> {
    let mut found: Vec<(Vec<String>, Annotation)> = Vec::new();
    let cases = test_suites(record, context).into_iter().flat_map(|suite| suite.cases);
    for case in cases {
        // These are annotated one by one.
        if context.is_gated && is_difference_of_versions(record, &case) {
            continue;
        }
        let Some((stack, annotation)) = annotation(&case, sources) else { continue };
        match found.iter_mut().find(|(_, known)| *known == annotation) {
            Some((stacks, _)) => stacks.extend(stack),
            None => found.push((stack.into_iter().collect(), annotation)),
        }
    }
    let mut annotations: Vec<Annotation> = found.into_iter().map(|(stacks, one)| with_stacks(&stacks, one)).collect();
    if context.is_gated {
        annotations.extend(version_differences(record, sources));
    }
    annotations
}

fn is_difference_of_versions(record: &Record, case: &TestCase) -> bool {
    let has_changed = record.comparison.is_some() && record.gate.facts == FactsVerdict::Changed;
    has_changed && case.subject == Subject::Gate && case.name == "exact facts"
}

/// The annotation of a case that failed, and the stack that it is about.
fn annotation(case: &TestCase, sources: &SourceLines) -> Option<(Option<String>, Annotation)> {
    let (message, details) = match &case.outcome {
        TestOutcome::Failed { message, details } | TestOutcome::Errored { message, details } => (message, details),
        TestOutcome::Passed { .. } | TestOutcome::Skipped { .. } => return None,
    };
    let text = match details.is_empty() || details == message {
        true => message.clone(),
        false => format!("{message}\n{details}"),
    };
    let (stack, title, location) = match &case.subject {
        Subject::Stack(stack) => (Some(stack.clone()), "could not run".to_owned(), sources.stack(stack, &text)),
        Subject::Check { stack, check, request } => {
            (Some(stack.clone()), format!("check failed: {check}"), sources.check(check, request))
        }
        Subject::Load(load) => (None, case.name.clone(), sources.at(sources.lines.load(load))),
        Subject::Gate => (None, case.name.clone(), sources.at(sources.lines.gate)),
    };
    Some((stack, Annotation { level: Level::Error, location, title, message: text }))
}

fn with_stacks(stacks: &[String], annotation: Annotation) -> Annotation {
    match stacks {
        [] => annotation,
        stacks => Annotation { title: format!("{} ({})", annotation.title, stacks.join(", ")), ..annotation },
    }
}

/// The differences between two versions: one annotation for each check that shows some.
fn version_differences(record: &Record, sources: &SourceLines) -> Vec<Annotation> {
    if record.comparison.is_none() {
        return Vec::new();
    }
    let mut annotations: Vec<Annotation> = Vec::new();
    for of_stack in &record.differences {
        let checks = record.stacks.iter().filter(|stack| stack.name == of_stack.stack).flat_map(|stack| &stack.checks);
        for check in checks {
            let shown = of_stack.differences.iter().filter(|found| found.check == check.name);
            let lines: Vec<String> = shown
                .map(|found| {
                    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
                    let difference = &found.difference;
                    let (before, now) = (value(&difference.reference), value(&difference.other));
                    format!("{}\n  - {before}\n  + {now}", difference.field)
                })
                .collect();
            if !lines.is_empty() {
                annotations.push(Annotation {
                    level: Level::Error,
                    location: sources.check(&check.name, &check.request),
                    title: format!("changed: {} ({})", check.request, of_stack.stack),
                    message: lines.join("\n"),
                });
            }
        }
    }
    annotations
}

/// The annotation of a finding of `lab lint`.
#[must_use]
pub fn lint_annotation(finding: &Finding) -> Annotation {
    Annotation {
        level: match finding.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Advice => Level::Notice,
        },
        location: Location { file: finding.location.file.display().to_string(), line: finding.location.line },
        title: finding.rule.to_owned(),
        message: format!("{}\nwhy: {}\nfix: {}", finding.message, finding.why, finding.fix),
    }
}

impl SourceLines {
    /// A line of the scenario; its first one if nobody knows better.
    fn at(&self, line: Option<usize>) -> Location {
        Location { file: self.scenario.clone(), line: line.unwrap_or(1) }
    }

    /// The line of a configuration that an error names, or else where the stack is defined.
    fn stack(&self, stack: &str, error: &str) -> Location {
        let named = self.configurations.iter().find_map(|(name, file)| {
            let line = line_after(error, name)?;
            Some(Location { file: file.clone(), line })
        });
        named.unwrap_or_else(|| self.at(self.lines.stack(stack)))
    }

    /// The view that serves a check's request, or else where the check is written.
    fn check(&self, check: &str, request: &str) -> Location {
        let target = request.split(' ').nth(1).unwrap_or_default();
        let matching = self.routes.iter().filter(|(_, route)| route.matches(target));
        let view = matching.min_by_key(|(_, route)| route.wildcards());
        let view = view.map(|(file, route)| Location { file: file.clone(), line: route.line });
        view.unwrap_or_else(|| self.at(self.lines.check(check)))
    }
}

/// The number in `text` after `name:`, as programs report a position.
fn line_after(text: &str, name: &str) -> Option<usize> {
    text.match_indices(name).find_map(|(at, _)| {
        let rest = text[at + name.len()..].strip_prefix(':')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok().filter(|line| *line > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_in_an_error_is_found() {
        let error = "nginx: [emerg] unknown directive \"foo\" in /tmp/run/nginx.conf:12\nnginx: test failed";
        assert_eq!(line_after(error, "nginx.conf"), Some(12));
        assert_eq!(line_after(error, "other.conf"), None);
        assert_eq!(line_after("nginx.conf: no line", "nginx.conf"), None);
    }

    #[test]
    fn check_is_annotated_at_its_view() {
        let route = |path: &str, line| ("site/shop.py".to_owned(), Route::new(path, line));
        let sources = SourceLines {
            scenario: "scenarios/shop.toml".to_owned(),
            lines: ScenarioLines::read("[[check]]\nname = \"c\"\n"),
            routes: vec![route("/<path:rest>", 30), route("/item/<int:id>", 20), route("/item/new", 10)],
            configurations: Vec::new(),
        };
        let line = |request| sources.check("c", request).line;
        assert_eq!(line("GET /item/new?x=1"), 10, "the literal route, not the pattern");
        assert_eq!(line("GET /item/7"), 20);
        assert_eq!(line("GET /a/b"), 30);
        let elsewhere = SourceLines { routes: Vec::new(), ..sources };
        assert_eq!(elsewhere.check("c", "GET /item/7"), Location { file: "scenarios/shop.toml".to_owned(), line: 1 });
    }
}
