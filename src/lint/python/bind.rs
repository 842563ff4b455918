//! Where gunicorn listens, by its configuration.

use std::path::Path;

use super::module::PythonModule;
use crate::lint::server_address::ServerAddress;
use crate::lint::upstream_elsewhere::AddressInFile;

/// gunicorn's default port.
const DEFAULT_PORT: u16 = 8000;

/// The addresses that the file binds. Empty if it binds none, or if they are known only when it runs.
#[must_use]
pub fn bound_addresses(file: &Path, module: &PythonModule) -> Vec<AddressInFile> {
    let Some(bind) = module.assignments.iter().rfind(|assignment| assignment.name == "bind") else { return Vec::new() };
    let addresses = bind.value.as_deref().unwrap_or_default().split(',').map(str::trim);
    let parsed = addresses.map(|text| ServerAddress::parse(text, DEFAULT_PORT));
    let known: Option<Vec<ServerAddress>> = parsed.collect();
    let located = |address| AddressInFile { address, location: bind.position.in_file(file) };
    known.unwrap_or_default().into_iter().map(located).collect()
}
