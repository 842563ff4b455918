//! Manifests of Kubernetes: the container that starts the app server, and the data of a `ConfigMap`. Pure.

use saphyr::{LoadableYamlNode as _, Yaml};

use super::compose::{get, text_of, words};
use super::launch_files::{Launch, is_of_application};
use super::platforms::launch;

/// Variables or files that containers get by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConfigMap {
    pub(super) name: String,
    pub(super) data: Vec<(String, String)>,
}

/// The config maps of a file; none if it is no YAML, such as a template of Helm.
pub(super) fn config_maps(text: &str) -> Vec<ConfigMap> {
    let documents = Yaml::load_from_str(text).unwrap_or_default();
    let of_kind = |document: &&Yaml<'_>| get(document, "kind").and_then(Yaml::as_str) == Some("ConfigMap");
    let maps = documents.iter().filter(of_kind).filter_map(|map| {
        let name = text_of(get(get(map, "metadata")?, "name")?)?;
        let pairs = get(map, "data")?.as_mapping()?.iter();
        let data = pairs.filter_map(|(name, value)| Some((text_of(name)?, text_of(value)?))).collect();
        Some(ConfigMap { name, data })
    });
    maps.collect()
}

/// The server of a manifest: that of the first container which starts one, with the variables of the `maps` that it names.
pub(super) fn server(text: &str, maps: &[ConfigMap]) -> Option<Launch> {
    let documents = Yaml::load_from_str(text).ok()?;
    documents.iter().filter_map(pod).find_map(|pod| {
        let containers = get(pod, "containers")?.as_sequence()?;
        containers.iter().find_map(|container| {
            let parts = ["command", "args"].into_iter().filter_map(|key| get(container, key));
            let mut launch = launch(text, &parts.flat_map(words).collect::<Vec<_>>())?;
            let sources = get(container, "envFrom").and_then(Yaml::as_sequence).into_iter().flatten();
            let named = sources.filter_map(|source| text_of(get(get(source, "configMapRef")?, "name")?));
            let of_maps =
                named.filter_map(|name| maps.iter().find(|map| map.name == name)).flat_map(|map| map.data.clone());
            let own = get(container, "env").and_then(Yaml::as_sequence).into_iter().flatten();
            let own = own.filter_map(|variable| Some((text_of(get(variable, "name")?)?, value(variable, maps)?)));
            launch.variables.extend(of_maps.chain(own).filter(|(name, _)| is_of_application(name)));
            Some(launch)
        })
    })
}

/// The value of a variable of a container: its own, or that of a key of a config map.
fn value(variable: &Yaml<'_>, maps: &[ConfigMap]) -> Option<String> {
    if let Some(own) = get(variable, "value") {
        return text_of(own);
    }
    let reference = get(get(variable, "valueFrom")?, "configMapKeyRef")?;
    let (name, key) = (text_of(get(reference, "name")?)?, text_of(get(reference, "key")?)?);
    let map = maps.iter().find(|map| map.name == name)?;
    map.data.iter().find(|(own, _)| *own == key).map(|(_, value)| value.clone())
}

/// The pod of a manifest: of a `Deployment` or the like, or the manifest itself.
fn pod<'y, 't>(manifest: &'y Yaml<'t>) -> Option<&'y Yaml<'t>> {
    get(manifest, "apiVersion")?;
    let spec = get(manifest, "spec")?;
    match get(spec, "template") {
        Some(template) => get(template, "spec"),
        None => Some(spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_of_a_manifest_is_read() {
        let text = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data: {MODE: live, level: '2', nginx.conf: 'events { }'}
---
kind: Deployment
apiVersion: apps/v1
spec:
  template:
    spec:
      containers:
        - name: sidecar
          command: [fluentd]
        - name: web
          command: [gunicorn]
          args: ['--workers=2', 'shop.wsgi:application']
          envFrom: [{configMapRef: {name: flags}}, {secretRef: {name: keys}}]
          env:
            - {name: LEVEL, valueFrom: {configMapKeyRef: {name: shop, key: level}}}
            - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: k}}}
            - {name: SITE, value: shop}
";
        let mut maps = config_maps(text);
        assert_eq!(maps[0].name, "shop");
        assert_eq!(maps[0].data[2], ("nginx.conf".to_owned(), "events { }".to_owned()));
        let flags = vec![("FLAG".to_owned(), "on".to_owned())];
        maps.push(ConfigMap { name: "flags".to_owned(), data: flags });
        let found = server(text, &maps).unwrap();
        assert_eq!((found.line, found.command.workers), (16, Some(2)));
        assert_eq!(found.command.app.as_deref(), Some("shop.wsgi:application"));
        let names: Vec<(&str, &str)> =
            found.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(names, [("FLAG", "on"), ("LEVEL", "2"), ("SITE", "shop")]);
        assert_eq!(server("apiVersion: v1\nkind: Service\nspec: {ports: [80]}\n", &[]), None);
        assert_eq!(config_maps("kind: {{ .Values.kind }}\n- a: {{ b"), []);
    }
}
