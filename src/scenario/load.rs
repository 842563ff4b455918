//! Reads a scenario file.
//!
//! The only part of this module with effects: it reads the file and asks whether the files it names exist.

use std::path::{Path, PathBuf};

use super::model::Scenario;
use super::resolve::{ResolveContext, resolve};
use super::wire;
use crate::catalog::Catalog;
use crate::document::{self, DocumentErrors};

/// What messages call the file.
const SORT: &str = "scenario";
/// The folder that a project's scenarios lie in; its parent is their root.
const SCENARIOS_FOLDER: &str = "scenarios";

/// Reads and validates the scenario at `path`. Kinds are searched for in the folder `kinds`, then in the scenario's own,
/// then among lab's.
///
/// Its root, which relative paths in the file are relative to and where `reports/` lies, is the folder above
/// `scenarios/` if the file lies in a folder of that name, else the file's own folder.
///
/// # Errors
///
/// [`DocumentErrors`]: the file cannot be read, is not text, or holds something wrong; or a kind does.
pub fn load(path: &Path, kinds: Option<&Path>) -> Result<Scenario, DocumentErrors> {
    let source = document::read_text(SORT, path)?;
    let absolute = std::path::absolute(path);
    let root = absolute.map_err(|source| DocumentErrors::Unreadable { sort: SORT, file: path.to_owned(), source })?;
    parse(&source, path, &root_of(&root), &Path::is_file, &|own| {
        // Whichever comes last comes first.
        [own, kinds].into_iter().flatten().try_fold(Catalog::builtin(), Catalog::with_folder)
    })
}

/// Validates the text of a scenario that was read from `file` and whose root is `root`, an absolute path;
/// `is_file` says whether a file it names exists, `catalog` which kinds there are, those in the scenario's own folder of
/// kinds included.
///
/// # Errors
///
/// [`DocumentErrors::Invalid`] with every problem found. Where the text is not TOML at all, nothing else is looked at.
pub fn parse(
    source: &str,
    file: &Path,
    root: &Path,
    is_file: &dyn Fn(&Path) -> bool,
    catalog: &dyn Fn(Option<&Path>) -> Result<Catalog, DocumentErrors>,
) -> Result<Scenario, DocumentErrors> {
    let mut wrong_kinds = None;
    let parsed = document::parse(SORT, source, file, |document, span, problems| {
        let wire = wire::Scenario::from_table(document, span, problems);
        let own = wire.kinds.value().map(|folder| root.join(folder));
        let catalog = catalog(own.as_deref()).map_err(|errors| wrong_kinds = Some(errors)).ok()?;
        resolve(&wire, &ResolveContext { source, file, root, is_file, catalog: &catalog }, problems)
    });
    // With kinds that cannot be read, nothing of the scenario can be judged.
    wrong_kinds.map_or(parsed, Err)
}

/// The root of the scenario at the absolute path `file`.
fn root_of(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap_or(file);
    match folder.parent() {
        Some(above) if folder.ends_with(SCENARIOS_FOLDER) => above.to_owned(),
        _ => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_root_is_above_a_folder_named_scenarios_else_the_files_own() {
        for (file, root) in [
            ("/p/scenarios/default.toml", "/p"),
            ("/p/scenarios/more/default.toml", "/p/scenarios/more"),
            ("/p/my-scenarios/default.toml", "/p/my-scenarios"),
            ("/p/default.toml", "/p"),
            ("/default.toml", "/"),
            ("/scenarios/default.toml", "/"),
        ] {
            assert_eq!(root_of(Path::new(file)), Path::new(root), "{file}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let rendered = load(Path::new("no/such/scenario.toml"), None).unwrap_err().render(false);
        assert!(rendered.starts_with("error: cannot read the scenario no/such/scenario.toml: "), "{rendered}");
    }

    #[test]
    fn bytes_that_are_not_text_are_an_error_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latin1.toml");
        fs::write(&file, b"schema = 1\nname = \"caf\xe9\"\n").unwrap();
        assert!(matches!(load(&file, None), Err(DocumentErrors::NotText { line: 2, .. })));
    }
}
