//! Rules: their syntax, their options, and their compiled form.

use http::Method;

use super::converter::Converter;
use super::converter_arguments::{self, is_identifier};
use super::converter_error::ConverterError;
use super::parts::{DynamicPart, Part, Piece, Weight};

/// A rule with its options, as in `@app.route("/user/<int:id>")`.
///
/// A `&str` converts into a rule without options:
///
/// ```
/// use http::Method;
/// use lab_app::Rule;
///
/// let rule = Rule::new("/user/<int:id>").endpoint("user").methods([Method::GET, Method::PUT]);
/// assert_eq!(rule.text(), "/user/<int:id>");
/// ```
#[derive(Debug, Clone)]
pub struct Rule {
    text: String,
    endpoint: Option<String>,
    methods: Vec<Method>,
    strict_slashes: bool,
}

/// The reason why a rule cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// werkzeug's "urls must start with a leading slash".
    #[error("the rule `{0}` does not start with a slash")]
    NoLeadingSlash(String),
    /// A `<` that does not start `<name>`, `<converter:name>` or `<converter(arguments):name>`.
    #[error(
        "cannot parse the rule `{rule}` at `{at}`: <name>, <converter:name> or <converter(arguments):name> is accepted"
    )]
    Malformed {
        rule: String,
        /// The rest of the rule, where parsing stopped.
        at: String,
    },
    #[error("the rule `{rule}` names the variable `{name}` twice")]
    RepeatedVariable { rule: String, name: String },
    /// A converter that does not exist or does not accept its arguments.
    #[error("in the rule `{rule}`: {error}")]
    Converter { rule: String, error: ConverterError },
}

/// A rule ready for matching and building.
#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) endpoint: String,
    pub(super) methods: Vec<Method>,
    pub(super) automatic_options: bool,
    pub(super) strict_slashes: bool,
    pub(super) variables: Vec<(String, Converter)>,
    pub(super) parts: Vec<Part>,
    pub(super) trace: Vec<Trace>,
}

/// A step of building a URL from a rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trace {
    Literal(String),
    /// An index into the variables.
    Variable(usize),
}

impl Rule {
    /// A rule for GET (and so HEAD and OPTIONS), with strict slashes, its endpoint named after the handler.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), endpoint: None, methods: vec![Method::GET], strict_slashes: true }
    }

    /// Sets the endpoint's name for `url_for`. Default: the name of the handler function, as in Flask, or the rule
    /// itself for a closure.
    #[must_use]
    pub fn endpoint(mut self, name: impl Into<String>) -> Self {
        self.endpoint = Some(name.into());
        self
    }

    /// Sets the methods. GET includes HEAD, and OPTIONS is automatic unless it is listed.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Whether `/about` redirects to a rule `/about/`, and `/about/` does not match a rule `/about` (the default, as in
    /// werkzeug).
    #[must_use]
    pub fn strict_slashes(mut self, yes: bool) -> Self {
        self.strict_slashes = yes;
        self
    }

    /// The rule as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Compiles the rule. `default_endpoint` applies if the rule has no endpoint.
    pub(super) fn compile(self, default_endpoint: Option<&str>) -> Result<CompiledRule, RuleError> {
        let mut compiler = Compiler::default();
        compiler.compile(&self.text)?;
        let mut methods = self.methods;
        if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
            methods.push(Method::HEAD);
        }
        let automatic_options = !methods.contains(&Method::OPTIONS);
        if automatic_options {
            methods.push(Method::OPTIONS);
        }
        Ok(CompiledRule {
            endpoint: self.endpoint.or_else(|| default_endpoint.map(str::to_owned)).unwrap_or(self.text),
            methods,
            automatic_options,
            strict_slashes: self.strict_slashes,
            variables: compiler.variables,
            parts: compiler.parts,
            trace: compiler.trace,
        })
    }
}

impl From<&str> for Rule {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Rule {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// The state of a compilation: the finished parts, and the current one.
#[derive(Default)]
struct Compiler {
    parts: Vec<Part>,
    trace: Vec<Trace>,
    variables: Vec<(String, Converter)>,
    pieces: Vec<Piece>,
    weight: Weight,
    takes_rest: bool,
}

impl Compiler {
    /// Compiles a rule. The leading slash starts the first part, and consecutive slashes count as one
    /// (`merge_slashes`).
    fn compile(&mut self, rule: &str) -> Result<(), RuleError> {
        let mut rest = rule.strip_prefix('/').ok_or_else(|| RuleError::NoLeadingSlash(rule.to_owned()))?;
        self.trace.push(Trace::Literal("/".to_owned()));
        rest = rest.trim_start_matches('/');
        while let Some(first) = rest.chars().next() {
            match first {
                '/' => {
                    self.slash();
                    rest = rest.trim_start_matches('/');
                }
                '<' => {
                    let (variable, after) = parse_variable(rest)
                        .ok_or_else(|| RuleError::Malformed { rule: rule.to_owned(), at: rest.to_owned() })?;
                    self.variable(rule, &variable)?;
                    rest = after;
                }
                _ => {
                    let end = rest.find(['/', '<']).unwrap_or(rest.len());
                    self.literal(&rest[..end]);
                    rest = &rest[end..];
                }
            }
        }
        self.end();
        Ok(())
    }

    fn literal(&mut self, literal: &str) {
        self.weight.add_literal(literal);
        self.trace.push(Trace::Literal(literal.to_owned()));
        self.push_literal(literal);
    }

    fn slash(&mut self) {
        self.trace.push(Trace::Literal("/".to_owned()));
        if self.takes_rest {
            self.push_literal("/");
        } else {
            self.finish_part(false);
        }
    }

    fn variable(&mut self, rule: &str, variable: &Variable<'_>) -> Result<(), RuleError> {
        if self.variables.iter().any(|(name, _)| name == variable.name) {
            return Err(RuleError::RepeatedVariable { rule: rule.to_owned(), name: variable.name.to_owned() });
        }
        let converter = converter_arguments::parse(variable.arguments)
            .and_then(|arguments| Converter::new(variable.converter, arguments))
            .map_err(|error| RuleError::Converter { rule: rule.to_owned(), error })?;
        self.weight.add_variable(&converter.pattern);
        self.takes_rest |= !converter.pattern.stays_in_segment();
        self.pieces.push(Piece::Variable(converter.pattern.clone()));
        self.trace.push(Trace::Variable(self.variables.len()));
        self.variables.push((variable.name.to_owned(), converter));
        Ok(())
    }

    fn end(&mut self) {
        let optional_slash = self.takes_rest && self.take_last_slash();
        self.finish_part(optional_slash);
        if optional_slash {
            self.parts.push(Part::Static(String::new()));
        }
    }

    fn take_last_slash(&mut self) -> bool {
        let Some(Piece::Literal(literal)) = self.pieces.last_mut() else { return false };
        if literal.ends_with('/') {
            literal.pop();
            if literal.is_empty() {
                self.pieces.pop();
            }
            return true;
        }
        false
    }

    fn push_literal(&mut self, literal: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Literal(last)) => last.push_str(literal),
            _ => self.pieces.push(Piece::Literal(literal.to_owned())),
        }
    }

    fn finish_part(&mut self, optional_slash: bool) {
        let pieces = std::mem::take(&mut self.pieces);
        let weight = std::mem::take(&mut self.weight);
        let takes_rest = std::mem::take(&mut self.takes_rest);
        self.parts.push(match pieces.as_slice() {
            [] => Part::Static(String::new()),
            [Piece::Literal(literal)] => Part::Static(literal.clone()),
            _ => Part::Dynamic(DynamicPart { pieces, takes_rest, optional_slash, weight }),
        });
    }
}

/// `<converter(arguments):name>`
struct Variable<'r> {
    converter: &'r str,
    arguments: &'r str,
    name: &'r str,
}

/// Parses a variable at the start of `text`; returns it and the text after it.
fn parse_variable(text: &str) -> Option<(Variable<'_>, &str)> {
    let inside = text.strip_prefix('<')?;
    let word = &inside[..inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inside.len())];
    let after = &inside[word.len()..];
    if !is_identifier(word) {
        return None;
    }
    if let Some(rest) = after.strip_prefix('>') {
        return Some((Variable { converter: "default", arguments: "", name: word }, rest));
    }
    if let Some(after) = after.strip_prefix(':') {
        let (name, rest) = after.split_once('>')?;
        return is_identifier(name).then_some((Variable { converter: word, arguments: "", name }, rest));
    }
    // The arguments end at the first `):name>`, even within quotes.
    let arguments = after.strip_prefix('(')?;
    arguments.match_indices("):").find_map(|(end, _)| {
        let (name, rest) = arguments[end + 2..].split_once('>')?;
        is_identifier(name).then_some((Variable { converter: word, arguments: &arguments[..end], name }, rest))
    })
}
