//! Templates of kind files, and the values that each may use.

use toml::Spanned;

use crate::catalog::kind::{Binds, Role};
use crate::catalog::template::{Template, Variable};
use crate::catalog::wire;
use crate::document::braces::BracesError;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::List;
use crate::document::suggest;

/// Values that are known for every component.
pub(super) const COMPONENT_VALUES: [Variable; 9] = [
    Variable::Lab,
    Variable::Python,
    Variable::Venv,
    Variable::Bin,
    Variable::Program,
    Variable::Host,
    Variable::Port,
    Variable::Bind,
    Variable::Folder,
];

/// Values that every template of a kind may use.
pub(super) fn common_values(start: &wire::Start) -> Vec<Variable> {
    let inherits = start.binds.value().is_some_and(|binds| binds.0 == Binds::Inherits);
    let mut known = COMPONENT_VALUES.to_vec();
    known.extend(inherits.then_some(Variable::Fd));
    known.extend((!start.launcher.is_absent()).then_some(Variable::Launcher));
    known
}

/// Further values for the command and the environment of a role.
pub(super) fn role_values(role: Role) -> &'static [Variable] {
    match role {
        Role::Proxy => &[Variable::Upstream, Variable::Config, Variable::Workers],
        Role::Server => &[],
    }
}

pub(super) fn templates(
    list: &Spanned<List<String>>,
    known: &[Variable],
    problems: &mut Problems<'_>,
) -> Option<Vec<Template>> {
    list.get_ref().0.iter().map(|text| template(text, known, problems)).collect()
}

pub(super) fn template(text: &Spanned<String>, known: &[Variable], problems: &mut Problems<'_>) -> Option<Template> {
    let names: Vec<&str> = known.iter().map(|variable| variable.name()).collect();
    let unknown = |name: &str| suggest::accepted(name, &names) + "; `{{` and `}}` stand for braces";
    match Template::parse(text.get_ref()) {
        Ok(template) => {
            let wrong = template.variables().find(|variable| !known.contains(variable));
            if let Some(variable) = wrong {
                let message = format!("there is no `{{{}}}` here", variable.name());
                problems.push(Diagnostic::at(text.span(), message).hint(unknown(variable.name())));
                return None;
            }
            Some(template)
        }
        Err(error) => {
            let place = problems.within_string(&text.span(), text.get_ref(), error.part());
            let name = match &error {
                BracesError::Unknown { name, .. } => name.clone(),
                BracesError::Lone { .. } => String::new(),
            };
            problems.push(Diagnostic::at(place, error.to_string()).hint(unknown(&name)));
            None
        }
    }
}
