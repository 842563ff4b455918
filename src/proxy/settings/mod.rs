//! What a configuration says, typed: the tree of [`conf`](super::conf) read into what the proxy runs on.
//!
//! Each file holds one part of the configuration: its types first, how they are read from directives after. Names are
//! resolved to addresses while reading; files are only named, and nothing is bound or opened.

pub mod process;
pub mod listen;
pub mod server_name;
pub mod server;
pub mod location;
pub mod level;
pub mod logs;
pub mod pass;
pub mod fields;
pub mod redirect;
pub mod upstream;

use std::path::Path;

use super::conf::{ConfError, ConfErrorKind, Directive};
use level::Level;
use listen::Listen;
use logs::LogFormats;
use process::Process;
use server::Server;
use upstream::{Upstream, Upstreams};

/// A configuration that was understood as a whole.
#[derive(Debug)]
pub struct Settings {
    /// What concerns the process: workers, pid file, connections.
    pub process: Process,
    /// The sockets to listen on, each with its servers.
    pub listens: Vec<Listen>,
    /// The `server` blocks, in file order.
    pub servers: Vec<Server>,
    /// The `upstream` blocks and the addresses that `proxy_pass` names directly.
    pub upstreams: Vec<Upstream>,
}

/// Reads the checked tree of `file`. Relative paths of logs and the pid file are relative to `prefix`.
///
/// # Errors
/// The first value in file order that is not accepted; a missing `events` or `http` block.
pub fn read(tree: &[Directive], file: &Path, prefix: &Path) -> Result<Settings, ConfError> {
    let section = |name: &'static str| {
        let block = tree.iter().find(|directive| directive.name == name);
        block.ok_or_else(|| ConfError::new(file, 1, ConfErrorKind::MissingSection { name }))
    };
    let process = process::read(tree, section("events")?, prefix)?;
    let http = section("http")?.block.as_deref().unwrap_or_default();

    let formats = LogFormats::read(http)?;
    let mut upstreams = Upstreams::read(http)?;
    let main = Level { error_log: Some(process.error_log.clone()), ..Level::default() };
    let level = Level::read(http, &formats, prefix)?.inherit(&main);

    let mut servers = Vec::new();
    let mut listens = Vec::new();
    for directive in http.iter().filter(|directive| directive.name == "server") {
        let index = servers.len();
        servers.push(Server::read(directive, &level, &formats, &mut upstreams, prefix)?);
        listen::read(directive, index, &mut listens)?;
    }
    for listen in &mut listens {
        listen.index_names(&servers);
    }
    Ok(Settings { process, listens, servers, upstreams: upstreams.into_list() })
}
