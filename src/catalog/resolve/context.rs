//! The surroundings of a kind: its name, its text, and the files beside it.

use std::path::Path;

use crate::catalog::kind::BundledFile;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::Field;

/// The inputs of a kind's resolution besides its tables.
pub(in crate::catalog) struct ResolveContext<'a> {
    /// The name of the kind.
    pub(in crate::catalog) name: &'a str,
    /// The text of the file.
    pub(in crate::catalog) source: &'a str,
    pub(in crate::catalog) file: &'a Path,
    /// Returns the text of a file in the same folder, if it exists.
    pub(in crate::catalog) beside: &'a dyn Fn(&str) -> Option<String>,
}

/// The file that a key names, in the folder of the kind.
pub(super) fn bundled_file(
    name: &Field<String>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<BundledFile>> {
    name.or(None, |name| {
        let text = Some(name.get_ref()).filter(|name| !name.contains('/')).and_then(|name| (context.beside)(name));
        if text.is_none() {
            let message = format!("no file `{}` lies beside the kind's", name.get_ref());
            problems.push(Diagnostic::at(name.span(), message));
        }
        Some(Some(BundledFile { name: name.get_ref().clone(), text: text? }))
    })
}
