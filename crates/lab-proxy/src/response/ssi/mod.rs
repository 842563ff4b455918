//! Server side includes: the commands of `ssi`.
//!
//! A [`Page`] is pushed the content of one response, and returns the pages to include. It sends nothing: the caller
//! fetches them.

mod escape;
mod parser;
mod state;
mod text;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::location::filters::ssi::SsiConfig;
use crate::eval::Scope;
use crate::routing::uri;
use crate::variables::pattern::Pattern;
use crate::variables::{DefinedVariables, Variable};
use escape::{escape_entities, escape_url};
pub(crate) use parser::Token;
use parser::{Command, Parser};
pub(crate) use state::SsiState;
use text::Expression;

/// A page that a command includes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Include {
    /// The path, decoded.
    pub(crate) path: Vec<u8>,
    pub(crate) args: Option<Vec<u8>>,
    /// The variable that gets the content, which is left out of the page then.
    pub(crate) variable: Option<Vec<u8>>,
    /// The content in place of an empty one, or of an error.
    pub(crate) stub: Option<Vec<u8>>,
}

/// What follows from a piece of content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Text(Vec<u8>),
    Include(Include),
    /// A command failed: a message for the error log.
    Failed(String),
}

/// The state of one page.
#[derive(Debug)]
pub(crate) struct Page<'c> {
    config: &'c SsiConfig,
    defined: &'c DefinedVariables,
    parser: Parser,
    tokens: Vec<Token>,
    error_text: Vec<u8>,
    time_format: String,
    encoding: Encoding,
    branch: Branch,
    /// Whether one of the branches so far was chosen.
    is_decided: bool,
    /// Whether text is left out, in a block or in a branch that was not chosen.
    is_skipped: bool,
    /// Whether the omitted part belongs to a block.
    is_in_block: bool,
}

/// The part of a condition that the page is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Branch {
    Outside,
    If,
    Else,
}

/// How `echo` writes values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    None,
    Url,
    Entity,
}

/// The parameters of each command, those that must be there first.
const COMMANDS: &[(&str, usize, &[&str])] = &[
    ("include", 0, &["virtual", "file", "wait", "set", "stub"]),
    ("echo", 1, &["var", "default", "encoding"]),
    ("config", 0, &["errmsg", "timefmt"]),
    ("set", 2, &["var", "value"]),
    ("if", 1, &["expr"]),
    ("elif", 1, &["expr"]),
    ("else", 0, &[]),
    ("endif", 0, &[]),
    ("block", 1, &["name"]),
    ("endblock", 0, &[]),
];

impl<'c> Page<'c> {
    pub(crate) fn new(config: &'c SsiConfig, defined: &'c DefinedVariables) -> Page<'c> {
        Page {
            parser: Parser::new(config.value_length),
            config,
            defined,
            tokens: Vec::new(),
            error_text: b"[an error occurred while processing the directive]".to_vec(),
            time_format: "%A, %d-%b-%Y %H:%M:%S %Z".to_owned(),
            encoding: Encoding::Entity,
            branch: Branch::Outside,
            is_decided: false,
            is_skipped: false,
            is_in_block: false,
        }
    }

    /// Splits a piece of content into tokens for [`process`](Page::process); none at the end of the content.
    pub(crate) fn split(&mut self, content: Option<&[u8]>) -> Vec<Token> {
        let mut tokens = std::mem::take(&mut self.tokens);
        match content {
            Some(content) => self.parser.push(content, &mut tokens),
            None => self.parser.finish(&mut tokens),
        }
        tokens
    }

    /// Executes a token.
    pub(crate) fn process(&mut self, token: Token, state: &mut SsiState, scope: &Scope<'_>) -> Option<Step> {
        match token {
            Token::Text(text) if self.is_in_block => {
                state.append_to_block(&text);
                None
            }
            Token::Text(text) => (!self.is_skipped).then_some(Step::Text(text)),
            Token::Malformed(message) => Some(Step::Failed(message)),
            Token::Command(command) => {
                self.execute(&command, state, scope).unwrap_or_else(|message| Some(Step::Failed(message)))
            }
        }
    }

    /// The text in place of a command that failed.
    pub(crate) fn error_text(&self) -> &[u8] {
        if self.config.is_silent { b"" } else { &self.error_text }
    }

    fn execute(&mut self, command: &Command, state: &mut SsiState, scope: &Scope<'_>) -> Result<Option<Step>, String> {
        let name = String::from_utf8_lossy(&command.name);
        let Some((_, required, names)) = COMMANDS.iter().find(|(own, ..)| *own == name) else {
            return if self.is_skipped { Ok(None) } else { Err(format!("invalid SSI command: \"{name}\"")) };
        };
        let is_in_context = match &*name {
            "endblock" => true,
            _ if self.is_in_block => {
                state.append_command_to_block(command);
                return Ok(None);
            }
            "elif" | "else" => self.branch == Branch::If,
            "endif" => self.branch != Branch::Outside,
            _ if self.is_skipped => return Ok(None),
            _ => true,
        };
        if !is_in_context {
            return Err(format!("invalid context of SSI command: \"{name}\""));
        }
        for (index, (own, _)) in command.parameters.iter().enumerate() {
            let own = String::from_utf8_lossy(own);
            if !names.contains(&&*own) {
                return Err(format!("invalid parameter name: \"{own}\" in \"{name}\" SSI command"));
            }
            if command.parameters[..index].iter().any(|(other, _)| *other == own.as_bytes()) {
                return Err(format!("duplicate \"{own}\" parameter in \"{name}\" SSI command"));
            }
        }
        let parameter =
            |name: &str| command.parameters.iter().find(|(own, _)| own == name.as_bytes()).map(|(_, value)| &value[..]);
        if let Some(missing) = names[..*required].iter().find(|name| parameter(name).is_none()) {
            return Err(format!("mandatory \"{missing}\" parameter is absent in \"{name}\" SSI command"));
        }
        let required = |name: &str| parameter(name).unwrap_or_default();
        match &*name {
            "include" => {
                let include = self.include(parameter, state, scope)?;
                return Ok(Some(Step::Include(include)));
            }
            "echo" => return Ok(Some(self.echo(required("var"), parameter, state, scope))),
            "config" => {
                if let Some(format) = parameter("timefmt") {
                    self.time_format = String::from_utf8_lossy(format).into_owned();
                }
                if let Some(text) = parameter("errmsg") {
                    self.error_text = text.to_vec();
                }
            }
            "set" => {
                let value = self.evaluate(required("value"), state, scope)?;
                state.set(required("var"), value);
            }
            "if" if self.branch != Branch::Outside => {
                return Err("the \"if\" command inside the \"if\" command".to_owned());
            }
            "if" | "elif" => {
                self.is_skipped = self.is_decided || !self.holds(required("expr"), state, scope)?;
                self.is_decided |= !self.is_skipped;
                self.branch = Branch::If;
            }
            "else" => {
                self.is_skipped = self.is_decided;
                self.is_decided = true;
                self.branch = Branch::Else;
            }
            "block" => {
                state.begin_block(required("name"));
                self.is_skipped = true;
                self.is_in_block = true;
            }
            // as in nginx: it also ends what a condition left out
            "endblock" => {
                self.is_skipped = false;
                self.is_in_block = false;
            }
            _ => {
                self.is_skipped = false;
                self.is_decided = false;
                self.branch = Branch::Outside;
            }
        }
        Ok(None)
    }

    fn include<'p>(
        &self,
        parameter: impl Fn(&str) -> Option<&'p [u8]>,
        state: &SsiState,
        scope: &Scope<'_>,
    ) -> Result<Include, String> {
        let target = match (parameter("virtual"), parameter("file")) {
            (Some(target), None) => target,
            (None, Some(_)) if parameter("wait").is_some() => {
                return Err("\"wait\" cannot be used with file".to_owned());
            }
            (None, Some(target)) => target,
            (Some(path), Some(file)) => {
                let [path, file] = [path, file].map(|text| text.escape_ascii());
                return Err(format!("inclusion may be either virtual=\"{path}\" or file=\"{file}\""));
            }
            (None, None) => return Err("no parameter in \"include\" SSI command".to_owned()),
        };
        if parameter("set").is_some() && parameter("stub").is_some() {
            return Err("\"set\" and \"stub\" cannot be used together in \"include\" SSI command".to_owned());
        }
        if let Some(wait) = parameter("wait").filter(|wait| !matches!(*wait, b"yes" | b"no")) {
            return Err(format!("invalid value \"{}\" in the \"wait\" parameter", wait.escape_ascii()));
        }
        let mut target = self.evaluate(target, state, scope)?;
        if target.first() != Some(&b'/') {
            let uri = &scope.route.uri;
            let folder = memchr::memrchr(b'/', uri).map_or(0, |slash| slash + 1);
            target.splice(0..0, uri[..folder].iter().copied());
        }
        let unsafe_target = || format!("unsafe URI \"{}\" was detected", target.escape_ascii());
        let (path, args) = uri::safe(&target).ok_or_else(unsafe_target)?;
        let block = |name: &[u8]| {
            let unknown = || format!("\"stub\"=\"{}\" for \"include\" not found", name.escape_ascii());
            state.block(name).cloned().ok_or_else(unknown)
        };
        let stub = parameter("stub").map(block).transpose()?;
        Ok(Include { path, args, variable: parameter("set").map(<[u8]>::to_vec), stub })
    }

    fn echo<'p>(
        &mut self,
        name: &[u8],
        parameter: impl Fn(&str) -> Option<&'p [u8]>,
        state: &SsiState,
        scope: &Scope<'_>,
    ) -> Step {
        let value = self.lookup(&name.to_ascii_lowercase(), state, scope);
        let value = value.unwrap_or_else(|| parameter("default").unwrap_or(b"(none)").to_vec());
        if let Some(encoding) = parameter("encoding") {
            self.encoding = match encoding {
                b"none" => Encoding::None,
                b"url" => Encoding::Url,
                b"entity" => Encoding::Entity,
                // as in nginx: an unknown one changes nothing
                _ => self.encoding,
            };
        }
        Step::Text(match self.encoding {
            Encoding::None => value,
            Encoding::Url => escape_url(&value),
            Encoding::Entity => escape_entities(&value),
        })
    }

    /// Whether the expression of an `if` holds.
    fn holds(&self, expression: &[u8], state: &mut SsiState, scope: &Scope<'_>) -> Result<bool, String> {
        match Expression::parse(expression)? {
            Expression::Value(left) => Ok(!self.evaluate(left, state, scope)?.is_empty()),
            Expression::Text { left, right, is_negated } => {
                let is_equal = self.evaluate(left, state, scope)? == self.evaluate(right, state, scope)?;
                Ok(is_equal != is_negated)
            }
            Expression::Pattern { left, pattern, is_negated } => {
                let left = self.evaluate(left, state, scope)?;
                // as in nginx: a `$` begins a variable
                let pattern = self.evaluate(pattern, state, scope)?;
                let pattern = Pattern::new(&String::from_utf8_lossy(&pattern), false, self.defined)?;
                let values = &scope.route.values;
                let is_match = pattern.matches(&left, values);
                for (group, name) in pattern.named_groups().into_iter().filter(|_| is_match) {
                    let mut value = Vec::new();
                    values.write_capture(group, &mut value);
                    state.set(name.as_bytes(), value);
                }
                Ok(is_match != is_negated)
            }
        }
    }

    fn evaluate(&self, text: &[u8], state: &SsiState, scope: &Scope<'_>) -> Result<Vec<u8>, String> {
        text::evaluate(text, |name| self.lookup(name, state, scope))
    }

    /// The value of a variable: of `set`, of a date, or of the configuration.
    fn lookup(&self, name: &[u8], state: &SsiState, scope: &Scope<'_>) -> Option<Vec<u8>> {
        match name {
            b"date_local" => return Some(self.date(scope, TimeZone::system())),
            b"date_gmt" => return Some(self.date(scope, TimeZone::UTC)),
            _ => {}
        }
        if let Some(value) = state.variable(name) {
            return Some(value.clone());
        }
        let variable = match name {
            [digit @ b'1'..=b'9'] => Variable::Capture(usize::from(digit - b'0')),
            _ => Variable::from_name(std::str::from_utf8(name).ok()?, self.defined)?,
        };
        let mut value = Vec::new();
        scope.write(&variable, &mut value).then_some(value)
    }

    fn date(&self, scope: &Scope<'_>, zone: TimeZone) -> Vec<u8> {
        let now = Timestamp::try_from(scope.outcome.now).unwrap_or_default();
        if self.time_format == "%s" {
            return now.as_second().to_string().into_bytes();
        }
        let is_utc = zone == TimeZone::UTC;
        let format = if is_utc { self.time_format.replace("%Z", "GMT") } else { self.time_format.clone() };
        jiff::fmt::strtime::format(&format, &now.to_zoned(zone)).unwrap_or_default().into_bytes()
    }
}
