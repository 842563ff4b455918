//! The services of a compose file as lab's services: their kinds, their users and databases, and the variables by which the
//! application finds them. Pure.

use super::compose::ComposeService;
use super::deployment::Service;

/// Images by the last part of their names, each with lab's kind. MariaDB stands for MySQL, whose protocol it speaks.
const KINDS: [(&str, &str); 9] = [
    ("postgres", POSTGRESQL),
    ("postgresql", POSTGRESQL),
    ("mysql", MARIADB),
    ("mysql-server", MARIADB),
    ("mariadb", MARIADB),
    ("percona", MARIADB),
    ("redis", "redis"),
    ("valkey", "redis"),
    ("memcached", "memcached"),
];
const POSTGRESQL: &str = "postgresql";
const MARIADB: &str = "mariadb";

/// Images that stand before an application, and serve it nothing.
const PROXIES: [&str; 7] = ["nginx", "nginx-unprivileged", "traefik", "caddy", "haproxy", "httpd", "envoy"];

/// The names of this machine in addresses.
const THIS_MACHINE: [&str; 2] = ["localhost", "127.0.0.1"];

/// Ends of the names of variables that hold a host. `PORT` in their place is the variable with its port.
const HOST_SUFFIXES: [&str; 3] = ["HOSTNAME", "HOST", "SERVER"];

/// A service of the compose file `file` that is made from `image`, with the `variables` that lead to it. `None` if it is a
/// proxy.
pub(super) fn service(
    found: &ComposeService,
    image: &str,
    file: &str,
    variables: &[(String, String)],
) -> Option<Service> {
    if PROXIES.contains(&base_name(image)) {
        return None;
    }
    let kind = kind_of(image);
    let mut leading: Vec<(String, String)> = Vec::new();
    for (name, value) in variables {
        let Some(address) = address(value, found, kind) else { continue };
        if address == "{host}"
            && let Some(port) = port_variable(name)
        {
            leading.push((port, "{port}".to_owned()));
        }
        leading.push((name.clone(), address));
    }
    let account = kind.and_then(|kind| Account::new(kind, found));
    for (name, value) in account.iter().flat_map(Account::variables) {
        if leading.iter().all(|(other, _)| *other != name) {
            leading.push((name, value));
        }
    }
    Some(Service {
        name: slug(&found.name),
        kind,
        image: image.to_owned(),
        place: format!("{file}:{}", found.line),
        then: account.as_ref().and_then(Account::command),
        variables: leading,
    })
}

/// Whether lab has a kind for an image.
pub(super) fn is_known(image: &str) -> bool {
    kind_of(image).is_some()
}

fn kind_of(image: &str) -> Option<&'static str> {
    let bare = base_name(image);
    KINDS.iter().find(|(image, _)| *image == bare).map(|(_, kind)| *kind)
}

/// Whether a service of its kind has users and databases.
pub(super) fn has_account(service: &Service) -> bool {
    service.kind.is_some_and(|kind| [POSTGRESQL, MARIADB].contains(&kind))
}

/// Whether one of the variables leads to the service.
pub(super) fn is_named(found: &ComposeService, variables: &[(String, String)]) -> bool {
    variables.iter().any(|(_, value)| address(value, found, None).is_some())
}

/// `postgres` of `docker.io/library/postgres:16`.
fn base_name(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split([':', '@']).next().unwrap_or(name)
}

fn slug(name: &str) -> String {
    name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// The variable with the port of the host that `name` holds.
fn port_variable(name: &str) -> Option<String> {
    HOST_SUFFIXES.iter().find_map(|suffix| Some(format!("{}PORT", name.strip_suffix(suffix)?)))
}

/// A value that leads to the service, with the placeholders of its address: a host, `host:port`, or a URL.
fn address(value: &str, service: &ComposeService, kind: Option<&str>) -> Option<String> {
    let is_host = |host: &str| service.hosts.iter().any(|own| own == host);
    if is_host(value) {
        return Some("{host}".to_owned());
    }
    let (scheme, rest) = match value.find("://") {
        Some(at) => value.split_at(at + "://".len()),
        None => ("", value),
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, place) = match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    };
    let (host, port) = place.rsplit_once(':').unwrap_or((place, ""));
    let is_published =
        || THIS_MACHINE.contains(&host) && port.parse().is_ok_and(|port| service.published.contains(&port));
    if (scheme.is_empty() && port.is_empty()) || !(is_host(host) || is_published()) {
        return None;
    }
    // The kind's Redis has no password, and refuses one.
    let user = if kind == Some("redis") { "" } else { user };
    let literal = |text: &str| text.replace('{', "{{").replace('}', "}}");
    Some(format!("{}{}{{host}}:{{port}}{}", literal(scheme), literal(user), literal(tail)))
}

/// The user and the database that the image of a database makes.
struct Account {
    kind: &'static str,
    user: String,
    password: String,
    database: Option<String>,
}

impl Account {
    fn new(kind: &'static str, service: &ComposeService) -> Option<Account> {
        let value = |names: &[&str]| {
            let found = names.iter().find_map(|name| service.variables.iter().find(|(own, _)| own == name));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        match kind {
            POSTGRESQL => {
                let user = value(&["POSTGRES_USER", "POSTGRESQL_USERNAME"]).unwrap_or_else(|| "postgres".to_owned());
                let database = value(&["POSTGRES_DB", "POSTGRESQL_DATABASE"]).unwrap_or_else(|| user.clone());
                // The kind asks nobody for a password.
                Some(Account { kind, user, password: String::new(), database: Some(database) })
            }
            MARIADB => {
                let user = value(&["MYSQL_USER", "MARIADB_USER"]);
                let password = match user {
                    Some(_) => value(&["MYSQL_PASSWORD", "MARIADB_PASSWORD"]),
                    None => value(&["MYSQL_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD"]),
                };
                let user = user.unwrap_or_else(|| "root".to_owned());
                let database = value(&["MYSQL_DATABASE", "MARIADB_DATABASE"]);
                Some(Account { kind, user, password: password.unwrap_or_default(), database })
            }
            _ => None,
        }
    }

    /// Whether its names need no quoting, by a shell or in SQL.
    fn is_plain(&self) -> bool {
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@%+=".contains(c));
        [&self.user, &self.password].into_iter().chain(&self.database).all(|text| is_plain(text))
    }

    /// The command that makes them, once the service is ready. `None` if a name needs quoting.
    fn command(&self) -> Option<String> {
        let Account { kind, user, password, database } = self;
        if !self.is_plain() {
            return None;
        }
        if *kind == POSTGRESQL {
            let address = "-h {host} -p {port} -U lab";
            let database = database.iter().filter(|name| *name != "postgres");
            let create: String = database.map(|name| format!(" && createdb {address} -O {user} {name}")).collect();
            return Some(format!("createuser {address} --superuser {user}{create}"));
        }
        let create: String = database.iter().map(|name| format!("CREATE DATABASE `{name}`; ")).collect();
        let account = format!(
            "{create}CREATE OR REPLACE USER '{user}'@'%' IDENTIFIED BY '{password}'; \
             GRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION"
        );
        // Within double quotes a shell would take the backticks for a command.
        let account = account.replace('`', "\\`");
        Some(format!("mariadb --no-defaults -h {{host}} -P {{port}} -u lab -e \"{account}\""))
    }

    /// The kind's own variables, with this account instead of the kind's.
    fn variables(&self) -> Vec<(String, String)> {
        if !self.is_plain() {
            return Vec::new();
        }
        let Account { kind, user, password, database } = self;
        let database = database.clone().unwrap_or_default();
        let user_part = if password.is_empty() { user.clone() } else { format!("{user}:{password}") };
        let (scheme, names) = match *kind {
            POSTGRESQL => ("postgresql", ["PGUSER", "PGDATABASE"]),
            _ => ("mysql", ["MYSQL_USER", "MYSQL_DATABASE"]),
        };
        let url = format!("{scheme}://{user_part}@{{host}}:{{port}}/{database}");
        let own = [("DATABASE_URL", url), (names[0], user.clone()), (names[1], database)];
        own.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(variables: &[(&str, &str)]) -> ComposeService {
        ComposeService {
            name: "shop_db".to_owned(),
            line: 2,
            hosts: vec!["shop_db".to_owned()],
            published: vec![5433],
            variables: pairs(variables),
            ..ComposeService::default()
        }
    }

    fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_that_lead_to_a_service_get_its_address() {
        let service = database(&[]);
        for (value, expected) in [
            ("shop_db", Some("{host}")),
            ("shop_db:6379", Some("{host}:{port}")),
            ("redis://:pw@shop_db:6379/1", Some("redis://{host}:{port}/1")),
            ("redis://shop_db?x={y}", Some("redis://{host}:{port}?x={{y}}")),
            ("redis://127.0.0.1:5433/0", Some("redis://{host}:{port}/0")),
            ("redis://127.0.0.1:6379/0", None),
            ("redis://other_shop_db/0", None),
            ("shop_database", None),
        ] {
            assert_eq!(address(value, &service, Some("redis")).as_deref(), expected, "{value}");
        }
        let kept = address("postgres://shop:pw@shop_db/shop", &service, Some(POSTGRESQL));
        assert_eq!(kept.as_deref(), Some("postgres://shop:pw@{host}:{port}/shop"));
    }

    #[test]
    fn postgresql_gets_the_user_and_the_database_of_the_image() {
        let found = database(&[("POSTGRES_USER", "shop")]);
        let image = "docker.io/library/postgres:16-alpine";
        let made = service(&found, image, "compose.yaml", &pairs(&[("DB_HOST", "shop_db"), ("A", "b")])).unwrap();
        assert_eq!(
            (made.name.as_str(), made.kind, made.place.as_str()),
            ("shop-db", Some(POSTGRESQL), "compose.yaml:2")
        );
        let expected = [
            ("DB_PORT", "{port}"),
            ("DB_HOST", "{host}"),
            ("DATABASE_URL", "postgresql://shop@{host}:{port}/shop"),
            ("PGUSER", "shop"),
            ("PGDATABASE", "shop"),
        ];
        assert_eq!(made.variables, pairs(&expected));
        let then = "createuser -h {host} -p {port} -U lab --superuser shop && \
                    createdb -h {host} -p {port} -U lab -O shop shop";
        assert_eq!(made.then.as_deref(), Some(then));
        let unusual = database(&[("POSTGRES_USER", "it's")]);
        assert_eq!(service(&unusual, "postgres", "compose.yaml", &[]).unwrap().then, None);
    }

    #[test]
    fn mysql_gets_its_account_from_mariadb() {
        let account = [("MYSQL_USER", "shop"), ("MYSQL_PASSWORD", "pw"), ("MYSQL_DATABASE", "shop")];
        let made = service(&database(&account), "mysql:8", "compose.yaml", &[]).unwrap();
        assert_eq!(made.kind, Some(MARIADB));
        assert_eq!(made.variables[0].1, "mysql://shop:pw@{host}:{port}/shop");
        assert!(made.then.unwrap().contains("CREATE DATABASE \\`shop\\`; CREATE OR REPLACE USER 'shop'@'%'"));
    }

    #[test]
    fn proxies_are_no_services() {
        assert_eq!(service(&database(&[]), "nginx:1.27", "compose.yaml", &[]), None);
        assert_eq!(service(&database(&[]), "getmeili/meilisearch", "compose.yaml", &[]).unwrap().kind, None);
    }
}
