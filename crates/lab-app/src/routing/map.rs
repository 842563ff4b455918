//! The rules of an app, and the state machine that matches a path.

use std::collections::{BTreeMap, HashMap};

use http::Method;

use super::parts::{DynamicPart, Part, Suffix};
use super::rule::{CompiledRule, Rule, RuleError};
use super::value::{PathValue, ValueKind};

/// The rules of an app (`app.url_map`).
#[derive(Debug, Default)]
pub struct RuleMap {
    pub(super) rules: Vec<CompiledRule>,
    /// The rules of each endpoint in the order of `url_for`: those with more variables first.
    pub(super) by_endpoint: HashMap<String, Vec<usize>>,
    root: State,
}

/// The result of routing.
#[derive(Debug, Clone, PartialEq)]
pub enum RouteMatch {
    Rule {
        /// In the order of registration.
        index: usize,
        /// The converted variables, in the order of the rule.
        values: Vec<PathValue>,
    },
    /// OPTIONS for a path whose rules do not handle it, with the allowed methods.
    AutomaticOptions(Vec<Method>),
    /// 308 to this path: a rule matches with a slash appended or with consecutive slashes merged.
    Redirect(String),
    /// Rules match the path but not the method; with the allowed methods.
    MethodNotAllowed(Vec<Method>),
    NotFound,
}

#[derive(Debug, Default)]
struct State {
    fixed: BTreeMap<String, State>,
    dynamic: Vec<(DynamicPart, State)>,
    rules: Vec<usize>,
}

impl RuleMap {
    /// Adds a rule and returns its index. `default_endpoint` applies if the rule has no endpoint.
    ///
    /// # Errors
    /// The rule is malformed.
    pub fn add(&mut self, rule: Rule, default_endpoint: Option<&str>) -> Result<usize, RuleError> {
        let rule = rule.compile(default_endpoint)?;
        let index = self.rules.len();
        self.root.insert(&rule.parts, index);
        let siblings = self.by_endpoint.entry(rule.endpoint.clone()).or_default();
        siblings.push(index);
        self.rules.push(rule);
        siblings.sort_by_key(|index| std::cmp::Reverse(self.rules[*index].variables.len()));
        Ok(index)
    }

    #[must_use]
    pub fn endpoint(&self, index: usize) -> &str {
        &self.rules[index].endpoint
    }

    /// The kinds of a rule's variables, in the order of the rule.
    #[must_use]
    pub fn value_kinds(&self, index: usize) -> Vec<ValueKind> {
        self.rules[index].variables.iter().map(|(_, converter)| converter.kind()).collect()
    }

    /// The names of a rule's variables, in the order of the rule (the keys of `request.view_args`).
    pub fn variable_names(&self, index: usize) -> impl Iterator<Item = &str> {
        self.rules[index].variables.iter().map(|(name, _)| name.as_str())
    }

    /// Finds the rule for a decoded path that starts with one slash.
    #[must_use]
    pub fn find(&self, path: &str, method: &Method) -> RouteMatch {
        let mut search = Search { rules: &self.rules, method, allowed: Vec::new() };
        let mut values = Vec::new();
        match self.root.walk(Some(&path[1..]), &mut values, &mut search) {
            Step::Rule(index) => return self.convert(search, path, index, &values),
            Step::SlashRequired => return RouteMatch::Redirect(format!("{path}/")),
            Step::None => {}
        }
        if path.contains("//") {
            let merged = merge_slashes(path);
            match self.root.walk(Some(&merged[1..]), &mut Vec::new(), &mut search) {
                Step::Rule(_) => return RouteMatch::Redirect(merged),
                Step::SlashRequired => return RouteMatch::Redirect(format!("{merged}/")),
                Step::None => {}
            }
        }
        no_match(search.allowed)
    }

    /// The allowed methods of a path, sorted (`MapAdapter.allowed_methods`, which has no defined order).
    #[must_use]
    pub fn allowed_methods(&self, path: &str) -> Vec<Method> {
        // OK because a method of this name is a valid token
        let unknown = Method::from_bytes(b"--").unwrap_or_default();
        match self.find(path, &unknown) {
            RouteMatch::MethodNotAllowed(methods) => methods,
            _ => Vec::new(),
        }
    }

    fn convert(&self, search: Search<'_>, path: &str, index: usize, texts: &[&str]) -> RouteMatch {
        let rule = &self.rules[index];
        let converted = rule.variables.iter().zip(texts).map(|((_, converter), text)| converter.to_value(text));
        match converted.collect() {
            None => no_match(search.allowed),
            Some(_) if rule.automatic_options && *search.method == Method::OPTIONS => {
                RouteMatch::AutomaticOptions(self.allowed_methods(path))
            }
            Some(values) => RouteMatch::Rule { index, values },
        }
    }
}

/// The context of one search.
struct Search<'a> {
    rules: &'a [CompiledRule],
    method: &'a Method,
    /// The methods of rules that match the path but not the method.
    allowed: Vec<Method>,
}

enum Step {
    Rule(usize),
    SlashRequired,
    None,
}

impl Search<'_> {
    /// The first of these rules that allows the method.
    fn choose(&mut self, rules: &[usize]) -> Option<usize> {
        for index in rules {
            let methods = &self.rules[*index].methods;
            if methods.contains(self.method) {
                return Some(*index);
            }
            self.allowed.extend_from_slice(methods);
        }
        None
    }
}

impl State {
    fn insert(&mut self, parts: &[Part], index: usize) {
        let next = match parts {
            [] => return self.rules.push(index),
            [Part::Static(text), ..] => self.fixed.entry(text.clone()).or_default(),
            [Part::Dynamic(part), ..] => {
                let position = self.dynamic.iter().position(|(known, _)| known == part).unwrap_or_else(|| {
                    // After parts of the same weight, which are tried in the order of registration.
                    let position = self.dynamic.partition_point(|(known, _)| known.weight <= part.weight);
                    self.dynamic.insert(position, (part.clone(), State::default()));
                    position
                });
                &mut self.dynamic[position].1
            }
        };
        next.insert(&parts[1..], index);
    }

    /// Matches the rest of a path; `None` is its end, `Some("")` a trailing slash.
    fn walk<'p>(&self, rest: Option<&'p str>, values: &mut Vec<&'p str>, search: &mut Search<'_>) -> Step {
        let Some(rest) = rest else { return self.arrive(search) };
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        if let Some(next) = self.fixed.get(segment) {
            match next.walk(after, values, search) {
                Step::None => {}
                found => return found,
            }
        }
        for (part, next) in &self.dynamic {
            let position = values.len();
            let (text, after) = if part.takes_rest { (rest, None) } else { (segment, after) };
            let Some(suffix) = part.matches(text, values) else { continue };
            let after = if suffix == Suffix::Slash { Some("") } else { after };
            match next.walk(after, values, search) {
                Step::None => values.truncate(position),
                found => return found,
            }
        }
        if rest.is_empty() {
            // Rules without strict slashes accept a trailing slash.
            let rules = search.rules;
            let lenient: Vec<usize> =
                self.rules.iter().copied().filter(|index| !rules[*index].strict_slashes).collect();
            return search.choose(&lenient).map_or(Step::None, Step::Rule);
        }
        Step::None
    }

    fn arrive(&self, search: &mut Search<'_>) -> Step {
        if let Some(index) = search.choose(&self.rules) {
            return Step::Rule(index);
        }
        let Some(slash) = self.fixed.get("") else { return Step::None };
        let rules = search.rules;
        match slash.rules.iter().find(|index| rules[**index].methods.contains(search.method)) {
            Some(index) if rules[*index].strict_slashes => Step::SlashRequired,
            Some(index) => Step::Rule(*index),
            None => Step::None,
        }
    }
}

fn no_match(mut allowed: Vec<Method>) -> RouteMatch {
    if allowed.is_empty() {
        return RouteMatch::NotFound;
    }
    allowed.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    allowed.dedup();
    RouteMatch::MethodNotAllowed(allowed)
}

fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    merged
}
