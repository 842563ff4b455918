//! Texts of a kind file that are filled in when a component is started: `{bind}`, `{workers}`.

use std::fmt;

use crate::document::braces::{self, BracesError, Piece};

/// What a text can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// The lab binary.
    Lab,
    /// The Python of the kind's environment.
    Python,
    /// The folder of that environment.
    Venv,
    /// The folder of its programs.
    Bin,
    /// The program a package brings.
    Program,
    /// The address to listen at, without port.
    Host,
    /// The port to listen at.
    Port,
    /// Both, with a colon between.
    Bind,
    /// The number of the descriptor of the listening socket that is handed over.
    Fd,
    /// The folder of this start, for whatever is written.
    Folder,
    /// The configuration file.
    Config,
    /// The kind's script.
    Launcher,
    /// How many workers.
    Workers,
    /// How many threads each worker has.
    Threads,
    /// `module:callable` of a WSGI application.
    App,
    /// Its module.
    Module,
    /// Its callable.
    Callable,
    /// The folder its module is found in.
    Path,
    /// The name of an app built into lab.
    Native,
    /// `host:port` of what a proxy passes on to.
    Upstream,
}

impl Value {
    /// Every value with its name.
    pub const ALL: [(Value, &'static str); 20] = [
        (Value::Lab, "lab"),
        (Value::Python, "python"),
        (Value::Venv, "venv"),
        (Value::Bin, "bin"),
        (Value::Program, "program"),
        (Value::Host, "host"),
        (Value::Port, "port"),
        (Value::Bind, "bind"),
        (Value::Fd, "fd"),
        (Value::Folder, "folder"),
        (Value::Config, "config"),
        (Value::Launcher, "launcher"),
        (Value::Workers, "workers"),
        (Value::Threads, "threads"),
        (Value::App, "app"),
        (Value::Module, "module"),
        (Value::Callable, "callable"),
        (Value::Path, "path"),
        (Value::Native, "native"),
        (Value::Upstream, "upstream"),
    ];

    /// The name in kind files, without braces.
    #[must_use]
    pub fn name(self) -> &'static str {
        Value::ALL.iter().find(|(value, _)| *value == self).map_or("", |(_, name)| name)
    }
}

/// A text with values to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Value),
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// A name that is no value's, or a brace alone.
    pub(crate) fn parse(text: &str) -> Result<Template, BracesError> {
        let part = |piece| match piece {
            Piece::Literal(text) => Ok(Part::Text(text)),
            Piece::Name(name, part) => match Value::ALL.iter().find(|(_, known)| *known == name) {
                Some((value, _)) => Ok(Part::Value(*value)),
                None => Err(BracesError::Unknown { name, part }),
            },
        };
        Ok(Template(braces::split(text)?.into_iter().map(part).collect::<Result<_, _>>()?))
    }

    /// The values it asks for.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(value) => Some(*value),
            Part::Text(_) => None,
        })
    }

    /// The text with every value filled in.
    ///
    /// # Errors
    /// The first value that there is none of.
    pub fn fill(&self, value: &dyn Fn(Value) -> Option<String>) -> Result<String, Value> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => Ok(text.clone()),
                Part::Value(asked) => value(*asked).ok_or(*asked),
            })
            .collect()
    }
}

/// As it stands in the file.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Value(value) => write!(f, "{{{}}}", value.name()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_and_what_is_missing_is_named() {
        let template = Template::parse("--bind={host}:{port} {{x}}").unwrap();
        let values = |value| match value {
            Value::Host => Some("127.0.0.1".to_owned()),
            Value::Port => Some("80".to_owned()),
            _ => None,
        };
        assert_eq!(template.fill(&values).unwrap(), "--bind=127.0.0.1:80 {x}");
        assert_eq!(template.to_string(), "--bind={host}:{port} {{x}}");
        assert_eq!(Template::parse("{fd}").unwrap().fill(&values), Err(Value::Fd));
        assert!(matches!(Template::parse("{prot}"), Err(BracesError::Unknown { .. })));
    }

    #[test]
    fn every_value_has_a_name_of_its_own() {
        for (value, name) in Value::ALL {
            assert_eq!(value.name(), name);
            assert_eq!(Template::parse(&format!("{{{name}}}")).unwrap().values().collect::<Vec<_>>(), [value]);
        }
    }
}
