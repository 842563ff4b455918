//! Templates of kind files, whose variables such as `{bind}` get their values when a component starts.

use std::fmt;

use crate::document::braces::{self, BracesError, Piece};

/// A variable of templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// The lab binary.
    Lab,
    /// The Python of the kind's environment.
    Python,
    /// The folder of the kind's environment.
    Venv,
    /// The folder of programs of the kind's environment.
    Bin,
    /// The program of the kind's package.
    Program,
    /// The listening address, without port.
    Host,
    /// The listening port.
    Port,
    /// `host:port` of the listener.
    Bind,
    /// The number of the inherited listening descriptor.
    Fd,
    /// The component's work folder.
    Folder,
    /// The configuration file.
    Config,
    /// The kind's launcher script.
    Launcher,
    /// The number of workers.
    Workers,
    /// The number of threads of each worker.
    Threads,
    /// `module:callable` of a WSGI application.
    App,
    /// The module of a WSGI application.
    Module,
    /// The callable of a WSGI application.
    Callable,
    /// The folder of a WSGI application's module.
    Path,
    /// The name of an app built into lab.
    Native,
    /// `host:port` of a proxy's upstream.
    Upstream,
}

impl Variable {
    /// Every variable with its name.
    pub const ALL: [(Variable, &'static str); 20] = [
        (Variable::Lab, "lab"),
        (Variable::Python, "python"),
        (Variable::Venv, "venv"),
        (Variable::Bin, "bin"),
        (Variable::Program, "program"),
        (Variable::Host, "host"),
        (Variable::Port, "port"),
        (Variable::Bind, "bind"),
        (Variable::Fd, "fd"),
        (Variable::Folder, "folder"),
        (Variable::Config, "config"),
        (Variable::Launcher, "launcher"),
        (Variable::Workers, "workers"),
        (Variable::Threads, "threads"),
        (Variable::App, "app"),
        (Variable::Module, "module"),
        (Variable::Callable, "callable"),
        (Variable::Path, "path"),
        (Variable::Native, "native"),
        (Variable::Upstream, "upstream"),
    ];

    /// The name in kind files, without braces.
    #[must_use]
    pub fn name(self) -> &'static str {
        Variable::ALL.iter().find(|(variable, _)| *variable == self).map_or("", |(_, name)| name)
    }
}

/// A text with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

impl Template {
    /// # Errors
    /// An unknown name, or an unpaired brace.
    pub(crate) fn parse(text: &str) -> Result<Template, BracesError> {
        let part = |piece| match piece {
            Piece::Literal(text) => Ok(Part::Text(text)),
            Piece::Name(name, part) => match Variable::ALL.iter().find(|(_, known)| *known == name) {
                Some((variable, _)) => Ok(Part::Variable(*variable)),
                None => Err(BracesError::Unknown { name, part }),
            },
        };
        Ok(Template(braces::split(text)?.into_iter().map(part).collect::<Result<_, _>>()?))
    }

    pub fn variables(&self) -> impl Iterator<Item = Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(*variable),
            Part::Text(_) => None,
        })
    }

    /// The text with all variables replaced by their values.
    ///
    /// # Errors
    /// The first variable without a value.
    pub fn fill(&self, value: &dyn Fn(Variable) -> Option<String>) -> Result<String, Variable> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => Ok(text.clone()),
                Part::Variable(variable) => value(*variable).ok_or(*variable),
            })
            .collect()
    }
}

/// Writes the source text.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Variable(variable) => write!(f, "{{{}}}", variable.name()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_missing_ones_named() {
        let template = Template::parse("--bind={host}:{port} {{x}}").unwrap();
        let values = |value| match value {
            Variable::Host => Some("127.0.0.1".to_owned()),
            Variable::Port => Some("80".to_owned()),
            _ => None,
        };
        assert_eq!(template.fill(&values).unwrap(), "--bind=127.0.0.1:80 {x}");
        assert_eq!(template.to_string(), "--bind={host}:{port} {{x}}");
        assert_eq!(Template::parse("{fd}").unwrap().fill(&values), Err(Variable::Fd));
        assert!(matches!(Template::parse("{prot}"), Err(BracesError::Unknown { .. })));
    }

    #[test]
    fn every_variable_has_a_unique_name() {
        for (value, name) in Variable::ALL {
            assert_eq!(value.name(), name);
            assert_eq!(Template::parse(&format!("{{{name}}}")).unwrap().variables().collect::<Vec<_>>(), [value]);
        }
    }
}
