//! Starts the components of stacks as services of a swarm, and leads the connections of checks to them.

mod launch;
mod removal;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::image_layer::ImageLayer;
use super::images::Images;
use super::remote_stack::{NodePlace, RemoteStack, StackPlaces};
use super::run_swarm::RunSwarm;
use super::{SwarmError, task};
use crate::catalog::kind::Interface;
use crate::scenario::model;
use crate::stack::component_spec::{AppSurroundings, SpecContext, resolve_proxy, resolve_server};
use crate::stack::container::lab_image::LAB;
use crate::stack::container_addresses::{PROXY_PORT, SERVER, SERVER_PORT, ports, upstream};
use crate::stack::process::ProcessLauncher;
use crate::stack::recording::Recording;
use crate::stack::running::RunningStack;
use crate::stack::{Role, StartError, create_folder};
use launch::Launched;

/// Starts the stacks of one run in a swarm.
#[derive(Debug)]
pub struct SwarmLauncher {
    /// The settings that all backends share.
    process: ProcessLauncher,
    swarm: RunSwarm,
    images: Images,
    /// The layers of Python environments, by their folders.
    environments: BTreeMap<PathBuf, [ImageLayer; 2]>,
    /// The container that is attached to the run's network, and its address there.
    coordinator: (String, IpAddr),
    /// Numbers the objects of the run.
    objects: u32,
}

impl SwarmLauncher {
    /// `coordinator` is a container in the run's network, with its address there.
    #[must_use]
    pub fn new(
        process: ProcessLauncher,
        swarm: RunSwarm,
        images: Images,
        coordinator: (String, IpAddr),
    ) -> SwarmLauncher {
        SwarmLauncher { process, swarm, images, environments: BTreeMap::new(), coordinator, objects: 0 }
    }

    /// Starts a stack with its files in the run's folder under `visit`, and waits until it is ready.
    ///
    /// # Errors
    /// The stack needs what lab cannot place, or a service or the readiness probe fails. Services that were started by then
    /// are removed.
    pub async fn start(
        &mut self,
        stack: &model::Stack,
        places: &StackPlaces,
        visit: &str,
        recording: Recording,
    ) -> Result<(RunningStack, RemoteStack), StartError> {
        let folder = self.process.folder.join(visit);
        create_folder(&folder)?;
        let recording = possible(recording, stack)?;
        let server = self.start_server(stack, &places.server, &folder).await?;
        let server_address = server.remote.task.address;
        let mut launched = vec![server];
        if let (Some(proxy), Some(place)) = (&stack.proxy, &places.proxy) {
            let started = self.start_proxy(stack, proxy, place, server_address, recording, &folder).await;
            match started {
                Ok(proxy) => launched.insert(0, proxy),
                Err(error) => {
                    // Why the proxy did not start matters more than how the server stopped.
                    let server = launched.into_iter().map(|launched| launched.remote).collect();
                    let _ = self.remove(server).await;
                    return Err(error);
                }
            }
        }
        Ok(self.running(stack, launched))
    }

    /// Checks that every component still runs.
    ///
    /// # Errors
    /// One has ended, or the manager does not say.
    pub async fn check(&self, stack: &RemoteStack) -> Result<(), SwarmError> {
        for component in &stack.components {
            task::check(&self.swarm.docker, &component.service, &format!("the {}", component.role)).await?;
        }
        Ok(())
    }

    /// Removes the services of a stack, and waits until they are gone from their nodes.
    ///
    /// # Errors
    /// The manager refuses, or a task does not end.
    pub async fn stop(&self, stack: RemoteStack) -> Result<(), SwarmError> {
        self.remove(stack.components).await
    }

    /// Removes everything of the run from the swarm.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn close(self) -> Result<(), SwarmError> {
        self.swarm.close().await
    }

    fn running(&self, stack: &model::Stack, launched: Vec<Launched>) -> (RunningStack, RemoteStack) {
        let (_, client) = &self.coordinator;
        let mut names = vec![(upstream(), format!("{{{SERVER}}}")), (client.to_string(), "{client}".to_owned())];
        names.extend(launched.iter().map(|launched| {
            let Launched { component, remote, .. } = launched;
            (remote.task.address.to_string(), format!("{{{}}}", component.role))
        }));
        // One address may be a prefix of another.
        names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        names.extend(self.process.folder_names(stack));
        let (entry, tls_entry) = (launched[0].entry, launched[0].tls_entry);
        let (mut components, mut remote, mut forwarders) = (Vec::new(), Vec::new(), Vec::new());
        for launched in launched {
            components.push(launched.component);
            remote.push(launched.remote);
            forwarders.extend(launched.forwarders);
        }
        let running = RunningStack::ready(components, Some(*client), names);
        (running, RemoteStack { components: remote, entry, tls_entry, _forwarders: forwarders })
    }

    async fn start_server(
        &mut self,
        stack: &model::Stack,
        place: &NodePlace,
        visit: &Path,
    ) -> Result<Launched, StartError> {
        let kind = self.process.resolve_kind(stack, &stack.server.kind)?;
        let work = visit.join(Role::Server.to_string());
        create_folder(&work)?;
        let mut reserve = ports(SERVER_PORT);
        let mut context = context(stack, place, (visit, &work), &mut reserve);
        let spec = resolve_server(&stack.server, stack.app, kind, &mut context)?;
        self.launch(spec, place, &[], (visit, &work)).await
    }

    async fn start_proxy(
        &mut self,
        stack: &model::Stack,
        proxy: &model::Proxy,
        place: &NodePlace,
        server: IpAddr,
        recording: Recording,
        visit: &Path,
    ) -> Result<Launched, StartError> {
        let kind = self.process.resolve_kind(stack, &proxy.kind)?;
        let work = visit.join(Role::Proxy.to_string());
        create_folder(&work)?;
        let mut reserve = ports(PROXY_PORT);
        let mut context = context(stack, place, (visit, &work), &mut reserve);
        context.access_logs = self.process.has_access_logs(recording);
        let spec = resolve_proxy(proxy, &upstream(), kind, &mut context)?;
        self.launch(spec, place, &[(SERVER.to_owned(), server)], (visit, &work)).await
    }
}

/// What can be recorded across nodes: nothing behind the proxy. The pages of lab's own applications show their requests.
fn possible(recording: Recording, stack: &model::Stack) -> Result<Recording, StartError> {
    let python = stack.apps.python().filter(|_| stack.app != Interface::Native);
    let is_own = python.is_none_or(|app| app.path.is_none());
    match recording.cache || ((recording.upstream || recording.app) && !is_own) {
        true => Err(StartError::NotRecordedInSwarm),
        false => Ok(Recording { upstream: false, app: false, ..recording }),
    }
}

fn context<'a>(
    stack: &'a model::Stack,
    place: &NodePlace,
    (visit, work): (&'a Path, &'a Path),
    reserve: &'a mut dyn FnMut() -> io::Result<SocketAddr>,
) -> SpecContext<'a> {
    SpecContext {
        lab: Path::new(LAB),
        visit,
        work,
        apps: &stack.apps,
        cores: place.cores.len().max(1),
        // Root only in the engine's eyes, if at all.
        is_root: false,
        identity: None,
        surroundings: AppSurroundings::default(),
        access_logs: true,
        reserve,
    }
}
