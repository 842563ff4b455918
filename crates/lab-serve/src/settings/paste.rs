//! gunicorn's `paste`: the application in a PasteDeploy file, which may set up logging as well.

use std::path::PathBuf;

use super::error::SettingsError;
use super::resolve::{ResolvedSettings, SettingsContext};
use super::value::Value;

/// What the name of such an application begins with. lab_wsgi.application has it as well.
const PREFIX: &str = "paste:";

/// The application that `paste` names, if it is set. Names processes after its file, and sets `logconfig` to the file if
/// that has a section `loggers`, as in gunicorn.
pub(super) fn application(
    resolved: &mut ResolvedSettings,
    context: &SettingsContext,
) -> Result<Option<String>, SettingsError> {
    let Value::Text(uri) = resolved.get("paste") else { return Ok(None) };
    if uri.is_empty() {
        return Ok(None);
    }
    let (file, name) = uri.split_once('#').map_or((uri.as_str(), None), |(file, name)| (file, Some(name)));
    let path: PathBuf = context.folder.join(file);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| resolved.invalid("paste", format!("cannot read {}: {error}", path.display())))?;
    let app = match name {
        Some(name) => format!("{PREFIX}{}#{name}", path.display()),
        None => format!("{PREFIX}{}", path.display()),
    };
    let path = Value::text(path.to_string_lossy());
    if has_loggers(&text) {
        resolved.set_default("logconfig", path.clone());
    }
    resolved.set_default("default_proc_name", path);
    Ok(Some(app))
}

fn has_loggers(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == "[loggers]")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Origin;
    use super::super::lookup::lookup;
    use super::super::resolve::test_context;
    use super::*;

    fn applied(paste: &str, folder: &Path) -> (Result<Option<String>, SettingsError>, ResolvedSettings) {
        let context = SettingsContext { folder: folder.to_owned(), ..test_context() };
        let mut resolved = ResolvedSettings::new(&context);
        resolved.apply(&Origin::CommandLine, [(lookup("paste").unwrap(), Value::text(paste))], &context);
        (application(&mut resolved, &context), resolved)
    }

    #[test]
    fn file_names_application_and_loggers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.ini");
        std::fs::write(&file, "[app:main]\nuse = egg:shop\n\n[loggers]\nkeys = root\n").unwrap();
        let (app, resolved) = applied("shop.ini#main", folder.path());
        let app = app.unwrap().unwrap();
        assert_eq!(app, format!("paste:{}#main", file.display()));
        assert_eq!(resolved.get("logconfig"), &Value::text(file.display().to_string()));
        let error = applied("other.ini", folder.path()).0.unwrap_err().to_string();
        assert!(error.starts_with("command line: --paste = other.ini: cannot read "), "{error}");
    }
}
