//! Files in which platforms have the command of a server: Render, App Engine, DigitalOcean, Fly, Railway, Nixpacks, Heroku's
//! `app.json`. Pure.

use saphyr::{LoadableYamlNode as _, Yaml};
use serde::Deserialize;

use super::command_line;
use super::compose::{get, text_of, words};
use super::launch_files::{Launch, is_of_application};

/// The keys under which a service of a platform has its command.
const COMMANDS: [&str; 3] = ["startCommand", "run_command", "entrypoint"];
/// The keys of lists of variables, as `{ key: NAME, value: … }`.
const LISTS_OF_VARIABLES: [&str; 2] = ["envVars", "envs"];

/// The server in a YAML file of a platform: `render.yaml`, `app.yaml`.
pub(super) fn yaml(text: &str) -> Option<Launch> {
    let documents = Yaml::load_from_str(text).ok()?;
    let root = documents.first()?;
    let services = get(root, "services").and_then(Yaml::as_sequence).into_iter().flatten();
    services.chain([root]).find_map(|service| {
        let command = COMMANDS.iter().find_map(|key| get(service, key))?;
        let mut launch = launch(text, &words(command))?;
        launch.release = get(service, "preDeployCommand").and_then(text_of);
        let lists = LISTS_OF_VARIABLES.iter().filter_map(|key| get(service, key)?.as_sequence()).flatten();
        let listed = lists.filter_map(|pair| Some((text_of(get(pair, "key")?)?, text_of(get(pair, "value")?)?)));
        launch.variables.extend(listed.filter(|(name, _)| is_of_application(name)));
        launch.variables.extend(get(service, "env_variables").map(table).unwrap_or_default());
        Some(launch)
    })
}

/// A file of Fly or Railway, or of Nixpacks: `fly.toml`, `railway.toml`, `nixpacks.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PlatformToml {
    processes: toml::Table,
    env: toml::Table,
    variables: toml::Table,
    deploy: toml::Table,
    start: toml::Table,
}

/// The server in a TOML file of a platform.
pub(super) fn toml_file(text: &str) -> Option<Launch> {
    let file: PlatformToml = toml::from_str(text).ok()?;
    let text_in = |table: &toml::Table, key: &str| table.get(key)?.as_str().map(str::to_owned);
    let commands = file.processes.values().filter_map(|command| command.as_str().map(str::to_owned));
    let others = [text_in(&file.deploy, "startCommand"), text_in(&file.start, "cmd")];
    let mut launch = commands
        .chain(others.into_iter().flatten())
        .find_map(|command| launch(text, &command_line::words(&command)))?;
    launch.release = ["release_command", "preDeployCommand"].into_iter().find_map(|key| text_in(&file.deploy, key));
    let value = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let variables = file.env.iter().chain(&file.variables).map(|(name, own)| (name.clone(), value(own)));
    launch.variables.extend(variables.filter(|(name, _)| is_of_application(name)));
    Some(launch)
}

/// A file of Railway: `railway.json`.
#[derive(Debug, Deserialize)]
struct RailwayJson {
    deploy: RailwayDeploy,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RailwayDeploy {
    start_command: String,
}

/// The server in `railway.json`.
pub(super) fn railway(text: &str) -> Option<Launch> {
    let file: RailwayJson = serde_json::from_str(text).ok()?;
    launch(text, &command_line::words(&file.deploy.start_command))
}

/// The variables that Heroku's `app.json` gives to an application.
pub(super) fn heroku_variables(text: &str) -> Vec<(String, String)> {
    let file: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let variables = file.get("env").and_then(serde_json::Value::as_object).into_iter().flatten();
    let value = |value: &serde_json::Value| {
        let own = value.get("value").unwrap_or(value);
        own.as_str().map(str::to_owned)
    };
    variables
        .filter_map(|(name, own)| Some((name.clone(), value(own)?)))
        .filter(|(name, _)| is_of_application(name))
        .collect()
}

/// The server that a command starts, with the line of the text that names it.
pub(super) fn launch(text: &str, words: &[String]) -> Option<Launch> {
    let command = command_line::from_words(words)?;
    let named = command.app.as_deref().unwrap_or(command.kind);
    let line = text.lines().position(|line| line.contains(named) && !line.trim_start().starts_with('#'));
    Some(Launch { command, line: line.map_or(1, |index| index + 1), ..Launch::default() })
}

/// A table of variables.
fn table(variables: &Yaml<'_>) -> Vec<(String, String)> {
    let pairs = variables.as_mapping().into_iter().flatten();
    let pairs = pairs.filter_map(|(name, value)| Some((text_of(name)?, text_of(value)?)));
    pairs.filter(|(name, _)| is_of_application(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn yaml_of_platforms_is_read() {
        let render = "services:\n  - type: redis\n    name: cache\n  - type: web\n    preDeployCommand: flask db upgrade\n    \
                      startCommand: gunicorn -w 3 shop:app\n    envVars:\n      - {key: FLAVOUR, value: vanilla}\n      - {key: SECRET, generateValue: true}\n";
        let found = yaml(render).unwrap();
        assert_eq!((found.line, found.command.workers, found.command.app.as_deref()), (6, Some(3), Some("shop:app")));
        assert_eq!(
            (found.release.as_deref(), found.variables),
            (Some("flask db upgrade"), owned(&[("FLAVOUR", "vanilla")]))
        );
        let engine = "runtime: python312\nentrypoint: gunicorn -b :$PORT main:app\nenv_variables:\n  MODE: live\n";
        let found = yaml(engine).unwrap();
        assert_eq!((found.line, found.variables), (2, owned(&[("MODE", "live")])));
        assert_eq!(yaml("services:\n  web:\n    command: gunicorn a:b\n"), None);
    }

    #[test]
    fn toml_and_json_of_platforms_are_read() {
        let fly = "app = 'shop'\n[env]\nPORT = '8080'\nMODE = 'live'\n[deploy]\nrelease_command = 'python manage.py migrate'\n\
                   [processes]\nworker = 'celery -A shop worker'\nweb = 'gunicorn shop.wsgi -w 2'\n";
        let found = toml_file(fly).unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (9, Some("shop.wsgi")));
        assert_eq!(found.release.as_deref(), Some("python manage.py migrate"));
        assert_eq!(found.variables, owned(&[("MODE", "live")]));
        let found = toml_file("[start]\ncmd = 'uvicorn main:app --host 0.0.0.0'\n").unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (2, Some("main:app")));
        let found = railway("{\"deploy\": {\"startCommand\": \"hypercorn main:app --bind 0.0.0.0:$PORT\"}}").unwrap();
        assert_eq!((found.command.kind, found.line), ("hypercorn", 1));
        let heroku =
            "{\"env\": {\"MODE\": \"live\", \"KEY\": {\"generator\": \"secret\"}, \"LEVEL\": {\"value\": \"2\"}}}";
        assert_eq!(heroku_variables(heroku), owned(&[("MODE", "live"), ("LEVEL", "2")]));
    }
}
