//! What a configuration says, typed: the tree of [`conf`](lab_nginx_conf) read into what the proxy runs on.
//!
//! Each file holds one part of the configuration: its types first, how they are read from directives after. Names are
//! resolved to addresses while reading; files are only named, and nothing is bound or opened.

mod reading;

pub mod process;
pub mod listen;
pub mod server_name;
pub mod server;
pub mod location;
pub mod heads;
pub mod files;
pub mod level;
pub mod logs;
pub mod map;
pub mod script;
pub mod root;
pub mod answers;
pub mod real_ip;
pub mod pass;
pub mod fields;
pub mod redirect;
pub mod cookies;
pub mod upstream;
pub mod resolver;
pub mod retry;
pub mod buffering;

use std::path::{Path, PathBuf};

use crate::eval::Names;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};
use level::Level;
use listen::Listen;
use logs::{AccessFile, LogFormats};
use map::Map;
use process::Process;
use reading::Reading;
use root::Root;
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
    /// The variables that the configuration defines itself.
    pub names: Names,
    /// The `map` blocks, by the slots of their variables.
    pub maps: Vec<Option<Map>>,
    /// The files of all `access_log`s, each once.
    pub access_log_files: Vec<AccessFile>,
    /// The files of all `error_log`s, each once.
    pub error_log_files: Vec<PathBuf>,
    /// Whether a variable needs the head of an answer, so that heads are kept.
    pub needs_heads: bool,
}

/// Where things are that a configuration does not name.
#[derive(Debug, Clone, Copy)]
pub struct Places<'p> {
    /// What relative paths are relative to.
    pub prefix: &'p Path,
    /// Where errors go without an `error_log` of the main level; standard error without.
    pub error_log: Option<&'p Path>,
}

/// Reads the checked tree of `file`.
///
/// # Errors
/// The first value in file order that is not accepted; a missing `events` or `http` block.
pub fn read(tree: &[Directive], file: &Path, places: Places<'_>) -> Result<Settings, ConfError> {
    let section = |name: &'static str| {
        let block = tree.iter().find(|directive| directive.name == name);
        block.ok_or_else(|| ConfError::new(file, 1, ConfErrorKind::MissingSection { name }))
    };
    let mut reading = Reading::empty(places.prefix);
    let process = process::read(tree, section("events")?, places.error_log, &mut reading)?;
    let http = section("http")?.block.as_deref().unwrap_or_default();

    reading.names = reading::collect_names(http)?;
    reading.upstreams = Upstreams::read(http, &mut reading)?;
    LogFormats::read(http, &mut reading)?;
    let mut maps: Vec<Option<Map>> = Vec::new();
    maps.resize_with(reading.names.count(), || None);
    for directive in http.iter().filter(|directive| directive.name == "map") {
        let (slot, map) = Map::read(directive, &mut reading)?;
        maps[slot] = Some(map);
    }
    let main = Level { error_log: Some(process.error_log.clone()), ..Level::default() };
    let mut level = Level::read(http, &mut reading)?.inherit(&main);
    let root = match level.files.root.take() {
        Some(own) => own.within(Some(0), &reading),
        None => Root::default_of(&reading),
    };

    let mut servers = Vec::new();
    let mut listens = Vec::new();
    for directive in http.iter().filter(|directive| directive.name == "server") {
        let index = servers.len();
        servers.push(Server::read(directive, &level, &root, &mut reading)?);
        listen::read(directive, index, &mut listens)?;
    }
    for listen in &mut listens {
        listen.index_names(&servers);
    }
    Ok(Settings {
        process,
        listens,
        servers,
        maps,
        names: reading.names,
        upstreams: reading.upstreams.into_list(),
        access_log_files: reading.access_files,
        error_log_files: reading.error_files,
        needs_heads: reading.needs_heads,
    })
}

#[cfg(test)]
mod tests {
    use super::level::Rules;
    use super::location::Found;
    use super::*;
    use crate::eval::Values;

    fn settings(http: &str) -> Result<Settings, String> {
        let file = Path::new("nginx.conf");
        let tree = lab_nginx_conf::parse(&format!("events {{}} http {{ {http} }}"), file).unwrap();
        let read = lab_nginx_conf::check(&tree)
            .and_then(|()| read(&tree, file, Places { prefix: Path::new("/prefix"), error_log: None }));
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn listen_takes_nginxs_forms_of_an_address() {
        for (text, expected) in [
            ("80", "0.0.0.0:80"),
            ("*:8080", "0.0.0.0:8080"),
            ("*", "0.0.0.0:80"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]", "[::1]:80"),
            ("[::]:8080", "[::]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
        ] {
            let settings = settings(&format!("server {{ listen {text}; }}")).unwrap();
            let addresses: Vec<String> = settings.listens.iter().map(|listen| listen.address.to_string()).collect();
            assert!(addresses.contains(&expected.to_owned()), "{text}: {addresses:?}");
        }
        for text in ["0", "70000", "*:0", "*80", "[::1", "[::1]x", "::1", "127.0.0.1:", "127.0.0.1:x", "unix:", "''"] {
            assert!(settings(&format!("server {{ listen {text}; }}")).is_err(), "{text}");
        }
    }

    #[test]
    fn the_default_server_is_the_marked_one_or_the_first() {
        let settings = settings(
            "server { listen 1; server_name a; } server { listen 1; listen 2; server_name b; } \
             server { listen 2 default_server; server_name c; }",
        )
        .unwrap();
        let chosen =
            |listen: usize, host: &str| settings.listens[listen].server_for(Some(host.as_bytes()), &Values::default());
        assert_eq!((chosen(0, "b"), chosen(0, "c"), chosen(1, "b"), chosen(1, "a")), (1, 0, 1, 2));
        assert_eq!(settings.listens[1].server_for(None, &Values::default()), 2);
    }

    #[test]
    fn the_longest_prefix_wins_unless_a_path_is_exact() {
        let settings = settings(
            "server { location / { } location = / { } location /a/ { proxy_pass http://127.0.0.1:1; } \
             location /a/b { } location =/a/c { } location ^~ /d/ { } }",
        )
        .unwrap();
        let locations = settings.servers[0].locations();
        for (path, expected) in [
            ("/", "location = /"),
            ("*", "location = /"),
            ("/x", "location /"),
            ("/a", "add slash to /a/"),
            ("/a/", "location /a/"),
            ("/a/bc", "location /a/b"),
            ("/a/c", "location = /a/c"),
            ("/a/c/", "location /a/"),
            // only what is proxied is given a slash
            ("/d", "location /"),
        ] {
            let found = match locations.find(path.as_bytes(), &Values::default()) {
                Found::Location(found) if matches!(found.matching, location::Matching::Exact) => {
                    format!("location = {}", found.path)
                }
                Found::Location(found) => format!("location {}", found.path),
                Found::AddSlash(found) => format!("add slash to {}", found.path),
                Found::Nothing => "nothing".to_owned(),
            };
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn levels_inherit_what_they_do_not_say() {
        let settings = settings(
            "client_max_body_size 1k; access_log logs/a; access_log /b; proxy_read_timeout 5s; \
             server { client_max_body_size 0; location / { proxy_pass http://127.0.0.1:1; access_log off; } \
             location /a { proxy_pass http://127.0.0.1:1; proxy_read_timeout 7s; keepalive_timeout 0; } }",
        )
        .unwrap();
        let server = &settings.servers[0];
        let [root, a] = server.locations().all() else { panic!("two locations") };
        let path = |log: &logs::AccessLog| settings.access_log_files[log.file].path.clone();
        let files = |rules: &Rules| rules.access_log.iter().map(path).collect::<Vec<_>>();
        assert_eq!(files(server.rules()), [Path::new("/prefix/logs/a"), Path::new("/b")]);
        assert_eq!((files(&root.rules).len(), files(&a.rules).len()), (0, 2));
        assert_eq!((server.rules().client_max_body_size, a.rules.client_max_body_size), (None, None));
        let seconds = |location: &location::Location| location.pass.as_ref().unwrap().read_timeout.as_secs();
        assert_eq!((seconds(root), seconds(a)), (5, 7));
        assert!(a.rules.keepalive.idle.is_zero() && !root.rules.keepalive.idle.is_zero());
        assert_eq!(settings.access_log_files.len(), 2);
        assert_eq!(settings.upstreams.len(), 1, "the same address is the same upstream");
    }

    #[test]
    fn upstreams_know_their_servers() {
        let settings = settings(
            "server { location / { proxy_pass http://app; } } \
             upstream app { server 127.0.0.1:1 weight=3 max_fails=0; server [::1]:2 fail_timeout=1m; keepalive 7; \
             server unix:/run/app.sock backup max_conns=4; }",
        )
        .unwrap();
        let app = &settings.upstreams[0];
        let servers: Vec<(String, i64, u32, u64)> = app
            .servers
            .iter()
            .map(|server| (server.address.to_string(), server.weight, server.max_fails, server.fail_timeout.as_secs()))
            .collect();
        let expected = [("127.0.0.1:1", 3, 0, 10), ("[::1]:2", 1, 1, 60), ("unix:/run/app.sock", 1, 1, 10)];
        assert_eq!(servers, expected.map(|(address, a, b, c)| (address.to_owned(), a, b, c)));
        assert!(app.servers[2].is_backup && app.servers[2].max_conns == 4);
        assert_eq!((app.keepalive, app.keepalive_requests), (7, 1000));
    }
}
