//! Runs services of applications in containers of their images.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;

use super::container_spec::ContainerSpec;
use super::lab_image::ImageReference;
use super::run_network::RunNetwork;
use super::{domain, keeper_process, labels, limits};
use crate::stack::StartError;
use crate::stack::service::{ServiceAddresses, ServiceContainer, ServiceContainers, ServiceKeeper};

/// Seconds between SIGTERM and SIGKILL; a database writes its state before it ends.
const STOP_GRACE_S: i32 = 5;
/// The memory limit, in bytes.
const MEMORY_BYTES: i64 = 4 << 30;
/// The limit of processes and threads.
const PIDS: i64 = 4096;

impl ServiceContainers for RunNetwork {
    fn start<'a>(
        &'a self,
        service: ServiceContainer<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<ServiceKeeper, StartError>> + 'a>> {
        Box::pin(async move {
            let file = format!("service-{}", service.name);
            let what = format!("the service `{}`", service.name);
            let spec = container_spec(self, &service);
            let place = (service.visit, file.as_str());
            let mut keeper = keeper_process::start(service.lab, &self.engine, &spec, place, &what)?;
            let location = keeper_process::read_location(&mut keeper);
            let location = tokio::time::timeout(keeper_process::START_DEADLINE, location).await.ok().flatten();
            let addresses = location.map(|location| {
                let inside = SocketAddr::new(location.address, service.image.port);
                let outside = if self.reaches(location.address) { inside } else { location.published };
                ServiceAddresses { outside, inside }
            });
            Ok((keeper, addresses))
        })
    }
}

fn container_spec(network: &RunNetwork, service: &ServiceContainer<'_>) -> ContainerSpec {
    let ServiceContainer { name, image, cores, visit_name, .. } = service;
    let RunNetwork { engine, network, labels, .. } = network;
    let domain = domain::stack_domain(visit_name, network);
    let mut labels: BTreeMap<String, String> = labels.clone().into_iter().collect();
    labels.insert(labels::COMPONENT.to_owned(), format!("{}-service-{name}", domain::label(visit_name)));
    let ImageReference { name: image_name, tag } = ImageReference::from_name(&image.name);
    ContainerSpec {
        name: format!("service-{name}.{domain}"),
        domain,
        image: image_name,
        tag,
        labels,
        network: network.clone(),
        hosts: BTreeMap::new(),
        command: Vec::new(),
        environment: image.variables.iter().cloned().collect(),
        user: None,
        working_folder: None,
        mounts: Vec::new(),
        scratch: Vec::new(),
        scratch_options: String::new(),
        port: image.port,
        cores: cores.to_vec(),
        memory_bytes: MEMORY_BYTES,
        pids: PIDS,
        open_files: limits::open_files(engine),
        processes: limits::processes(engine),
        users: None,
        grace_s: STOP_GRACE_S,
    }
}
