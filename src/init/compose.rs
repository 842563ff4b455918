//! The app server in a compose file, and the services with images beside it.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};

use super::command_line::{self, CommandLine};
use super::launch_files::Launch;

/// A service that is made from an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ImageService {
    pub(super) name: String,
    pub(super) image: String,
    /// Counted from 1.
    pub(super) line: usize,
    /// The names by which other services reach it.
    pub(super) hosts: Vec<String>,
    /// The ports of this machine that lead to it.
    pub(super) published: Vec<u16>,
    pub(super) variables: Vec<(String, String)>,
    /// Files with further variables, relative to the compose file.
    pub(super) env_files: Vec<String>,
}

/// The first service whose command starts a server.
///
/// # Errors
/// The text is not YAML; the message has the line.
pub(super) fn compose(text: &str) -> Result<Option<Launch>, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let launch = services(&documents).find_map(|(name, service)| {
        let variables = service.as_mapping_get("environment").map(variables).unwrap_or_default();
        Some(Launch { command: server_command(service)?, line: line_of(text, name), variables })
    });
    Ok(launch)
}

/// The services with images that are not the application's own, which its server and its workers have. A text that is not YAML
/// has none: [`compose`] says why.
pub(super) fn image_services(text: &str) -> Vec<ImageService> {
    let documents = Yaml::load_from_str(text).unwrap_or_default();
    let image = |service: &Yaml<'_>| service.as_mapping_get("image").and_then(text_of);
    let servers = services(&documents).filter(|(_, service)| server_command(service).is_some());
    let own_images: Vec<String> = servers.filter_map(|(_, service)| image(service)).collect();
    let is_other = |service: &Yaml<'_>| {
        let is_own = image(service).is_some_and(|image| own_images.contains(&image));
        !is_own && service.as_mapping_get("build").is_none()
    };
    let with_image = services(&documents).filter(|(_, service)| is_other(service)).filter_map(|(name, service)| {
        let value = |key: &str| service.as_mapping_get(key).and_then(text_of);
        let hosts = [Some(name.to_owned()), value("container_name"), value("hostname")];
        let files = service.as_mapping_get("env_file");
        let files = files.map(|files| files.as_sequence().map_or(std::slice::from_ref(files), Vec::as_slice));
        let ports = service.as_mapping_get("ports").and_then(Yaml::as_sequence);
        Some(ImageService {
            name: name.to_owned(),
            image: image(service)?,
            line: line_of(text, name),
            hosts: hosts.into_iter().flatten().collect(),
            published: ports.into_iter().flatten().filter_map(published).collect(),
            variables: service.as_mapping_get("environment").map(variables).unwrap_or_default(),
            env_files: files.into_iter().flatten().filter_map(text_of).collect(),
        })
    });
    with_image.collect()
}

fn services<'y, 't>(documents: &'y [Yaml<'t>]) -> impl Iterator<Item = (&'y str, &'y Yaml<'t>)> {
    let services = documents.first().and_then(|document| document.as_mapping_get("services"));
    let services = services.and_then(Yaml::as_mapping).into_iter().flatten();
    services.filter_map(|(name, service)| Some((name.as_str()?, service)))
}

/// The command of a service that starts a server.
fn server_command(service: &Yaml<'_>) -> Option<CommandLine> {
    match service.as_mapping_get("command")? {
        Yaml::Sequence(words) => {
            let words: Vec<String> = words.iter().filter_map(text_of).collect();
            command_line::from_words(&words)
        }
        line => line.as_str().and_then(command_line::parse),
    }
}

fn line_of(text: &str, name: &str) -> usize {
    let is_service = |line: &str| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
    text.lines().position(is_service).map_or(1, |index| index + 1)
}

/// The port of this machine in `[ADDRESS:]PORT:PORT[/tcp]` or in `{ published: PORT, target: PORT }`.
fn published(port: &Yaml<'_>) -> Option<u16> {
    if port.as_mapping().is_some() {
        return text_of(port.as_mapping_get("published")?)?.parse().ok();
    }
    let text = text_of(port)?;
    let (outside, _) = text.rsplit_once(':')?;
    outside.rsplit(':').next()?.parse().ok()
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

    const SHOP: &str = "\
services:
  db:
    image: postgres:16
    ports: ['127.0.0.1:5433:5432', '9000', {published: 8001, target: 1}]
    env_file: db.env
    environment: {POSTGRES_USER: shop}
  web:
    build: .
    command: gunicorn -c gunicorn.conf.py shop:app
    environment:
      SECRET_KEY: x
      DEBUG: 0
      TOKEN:
";

    #[test]
    fn service_with_a_server_is_found() {
        let found = compose(SHOP).unwrap().unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (7, Some("shop:app")));
        let expected = [("SECRET_KEY", "x"), ("DEBUG", "0")];
        assert_eq!(found.variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let words = "services: {web: {command: [uvicorn, 'main:app'], environment: [A=1, B]}}";
        let found = compose(words).unwrap().unwrap();
        assert!(found.command.is_asgi);
        assert_eq!(found.variables, [("A".to_owned(), "1".to_owned())]);
        assert_eq!(compose("services: {db: {image: postgres}}"), Ok(None));
        assert!(compose("services: [").is_err());
    }

    #[test]
    fn services_with_images_are_found() {
        let expected = ImageService {
            name: "db".to_owned(),
            image: "postgres:16".to_owned(),
            line: 2,
            hosts: vec!["db".to_owned()],
            published: vec![5433, 8001],
            variables: vec![("POSTGRES_USER".to_owned(), "shop".to_owned())],
            env_files: vec!["db.env".to_owned()],
        };
        assert_eq!(image_services(SHOP), [expected]);
        assert_eq!(image_services("services: ["), []);
        let own = "services: {web: {image: shop, command: gunicorn a:b}, worker: {image: shop, command: celery}, \
                   built: {image: tool, build: .}}";
        assert_eq!(image_services(own), []);
    }
}
