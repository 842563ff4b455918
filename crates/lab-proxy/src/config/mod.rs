//! The typed configuration: the directives of an nginx.conf as the values the proxy runs on.
//!
//! Each file holds the types of a few directives first and the code that reads them after. Host names are resolved
//! while the configuration is read. Files are only named: nothing is opened or bound here.

#[cfg(test)]
mod directive_effects;
mod cache_path;
mod field_value;
mod log_format;
mod reader;
mod tls_directives;
mod upstream_block;
mod variables;

pub mod address;
pub mod network;
pub mod position;
pub mod process;
pub mod logs;
pub mod request_head;
pub mod server;
pub mod severity;
pub mod server_name;
pub mod limit_zone;
pub mod cache_zone;
pub mod charset_map;
pub mod location;
pub mod proxy;
pub mod upstream;
pub mod derived;
pub mod geo;
pub mod http2;
pub mod map;
pub mod nginx_version;
pub mod split_clients;
pub mod syslog;
pub mod tls;

use std::path::{Path, PathBuf};

use crate::variables::DefinedVariables;
use cache_zone::CacheZone;
use charset_map::CharsetMaps;
use derived::DerivedVariable;
use http2::Http2Level;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};
use limit_zone::LimitZones;
use location::level::Level;
use location::root::Root;
use logs::AccessLogFile;
use nginx_version::NginxVersion;
use process::ProcessConfig;
use reader::ConfigReader;
use server::Server;
use server::listen::{self, Listen};
use tls::upstream::UpstreamTlsConfig;
use tls_directives::server::ServerTlsLevel;
use upstream::Upstream;

/// The whole configuration of a proxy.
#[derive(Debug)]
pub struct Config {
    pub process: ProcessConfig,
    /// The sockets to listen on, each with its servers.
    pub listens: Vec<Listen>,
    /// The `server` blocks, in file order.
    pub servers: Vec<Server>,
    /// The `upstream` blocks, and the addresses that a `proxy_pass` names directly.
    pub upstreams: Vec<Upstream>,
    /// The variables that the configuration defines.
    pub variables: DefinedVariables,
    /// The `map`, `geo` and `split_clients` blocks, by the slots of their variables.
    pub derived: Vec<Option<DerivedVariable>>,
    /// The files of all `access_log`s, each once.
    pub access_log_files: Vec<AccessLogFile>,
    /// The files of all `error_log`s, each once.
    pub error_log_files: Vec<PathBuf>,
    /// The folders of all `client_body_temp_path`s and `proxy_temp_path`s, each once.
    pub temp_folders: Vec<PathBuf>,
    /// The zones of `limit_req_zone` and `limit_conn_zone`.
    pub zones: LimitZones,
    /// The zones of `proxy_cache_path` and `uwsgi_cache_path`.
    pub cache_zones: Vec<CacheZone>,
    /// The charsets that the configuration names, which `X-Accel-Charset` may choose from.
    pub charsets: Vec<String>,
    /// The `charset_map` blocks.
    pub charset_maps: CharsetMaps,
    /// Whether a variable reads the head of a response, so that heads must be kept.
    pub needs_response_heads: bool,
    /// `proxy_ssl_*` of every location that may connect over TLS.
    pub upstream_tls: Vec<UpstreamTlsConfig>,
    /// Messages about values that are accepted without their full effect.
    pub warnings: Vec<String>,
    /// Whether a variable reads the body of the request, so that bodies must be kept.
    pub needs_request_body: bool,
}

/// Paths that come from the command line, not from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct ConfigPaths<'p> {
    /// The folder that relative paths start from.
    pub prefix: &'p Path,
    /// The error log if the main level has no `error_log`; without either, standard error.
    pub error_log: Option<&'p Path>,
}

/// Reads a tree that [`check`](lab_nginx_conf::check) has accepted. `file` is named if a whole section is missing.
///
/// # Errors
/// All values that are not accepted, by file and line; a missing `events` or `http` block.
pub fn read(tree: &[Directive], file: &Path, paths: ConfigPaths<'_>) -> Result<Config, ConfError> {
    read_with_defaults(tree, file, paths, NginxVersion::default())
}

/// As [`read`], with the defaults of a version of nginx.
///
/// # Errors
/// Those of [`read`].
pub fn read_with_defaults(
    tree: &[Directive],
    file: &Path,
    paths: ConfigPaths<'_>,
    version: NginxVersion,
) -> Result<Config, ConfError> {
    let section = |name: &'static str| {
        let block = tree.iter().find(|directive| directive.name == name);
        block.ok_or_else(|| ConfError::new(file, 1, ConfErrorKind::MissingSection { name }))
    };
    let mut reader = ConfigReader { version: version.for_directives(tree), ..ConfigReader::new(paths.prefix) };
    reader.folder = file.parent().unwrap_or(Path::new(""));
    let process = process::read(tree, section("events")?, paths.error_log, &mut reader)?;
    let http = section("http")?.children();

    // directives that others refer to come first, regardless of their order in the file
    reader.variables = variables::collect(http)?;
    upstream_block::read(http, &mut reader)?;
    logs::read_formats(http, &mut reader);
    location::limits::read_zones(http, &mut reader);
    cache_path::read_zones(http, &mut reader);
    location::filters::charset::read_maps(http, &mut reader);
    let derived = derived::read(http, &mut reader);
    let main = Level { error_log: Some(process.error_log.clone()), ..Level::default() };
    let mut level = Level::read(http, &mut reader).inherit(&main);
    level.charset.check(&mut reader);
    let root = match level.files.root.take() {
        Some(own) => own.resolve(Some(0), &reader),
        None => Root::nginx_default(&reader),
    };

    let tls = ServerTlsLevel::read(http, &mut reader);
    let http2 = Http2Level::read(http, &mut reader);

    let mut servers = Vec::new();
    let mut listens = Vec::new();
    for directive in http.iter().filter(|directive| directive.name == "server") {
        let index = servers.len();
        let server = Server::read(directive, &level, &root, (&tls, http2), &mut reader);
        servers.extend(reader.keep(server));
        listen::read(directive, index, &mut listens, &mut reader);
    }
    listen::finish(&mut listens, &servers, &mut reader);
    if let Some(error) = lab_nginx_conf::join_in_order(std::mem::take(&mut reader.errors), tree) {
        return Err(error);
    }
    Ok(Config {
        process,
        listens,
        servers,
        derived,
        variables: reader.variables,
        upstreams: reader.upstreams.into_list(),
        access_log_files: reader.log_paths.access,
        error_log_files: reader.log_paths.error,
        temp_folders: reader.temp_folders,
        zones: reader.zones,
        cache_zones: reader.cache_zones,
        charsets: reader.charsets,
        charset_maps: reader.charset_maps,
        needs_response_heads: reader.needs_response_heads,
        upstream_tls: reader.upstream_tls,
        warnings: reader.warnings,
        needs_request_body: reader.needs_request_body,
    })
}

#[cfg(test)]
mod tests {
    use super::location::location_config::LocationConfig;
    use super::location::{self, LocationMatch};
    use super::*;
    use crate::variables::VariableValues;

    fn config(http: &str) -> Result<Config, String> {
        let file = Path::new("nginx.conf");
        let tree = lab_nginx_conf::parse(&format!("events {{}} http {{ {http} }}"), file).unwrap();
        let read = lab_nginx_conf::check(&tree)
            .and_then(|()| read(&tree, file, ConfigPaths { prefix: Path::new("/prefix"), error_log: None }));
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn listen_accepts_nginx_addresses() {
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
            ("unix:/run/a-1-2", "unix:/run/a-1-2"),
            ("8000-8002", "0.0.0.0:8002"),
            ("[::1]:8000-8001", "[::1]:8001"),
        ] {
            let config = config(&format!("server {{ listen {text}; }}")).unwrap();
            let addresses: Vec<String> = config.listens.iter().map(|listen| listen.address.to_string()).collect();
            assert!(addresses.contains(&expected.to_owned()), "{text}: {addresses:?}");
        }
        for text in [
            "0",
            "70000",
            "*:0",
            "*80",
            "[::1",
            "[::1]x",
            "::1",
            "127.0.0.1:",
            "127.0.0.1:x",
            "unix:",
            "''",
            "8-7",
            "0-1",
            "1-70000",
            "8-",
        ] {
            assert!(config(&format!("server {{ listen {text}; }}")).is_err(), "{text}");
        }
    }

    #[test]
    fn default_server_is_marked_or_first() {
        let config = config(
            "server { listen 1; server_name a; } server { listen 1; listen 2; server_name b; } \
             server { listen 2 default_server; server_name c; }",
        )
        .unwrap();
        let chosen = |listen: usize, host: &str| {
            config.listens[listen].server_for(Some(host.as_bytes()), &VariableValues::default())
        };
        assert_eq!((chosen(0, "b"), chosen(0, "c"), chosen(1, "b"), chosen(1, "a")), (1, 0, 1, 2));
        assert_eq!(config.listens[1].server_for(None, &VariableValues::default()), 2);
    }

    #[test]
    fn exact_paths_precede_longest_prefixes() {
        let config = config(
            "server { location / { } location = / { } location /a/ { proxy_pass http://127.0.0.1:1; } \
             location /a/b { } location =/a/c { } location ^~ /d/ { } }",
        )
        .unwrap();
        let locations = config.servers[0].locations();
        for (path, expected) in [
            ("/", "location = /"),
            ("*", "location = /"),
            ("/x", "location /"),
            ("/a", "add slash to /a/"),
            ("/a/", "location /a/"),
            ("/a/bc", "location /a/b"),
            ("/a/c", "location = /a/c"),
            ("/a/c/", "location /a/"),
            // only locations that proxy get a slash
            ("/d", "location /"),
        ] {
            let found = match locations.find(path.as_bytes(), &VariableValues::default()) {
                LocationMatch::Location(found) if matches!(found.matcher, location::Matcher::Exact) => {
                    format!("location = {}", found.path)
                }
                LocationMatch::Location(found) => format!("location {}", found.path),
                LocationMatch::AddSlash(found) => format!("add slash to {}", found.path),
                LocationMatch::None => "nothing".to_owned(),
            };
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn levels_inherit_missing_directives() {
        let config = config(
            "client_max_body_size 1k; access_log logs/a; access_log /b; proxy_read_timeout 5s; \
             server { client_max_body_size 0; location / { proxy_pass http://127.0.0.1:1; access_log off; } \
             location /a { proxy_pass http://127.0.0.1:1; proxy_read_timeout 7s; keepalive_timeout 0; } }",
        )
        .unwrap();
        let server = &config.servers[0];
        let [root, a] = server.locations().all() else { panic!("two locations") };
        let path = |log: &logs::AccessLog| match log.target {
            logs::AccessLogTarget::File(file) => config.access_log_files[file].path.clone(),
            logs::AccessLogTarget::PathTemplate { .. } | logs::AccessLogTarget::Syslog(_) => panic!("a file"),
        };
        let files = |config: &LocationConfig| config.access_log.iter().map(path).collect::<Vec<_>>();
        assert_eq!(files(server.config()), [Path::new("/prefix/logs/a"), Path::new("/b")]);
        assert_eq!((files(&root.config).len(), files(&a.config).len()), (0, 2));
        assert_eq!((server.config().client_max_body_size, a.config.client_max_body_size), (None, None));
        let seconds = |location: &location::Location| location.pass.as_ref().unwrap().read_timeout.as_secs();
        assert_eq!((seconds(root), seconds(a)), (5, 7));
        assert!(a.config.keepalive.idle.is_zero() && !root.config.keepalive.idle.is_zero());
        assert_eq!(config.access_log_files.len(), 2);
        assert_eq!(config.upstreams.len(), 1, "the same address is the same upstream");
    }

    #[test]
    fn odd_server_names_are_warned_of() {
        let config = config("server { server_name a.org http://b.org $hostname ${DOMAIN} ~^c/$; }").unwrap();
        let warnings: Vec<&str> = config.warnings.iter().map(|warning| warning.split(" in ").next().unwrap()).collect();
        assert_eq!(
            warnings,
            [
                "server name \"http://b.org\" has suspicious symbols",
                "server name \"${DOMAIN}\" has no variables: it is compared as it is written",
            ]
        );
    }

    #[test]
    fn upstream_connections_are_kept_since_1_29_7() {
        let text = "events { } http { upstream app { server 127.0.0.1:1; } upstream other { server 127.0.0.1:2; \
                    keepalive 0; } server { listen 80; location / { proxy_pass http://app; } } }";
        let file = Path::new("nginx.conf");
        let tree = lab_nginx_conf::parse(text, file).unwrap();
        let paths = ConfigPaths { prefix: Path::new(""), error_log: None };
        let config = read_with_defaults(&tree, file, paths, "1.29.7".parse().unwrap()).unwrap();
        assert_eq!(config.upstreams.iter().map(|upstream| upstream.keepalive).collect::<Vec<_>>(), [32, 0]);
        let pass = config.servers[0].locations().all()[0].pass.as_ref().unwrap();
        assert_eq!((pass.version, pass.fields.always_closes()), (lab_http::Version::Http11, false));
        assert!(read(&tree, file, paths).unwrap_err().to_string().contains("keepalive"));
    }

    #[test]
    fn upstreams_have_their_servers() {
        let config = config(
            "server { location / { proxy_pass http://app; } } \
             upstream app { server 127.0.0.1:1 weight=3 max_fails=0; server [::1]:2 fail_timeout=1m; keepalive 7; \
             server unix:/run/app.sock backup max_conns=4; }",
        )
        .unwrap();
        let app = &config.upstreams[0];
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
