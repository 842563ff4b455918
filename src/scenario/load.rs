//! Reads a scenario file. This is the only file of this module with effects: it reads the scenario and tests whether the
//! files that it names exist.

use std::path::{Path, PathBuf};

use super::model::{PastSessions, Scenario};
use super::resolve::{ResolveContext, resolve};
use super::wire;
use crate::catalog::Catalog;
use crate::document::{self, DocumentErrors};

/// The name of this sort of file in messages.
const SORT: &str = "scenario";
/// The folder of a project's scenarios; its parent is their root.
const SCENARIOS_FOLDER: &str = "scenarios";

/// Reads and validates the scenario at `path`. Kinds are searched for in the folder `kinds`, then in the scenario's own,
/// then among lab's.
///
/// The root, to which relative paths in the file refer and which contains `reports/`, is the parent of `scenarios/` if the
/// file is in a folder of that name, otherwise the file's own folder.
///
/// # Errors
/// The scenario or a kind cannot be read, is not text, or is invalid.
pub fn load(path: &Path, kinds: Option<&Path>) -> Result<Scenario, DocumentErrors> {
    read(path, &root(path)?, kinds, Purpose::Run)
}

/// Reads a scenario whose gate is going to be judged. Margins that nothing can judge are an error; `past` tells how many
/// sessions of this machine could.
///
/// # Errors
/// As for [`load`].
pub fn load_gated(
    path: &Path,
    kinds: Option<&Path>,
    past: &dyn Fn(&Scenario) -> PastSessions,
) -> Result<Scenario, DocumentErrors> {
    read(path, &root(path)?, kinds, Purpose::Gated(past))
}

/// Reads the scenario at `path` as one of the files below `root`, an absolute folder, which may be another version of the
/// scenario's own.
///
/// # Errors
/// As for [`load`].
pub fn load_over(path: &Path, root: &Path, kinds: Option<&Path>) -> Result<Scenario, DocumentErrors> {
    read(path, root, kinds, Purpose::Earlier)
}

/// What a scenario is read for.
#[derive(Clone, Copy)]
enum Purpose<'a> {
    Run,
    /// A run whose gate is judged.
    Gated(&'a dyn Fn(&Scenario) -> PastSessions),
    /// The earlier version of a comparison.
    Earlier,
}

fn read(path: &Path, root: &Path, kinds: Option<&Path>, purpose: Purpose<'_>) -> Result<Scenario, DocumentErrors> {
    let source = document::read_text(SORT, path)?;
    let (is_earlier, gated_past) = match purpose {
        Purpose::Run => (false, None),
        Purpose::Gated(past) => (false, Some(past)),
        Purpose::Earlier => (true, None),
    };
    let surroundings = Surroundings { file: path, root, is_file: &Path::is_file, is_earlier, gated_past };
    validated(&source, &surroundings, &|own| {
        // Later folders take precedence.
        [own, kinds].into_iter().flatten().try_fold(Catalog::builtin(), Catalog::with_folder)
    })
}

/// The root of the scenario at `path`.
fn root(path: &Path) -> Result<PathBuf, DocumentErrors> {
    let absolute = std::path::absolute(path);
    let root = absolute.map_err(|source| DocumentErrors::Unreadable { sort: SORT, file: path.to_owned(), source })?;
    let root = root_of(&root);
    match root.to_str() {
        Some(_) => Ok(root),
        None => Err(DocumentErrors::FolderNotText { sort: SORT, folder: root }),
    }
}

/// Validates the text of a scenario that was read from `file`. `root` is absolute. `is_file` tests whether a file exists;
/// `catalog` returns the known kinds, given the scenario's own folder of kinds.
///
/// # Errors
/// [`DocumentErrors::Invalid`] with every problem found. If the text is not TOML, that is the only problem.
pub fn parse(
    source: &str,
    file: &Path,
    root: &Path,
    is_file: &dyn Fn(&Path) -> bool,
    catalog: &dyn Fn(Option<&Path>) -> Result<Catalog, DocumentErrors>,
) -> Result<Scenario, DocumentErrors> {
    validated(source, &Surroundings { file, root, is_file, is_earlier: false, gated_past: None }, catalog)
}

/// What a scenario's text is validated against, besides the kinds.
struct Surroundings<'a> {
    file: &'a Path,
    root: &'a Path,
    is_file: &'a dyn Fn(&Path) -> bool,
    is_earlier: bool,
    gated_past: Option<&'a dyn Fn(&Scenario) -> PastSessions>,
}

fn validated(
    source: &str,
    surroundings: &Surroundings<'_>,
    catalog: &dyn Fn(Option<&Path>) -> Result<Catalog, DocumentErrors>,
) -> Result<Scenario, DocumentErrors> {
    let Surroundings { file, root, is_file, is_earlier, gated_past } = *surroundings;
    let mut wrong_kinds = None;
    let parsed = document::parse(SORT, source, file, |document, span, problems| {
        let wire = wire::Scenario::from_table(document, span, problems);
        let own = wire.kinds.value().map(|folder| root.join(folder));
        let catalog = catalog(own.as_deref()).map_err(|errors| wrong_kinds = Some(errors)).ok()?;
        resolve(
            &wire,
            &ResolveContext { source, file, root, is_file, catalog: &catalog, is_earlier, gated_past },
            problems,
        )
    });
    // Without the kinds, the scenario cannot be validated.
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
    fn root_is_the_parent_of_a_scenarios_folder() {
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
    fn missing_file_is_named() {
        let rendered = load(Path::new("no/such/scenario.toml"), None).unwrap_err().render(false);
        assert!(rendered.starts_with("error: cannot read the scenario no/such/scenario.toml: "), "{rendered}");
    }

    #[test]
    fn invalid_utf8_is_reported_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latin1.toml");
        fs::write(&file, b"schema = 1\nname = \"caf\xe9\"\n").unwrap();
        assert!(matches!(load(&file, None), Err(DocumentErrors::NotText { line: 2, .. })));
    }
}
