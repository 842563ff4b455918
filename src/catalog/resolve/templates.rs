//! Templates of kind files, and the values that each may use.

use toml::Spanned;

use crate::catalog::kind::{Binds, Role};
use crate::catalog::template::{Template, Value};
use crate::catalog::wire;
use crate::document::braces::BracesError;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::List;
use crate::document::suggest;

/// Values that are known for every component.
pub(super) const COMPONENT_VALUES: [Value; 9] = [
    Value::Lab,
    Value::Python,
    Value::Venv,
    Value::Bin,
    Value::Program,
    Value::Host,
    Value::Port,
    Value::Bind,
    Value::Folder,
];

/// Values that every template of a kind may use.
pub(super) fn common_values(start: &wire::Start) -> Vec<Value> {
    let inherits = start.binds.value().is_some_and(|binds| binds.0 == Binds::Inherits);
    let mut known = COMPONENT_VALUES.to_vec();
    known.extend(inherits.then_some(Value::Fd));
    known.extend((!start.launcher.is_absent()).then_some(Value::Launcher));
    known
}

/// Further values for the command and the environment of a role.
pub(super) fn role_values(role: Role) -> &'static [Value] {
    match role {
        Role::Proxy => &[Value::Upstream, Value::Config, Value::Workers],
        Role::Server => &[],
    }
}

pub(super) fn templates(
    list: &Spanned<List<String>>,
    known: &[Value],
    problems: &mut Problems<'_>,
) -> Option<Vec<Template>> {
    list.get_ref().0.iter().map(|text| template(text, known, problems)).collect()
}

pub(super) fn template(text: &Spanned<String>, known: &[Value], problems: &mut Problems<'_>) -> Option<Template> {
    let names: Vec<&str> = known.iter().map(|value| value.name()).collect();
    let unknown = |name: &str| suggest::accepted(name, &names) + "; `{{` and `}}` stand for braces";
    match Template::parse(text.get_ref()) {
        Ok(template) => {
            let wrong = template.values().find(|value| !known.contains(value));
            if let Some(value) = wrong {
                let message = format!("there is no `{{{}}}` here", value.name());
                problems.push(Diagnostic::at(text.span(), message).hint(unknown(value.name())));
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
