//! A component as a service: the files it needs there, and the command that creates it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::docker_client::DockerError;
use super::image_layer::{ImageLayer, TMP};
use super::run_swarm::RunSwarm;
use crate::stack::component_spec::ComponentSpec;
use crate::stack::container::mounts;

/// The largest config of a swarm, in bytes. The engine refuses 500 KiB.
const MAX_CONFIG_BYTES: u64 = 500 * 1000;

/// The user that components run as: `nobody` on every distribution.
const USER: &str = "65534:65534";

/// The files that a component needs on its node.
#[derive(Debug, Default)]
pub(super) struct ComponentFiles {
    /// Small files of this visit, each a config of the swarm.
    pub(super) configs: Vec<PathBuf>,
    /// Everything else, which goes into an image of the run.
    pub(super) layer: ImageLayer,
}

impl ComponentFiles {
    /// The inputs of a component. Those in the folder of the visit differ from start to start, so they become configs where
    /// they are small enough.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn of_inputs(inputs: &[PathBuf], visit: &Path) -> io::Result<ComponentFiles> {
        let mut files = ComponentFiles::default();
        for input in inputs {
            match input.starts_with(visit) {
                true => files.add_own(input)?,
                false => _ = files.layer.paths.insert(input.clone()),
            }
        }
        Ok(files)
    }

    fn add_own(&mut self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            let mut entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
            entries.sort_by_key(std::fs::DirEntry::path);
            return entries.iter().try_for_each(|entry| self.add_own(&entry.path()));
        }
        match std::fs::metadata(path)?.len() {
            0..=MAX_CONFIG_BYTES => self.configs.push(path.to_owned()),
            _ => _ = self.layer.paths.insert(path.to_owned()),
        }
        Ok(())
    }

    /// Adds the files that the texts of an nginx.conf name, and drops those within others.
    ///
    /// # Errors
    /// A text is malformed.
    pub(super) fn add_named(&mut self, texts: &[(String, PathBuf)]) -> Result<(), lab_nginx_conf::ConfError> {
        self.layer.paths.extend(mounts::named_by(texts)?.into_iter().map(|mount| mount.path));
        let paths = std::mem::take(&mut self.layer.paths);
        self.layer.paths = mounts::outermost(paths.into_iter().collect()).into_iter().collect();
        Ok(())
    }
}

/// A component to be created as a service.
pub(super) struct ServiceSpec<'a> {
    pub(super) name: &'a str,
    pub(super) image: &'a str,
    /// The id of its node.
    pub(super) node: &'a str,
    /// Its configs, each with the path at which it reads it.
    pub(super) configs: &'a [(String, PathBuf)],
    /// Host names with their addresses.
    pub(super) hosts: &'a [(String, std::net::IpAddr)],
    /// Whether nodes pull the image. Otherwise the only node has it.
    pub(super) is_pulled: bool,
    /// Whether its image has files below `/tmp`, which a file system in memory would hide.
    pub(super) has_tmp: bool,
    /// A folder that it writes into.
    pub(super) work: Option<&'a Path>,
}

/// Creates the service.
///
/// # Errors
/// The manager refuses it.
pub(super) async fn create_service(
    swarm: &RunSwarm,
    service: &ServiceSpec<'_>,
    spec: &ComponentSpec,
) -> Result<(), DockerError> {
    let ServiceSpec { name, image, node, configs, hosts, is_pulled, has_tmp, work } = service;
    let mut command: Vec<String> =
        ["service", "create", "--detach", "--quiet", "--name", name].map(str::to_owned).into();
    let mut option = |name: &str, value: String| command.extend([name.to_owned(), value]);
    option("--network", swarm.network.clone());
    option("--constraint", format!("node.id=={node}"));
    option("--replicas", "1".to_owned());
    // A component that restarts in a window would hide its failure.
    option("--restart-condition", "none".to_owned());
    // Addresses of tasks, not a virtual one: nothing stands between the components.
    option("--endpoint-mode", "dnsrr".to_owned());
    option("--stop-grace-period", "3s".to_owned());
    option("--user", USER.to_owned());
    for (config, path) in *configs {
        option("--config", format!("source={config},target={},mode=0444", path.display()));
    }
    for (host, address) in *hosts {
        option("--host", format!("{host}:{address}"));
    }
    for (variable, value) in &spec.environment {
        option("--env", format!("{variable}={value}"));
    }
    let tmp = (!has_tmp).then_some(Path::new(TMP));
    let scratch: BTreeSet<&Path> =
        tmp.into_iter().chain(spec.scratch.iter().map(PathBuf::as_path)).chain(*work).collect();
    for folder in scratch {
        option("--mount", format!("type=tmpfs,destination={},tmpfs-mode=1777", folder.display()));
    }
    if let Some(folder) = &spec.folder {
        option("--workdir", folder.display().to_string());
    }
    command.extend(swarm.label_arguments());
    if !is_pulled {
        command.push("--no-resolve-image".to_owned());
    }
    command.push((*image).to_owned());
    command.extend(spec.command.iter().cloned());
    swarm.docker.run("create a service", &command).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_files_are_configs_and_others_are_in_the_image() {
        let root = tempfile::tempdir().unwrap();
        let visit = root.path().join("visit");
        std::fs::create_dir_all(visit.join("app")).unwrap();
        for name in ["nginx.conf", "app/hello.py"] {
            std::fs::write(visit.join(name), "small").unwrap();
        }
        std::fs::write(visit.join("large"), vec![b' '; 500_001]).unwrap();
        let site = root.path().join("site");
        let inputs = [visit.join("nginx.conf"), visit.join("app"), visit.join("large"), site.clone()];
        let files = ComponentFiles::of_inputs(&inputs, &visit).unwrap();
        assert_eq!(files.configs, [visit.join("nginx.conf"), visit.join("app/hello.py")]);
        assert_eq!(files.layer.paths, BTreeSet::from([visit.join("large"), site]));
    }
}
