//! Reads the file in which an application names its packages: requirements for pip, a lock file of uv, Poetry or Pipenv, or
//! `pyproject.toml`.
//!
//! An environment is named after their text, so the text must not refer to other files that may change.

use std::io;
use std::path::{Path, PathBuf};

use super::{app_lock, project_file};

/// More nested files than anyone has; a file that includes itself ends here.
const MAX_DEPTH: usize = 8;

/// A file of requirements that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RequirementsError {
    #[error("cannot read {}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{}: {problem}", file.display())]
    Invalid { file: PathBuf, problem: String },
}

/// The requirements in `file`, as a text for pip that stands by itself.
///
/// # Errors
/// A file cannot be read, or is not what its name says.
pub fn read(file: &Path) -> Result<String, RequirementsError> {
    let text = read_text(file)?;
    let convert: fn(&str) -> Result<String, String> = match file.file_name().and_then(|name| name.to_str()) {
        Some("uv.lock") => app_lock::from_uv,
        Some("poetry.lock") => app_lock::from_poetry,
        Some("Pipfile.lock") => project_file::from_pipfile_lock,
        Some("Pipfile") => project_file::from_pipfile,
        Some("pyproject.toml") => project_file::from_pyproject,
        _ => return with_includes(file, &text, 0),
    };
    convert(&text).map_err(|problem| RequirementsError::Invalid { file: file.to_owned(), problem })
}

fn read_text(file: &Path) -> Result<String, RequirementsError> {
    let read = std::fs::read_to_string(file);
    read.map_err(|source| RequirementsError::Unreadable { file: file.to_owned(), source })
}

/// The text with the files that it includes, and with its paths made absolute.
fn with_includes(file: &Path, text: &str, depth: usize) -> Result<String, RequirementsError> {
    if depth == MAX_DEPTH {
        let problem = "the files that it includes nest too deep".to_owned();
        return Err(RequirementsError::Invalid { file: file.to_owned(), problem });
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut whole = String::new();
    for line in text.lines() {
        match option_of(line.trim()) {
            Some(("-r", included)) => {
                let included = folder.join(included);
                whole.push_str(&with_includes(&included, &read_text(&included)?, depth + 1)?);
            }
            Some((option @ ("-c" | "-e"), path)) if !path.contains("://") => {
                whole.push_str(&format!("{option} {}\n", folder.join(path).display()));
            }
            _ if line.trim_start().starts_with("./") || line.trim_start().starts_with("../") => {
                whole.push_str(&format!("{}\n", folder.join(line.trim()).display()));
            }
            _ => {
                whole.push_str(line);
                whole.push('\n');
            }
        }
    }
    Ok(whole)
}

/// The short name of an option that names a file, and the file.
fn option_of(line: &str) -> Option<(&'static str, &str)> {
    let options = [
        ("-r", "-r"),
        ("--requirement", "-r"),
        ("-c", "-c"),
        ("--constraint", "-c"),
        ("-e", "-e"),
        ("--editable", "-e"),
    ];
    options.into_iter().find_map(|(written, short)| {
        let rest = line.strip_prefix(written)?;
        let path = rest.trim_start_matches([' ', '\t', '=']);
        // pip accepts `-rfile` for the short names.
        let is_apart = path.len() < rest.len() || written.len() == 2;
        let path = path.split(" #").next().unwrap_or(path).trim();
        (is_apart && !path.is_empty()).then_some((short, path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_become_part_of_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("requirements")).unwrap();
        file("requirements/base.txt", "flask==3.0.3\n--requirement=more.txt\n");
        file("requirements/more.txt", "-e ../shop  # itself\n");
        file(
            "requirements.txt",
            "-r requirements/base.txt\ngunicorn==20.1.0 \\\n    --hash=sha256:0\n--extra-index-url https://x\n",
        );
        let expected = format!(
            "flask==3.0.3\n-e {}/requirements/../shop\ngunicorn==20.1.0 \\\n    --hash=sha256:0\n--extra-index-url https://x\n",
            folder.path().display()
        );
        assert_eq!(read(&folder.path().join("requirements.txt")).unwrap(), expected);
        file("circle.txt", "-r circle.txt\n");
        let error = read(&folder.path().join("circle.txt")).unwrap_err().to_string();
        assert!(error.ends_with("circle.txt: the files that it includes nest too deep"), "{error}");
    }
}
