//! References to stacks by name.

use toml::Spanned;

use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::suggest;

/// Reports a name that is not among `known`.
pub(super) fn is_known_stack(name: &Spanned<String>, known: &[&str], problems: &mut Problems<'_>) -> bool {
    let is_known = known.contains(&name.get_ref().as_str());
    if !is_known {
        let message = format!("no stack is named `{}`", name.get_ref());
        problems.push(Diagnostic::at(name.span(), message).hint(suggest::accepted(name.get_ref(), known)));
    }
    is_known
}
