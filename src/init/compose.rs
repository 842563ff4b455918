//! The services of a compose file. Pure.

use std::path::PathBuf;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};

use super::command_line;

/// A service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ComposeService {
    pub(super) name: String,
    /// The image that it is made from, or that its build makes.
    pub(super) image: Option<String>,
    pub(super) build: Option<Build>,
    /// The words of its entrypoint, then those of its command.
    pub(super) command: Vec<String>,
    /// Counted from 1.
    pub(super) line: usize,
    /// The names by which other services reach it.
    pub(super) hosts: Vec<String>,
    /// The ports of this machine that lead to it.
    pub(super) published: Vec<u16>,
    pub(super) variables: Vec<(String, String)>,
    /// Files with further variables, relative to the compose file.
    pub(super) env_files: Vec<PathBuf>,
    pub(super) volumes: Vec<Volume>,
    /// The names of the services that have to end successfully before it starts.
    pub(super) completed_before: Vec<String>,
}

impl ComposeService {
    /// Whether both have the same image.
    pub(super) fn shares_image_with(&self, other: &ComposeService) -> bool {
        match (&self.build, &other.build) {
            (Some(own), Some(other)) => own == other,
            (None, None) => self.image.is_some() && self.image == other.image,
            _ => false,
        }
    }
}

/// A folder or a file of another place in the container of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Volume {
    /// A path relative to the compose file, or the name of a volume.
    pub(super) source: String,
    /// A path in the container.
    pub(super) target: PathBuf,
}

impl Volume {
    /// Whether the source is a path, and not the name of a volume.
    pub(super) fn is_bind(&self) -> bool {
        self.source.starts_with(['.', '/', '~'])
    }
}

/// How the image of a service is built. Paths are relative to the compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) context: PathBuf,
    pub(super) dockerfile: PathBuf,
}

/// The services, in the order of the file.
///
/// # Errors
/// The text is not YAML; the message has the line.
pub(super) fn services(text: &str) -> Result<Vec<ComposeService>, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let services = documents.first().and_then(|document| document.as_mapping_get("services"));
    let services = services.and_then(Yaml::as_mapping).into_iter().flatten();
    Ok(services.filter_map(|(name, service)| Some(read(text, name.as_str()?, service))).collect())
}

fn read(text: &str, name: &str, service: &Yaml<'_>) -> ComposeService {
    let value = |key: &str| get(service, key).and_then(text_of);
    let files = get(service, "env_file").map(one_or_more).unwrap_or_default();
    // The long form says whether a file is required.
    let files = files.iter().filter_map(|file| text_of(file).or_else(|| text_of(get(file, "path")?)));
    let ports = get(service, "ports").and_then(Yaml::as_sequence);
    let words = ["entrypoint", "command"].into_iter().filter_map(|key| get(service, key)).flat_map(words);
    ComposeService {
        name: name.to_owned(),
        image: value("image"),
        build: get(service, "build").map(build),
        command: words.collect(),
        line: line_of(text, name),
        hosts: [Some(name.to_owned()), value("container_name"), value("hostname")].into_iter().flatten().collect(),
        published: ports.into_iter().flatten().filter_map(published).collect(),
        variables: get(service, "environment").map(variables).unwrap_or_default(),
        env_files: files.map(PathBuf::from).collect(),
        volumes: get(service, "volumes").and_then(Yaml::as_sequence).into_iter().flatten().filter_map(volume).collect(),
        completed_before: get(service, "depends_on").map(completed).unwrap_or_default(),
    }
}

/// The value of a key of a mapping, or of those that it merges (`<<`).
pub(super) fn get<'y, 't>(mapping: &'y Yaml<'t>, key: &str) -> Option<&'y Yaml<'t>> {
    if let Some(own) = mapping.as_mapping_get(key) {
        return Some(own);
    }
    one_or_more(mapping.as_mapping_get("<<")?).iter().find_map(|merged| get(merged, key))
}

fn one_or_more<'y, 't>(value: &'y Yaml<'t>) -> &'y [Yaml<'t>] {
    value.as_sequence().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// A list of words, or a line as a shell reads it.
pub(super) fn words(command: &Yaml<'_>) -> Vec<String> {
    match command.as_sequence() {
        Some(words) => words.iter().filter_map(text_of).collect(),
        None => command.as_str().map(command_line::words).unwrap_or_default(),
    }
}

fn build(build: &Yaml<'_>) -> Build {
    let value = |key: &str| get(build, key).and_then(text_of);
    let context = PathBuf::from(text_of(build).or_else(|| value("context")).unwrap_or_else(|| ".".to_owned()));
    let dockerfile = context.join(value("dockerfile").unwrap_or_else(|| "Dockerfile".to_owned()));
    Build { context, dockerfile }
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

/// `SOURCE:TARGET[:MODE]`, or `{ source: SOURCE, target: TARGET }`.
fn volume(volume: &Yaml<'_>) -> Option<Volume> {
    let (source, target) = match volume.as_str() {
        Some(text) => {
            let (source, rest) = text.split_once(':')?;
            (source.to_owned(), rest.split(':').next()?.to_owned())
        }
        None => (text_of(get(volume, "source")?)?, text_of(get(volume, "target")?)?),
    };
    Some(Volume { source, target: target.into() })
}

/// The services in a table of dependencies that have to end successfully.
fn completed(dependencies: &Yaml<'_>) -> Vec<String> {
    let table = dependencies.as_mapping().into_iter().flatten();
    let is_completed = |service: &Yaml<'_>| {
        get(service, "condition")
            .and_then(text_of)
            .is_some_and(|condition| condition == "service_completed_successfully")
    };
    table.filter(|(_, service)| is_completed(service)).filter_map(|(name, _)| text_of(name)).collect()
}

/// Variables as a table, or as a list of `NAME=value`. Those that compose takes from its own environment are left out.
fn variables(environment: &Yaml<'_>) -> Vec<(String, String)> {
    let Some(table) = environment.as_mapping() else {
        let list = environment.as_sequence().into_iter().flatten().filter_map(text_of);
        return list
            .filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect();
    };
    let mut found: Vec<(String, String)> =
        table.iter().filter_map(|(name, value)| Some((text_of(name)?, text_of(value)?))).collect();
    for merged in environment.as_mapping_get("<<").map(one_or_more).unwrap_or_default() {
        let inherited = variables(merged).into_iter();
        let new: Vec<_> = inherited.filter(|(name, _)| found.iter().all(|(own, _)| own != name)).collect();
        found.extend(new);
    }
    found
}

pub(super) fn text_of(value: &Yaml<'_>) -> Option<String> {
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
x-environment: &environment
  DEBUG: 0
  SECRET_KEY: base
services:
  db:
    image: postgres:16
    ports: ['127.0.0.1:5433:5432', '9000', {published: 8001, target: 1}]
    env_file: db.env
    environment: {POSTGRES_USER: shop}
    volumes: ['data:/var/lib/postgresql/data', {type: bind, source: ./init, target: /init, read_only: true}, /tmp]
  web: &web
    build: {context: ./backend, dockerfile: Dockerfile.prod}
    command: gunicorn -c gunicorn.conf.py shop:app
    env_file: [.env, {path: .env.prod, required: false}]
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
    environment:
      <<: *environment
      SECRET_KEY: x
      TOKEN:
  worker:
    <<: *web
    entrypoint: [celery]
    command: -A shop worker
";

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn services_are_read_with_what_they_merge() {
        let [db, web, worker]: [ComposeService; 3] = services(SHOP).unwrap().try_into().unwrap();
        let expected = ComposeService {
            name: "db".to_owned(),
            image: Some("postgres:16".to_owned()),
            build: None,
            command: Vec::new(),
            line: 5,
            hosts: vec!["db".to_owned()],
            published: vec![5433, 8001],
            variables: owned(&[("POSTGRES_USER", "shop")]),
            env_files: vec!["db.env".into()],
            volumes: [("data", "/var/lib/postgresql/data"), ("./init", "/init")]
                .map(|(source, target)| Volume { source: source.to_owned(), target: target.into() })
                .into(),
            completed_before: Vec::new(),
        };
        assert_eq!(expected.volumes.iter().map(Volume::is_bind).collect::<Vec<_>>(), [false, true]);
        assert_eq!(db, expected);
        assert_eq!(web.command, ["gunicorn", "-c", "gunicorn.conf.py", "shop:app"]);
        assert_eq!(web.variables, owned(&[("SECRET_KEY", "x"), ("DEBUG", "0")]));
        assert_eq!(web.completed_before, ["migrate"]);
        assert!(web.shares_image_with(&worker) && !web.shares_image_with(&db));
        assert_eq!(web.env_files, [PathBuf::from(".env"), PathBuf::from(".env.prod")]);
        assert_eq!(worker.command, ["celery", "-A", "shop", "worker"]);
        let dockerfile = "./backend/Dockerfile.prod".into();
        assert_eq!(worker.build, Some(Build { context: "./backend".into(), dockerfile }));
        assert!(services("services: [").is_err());
    }

    #[test]
    fn list_of_variables_is_read() {
        let words = "services: {web: {command: [uvicorn, 'main:app'], environment: [A=1, B], build: .}}";
        let [web]: [ComposeService; 1] = services(words).unwrap().try_into().unwrap();
        assert_eq!(web.variables, owned(&[("A", "1")]));
        assert_eq!(web.build.unwrap().dockerfile, PathBuf::from("./Dockerfile"));
    }
}
