//! The config maps in manifests of Kubernetes, and the charts of Helm, from which manifests are made.

use std::path::{Path, PathBuf};

use super::super::deployment::Deployment;
use super::super::kubernetes::{self, ConfigMap};
use super::text_of;

/// The file that makes a folder a chart of Helm.
const CHART: &str = "Chart.yaml";

/// The config maps of all manifests, each with its file.
pub(super) fn config_maps(files: &[PathBuf], deployment: &Deployment) -> Vec<(PathBuf, ConfigMap)> {
    let is_yaml = |file: &&PathBuf| file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let of_file = |file: &PathBuf| {
        let maps = text_of(deployment, file).map(|text| kubernetes::config_maps(&text)).unwrap_or_default();
        maps.into_iter().map(|map| (file.clone(), map)).collect::<Vec<_>>()
    };
    files.iter().filter(is_yaml).flat_map(of_file).collect()
}

/// Names the charts among what is missing: their templates are no manifests.
pub(super) fn name_charts(files: &[PathBuf], deployment: &mut Deployment) {
    for chart in files.iter().filter(|file| file.ends_with(CHART)) {
        let folder = match chart.parent() {
            Some(folder) if folder != Path::new("") => folder.display().to_string(),
            _ => ".".to_owned(),
        };
        deployment.missing.push(format!(
            "the manifests that Helm makes of {}; write them to a file: helm template {folder} > manifests.yaml",
            chart.display()
        ));
    }
}
