//! The app server in a compose file.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};

use super::command_line;
use super::launch_files::Launch;

/// The first service whose command starts a server.
///
/// # Errors
/// The text is not YAML; the message has the line.
pub(super) fn compose(text: &str) -> Result<Option<Launch>, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let services = documents.first().and_then(|document| document.as_mapping_get("services"));
    let services = services.and_then(Yaml::as_mapping).into_iter().flatten();
    for (name, service) in services {
        let command = match service.as_mapping_get("command") {
            Some(Yaml::Sequence(words)) => {
                let words: Vec<String> = words.iter().filter_map(text_of).collect();
                command_line::from_words(&words)
            }
            Some(line) => line.as_str().and_then(command_line::parse),
            None => None,
        };
        let Some(command) = command else { continue };
        let name = name.as_str().unwrap_or_default();
        let is_service = |line: &str| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
        let line = text.lines().position(is_service).map_or(1, |index| index + 1);
        let variables = service.as_mapping_get("environment").map(variables).unwrap_or_default();
        return Ok(Some(Launch { command, line, variables }));
    }
    Ok(None)
}

/// Variables as a table, or as a list of `NAME=value`. Those that compose takes from its own environment are left out.
fn variables(environment: &Yaml<'_>) -> Vec<(String, String)> {
    if let Some(table) = environment.as_mapping() {
        return table.iter().filter_map(|(name, value)| Some((text_of(name)?, text_of(value)?))).collect();
    }
    let list = environment.as_sequence().into_iter().flatten().filter_map(text_of);
    list.filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

fn text_of(value: &Yaml<'_>) -> Option<String> {
    match value {
        Yaml::Value(Scalar::String(text)) => Some(text.to_string()),
        Yaml::Value(Scalar::Integer(number)) => Some(number.to_string()),
        Yaml::Value(Scalar::Boolean(flag)) => Some(flag.to_string()),
        Yaml::Value(Scalar::FloatingPoint(number)) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_with_a_server_is_found() {
        let text = "\
services:
  db:
    image: postgres:16
  web:
    build: .
    command: gunicorn -c gunicorn.conf.py shop:app
    environment:
      SECRET_KEY: x
      DEBUG: 0
      TOKEN:
";
        let found = compose(text).unwrap().unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (4, Some("shop:app")));
        let expected = [("SECRET_KEY", "x"), ("DEBUG", "0")];
        assert_eq!(found.variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let words = "services: {web: {command: [uvicorn, 'main:app'], environment: [A=1, B]}}";
        let found = compose(words).unwrap().unwrap();
        assert!(found.command.is_asgi);
        assert_eq!(found.variables, [("A".to_owned(), "1".to_owned())]);
        assert_eq!(compose("services: {db: {image: postgres}}"), Ok(None));
        assert!(compose("services: [").is_err());
    }
}
