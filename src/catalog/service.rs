//! The services that lab knows, which an application may need beside its server. Any other is a command in the scenario.

/// What lab knows about a service. Its commands are for a shell, with `{host}`, `{port}` and `{folder}`.
#[derive(Debug, PartialEq, Eq)]
pub struct ServiceKind {
    pub name: &'static str,
    /// The program to look for, and the Debian package that has it.
    pub program: &'static str,
    pub package: &'static str,
    /// A folder whose subfolders, named after versions, have the program in `bin`; Debian keeps some off the path.
    pub versions: Option<&'static str>,
    /// Whether it refuses to run as root.
    pub refuses_root: bool,
    /// Prepares its state, before it starts.
    pub prepare: Option<&'static str>,
    pub command: &'static str,
    /// Succeeds once it is ready. `None`: it is ready once it accepts connections.
    pub is_ready: Option<&'static str>,
    /// Runs once it is ready, before the application starts.
    pub then: Option<&'static str>,
    /// Variables for the application.
    pub environment: &'static [(&'static str, &'static str)],
}

pub const SERVICE_KINDS: [&ServiceKind; 4] = [&MARIADB, &MEMCACHED, &POSTGRESQL, &REDIS];

const MARIADB: ServiceKind = ServiceKind {
    name: "mariadb",
    program: "mariadbd",
    package: "mariadb-server",
    versions: None,
    refuses_root: true,
    prepare: Some(
        "mariadb-install-db --no-defaults --datadir='{folder}/data' --auth-root-authentication-method=normal \
         --skip-test-db > install.log && \
         printf '%s\\n' \"CREATE DATABASE app;\" \"CREATE USER 'lab'@'%';\" \
         \"GRANT ALL ON *.* TO 'lab'@'%' WITH GRANT OPTION;\" > accounts.sql",
    ),
    // The path of its unix socket starts at its data, because it must be short.
    command: "exec mariadbd --no-defaults --datadir='{folder}/data' --bind-address={host} --port={port} \
              --socket=mariadb.sock --init-file='{folder}/accounts.sql' --innodb-flush-log-at-trx-commit=0",
    is_ready: Some("mariadb-admin --no-defaults -h {host} -P {port} -u lab ping"),
    then: None,
    environment: &[
        ("DATABASE_URL", "mysql://lab@{host}:{port}/app"),
        ("MYSQL_HOST", "{host}"),
        ("MYSQL_PORT", "{port}"),
        ("MYSQL_USER", "lab"),
        ("MYSQL_DATABASE", "app"),
    ],
};

const MEMCACHED: ServiceKind = ServiceKind {
    name: "memcached",
    program: "memcached",
    package: "memcached",
    versions: None,
    refuses_root: true,
    prepare: None,
    command: "exec memcached -l {host} -p {port} -U 0",
    is_ready: None,
    then: None,
    environment: &[("MEMCACHED_URL", "memcached://{host}:{port}")],
};

const POSTGRESQL: ServiceKind = ServiceKind {
    name: "postgresql",
    program: "initdb",
    package: "postgresql",
    versions: Some("/usr/lib/postgresql"),
    refuses_root: true,
    // Containers connect from other addresses than this machine's, which initdb allows by itself.
    prepare: Some(
        "initdb -D '{folder}/data' -U lab -A trust --no-sync --encoding=UTF8 --locale=C && \
         echo 'host all all samenet trust' >> '{folder}/data/pg_hba.conf'",
    ),
    // The state is discarded, so it need not survive a crash. Its unix socket would be in /var/run or /tmp.
    command: "exec postgres -D '{folder}/data' -p {port} -c listen_addresses={host} -c unix_socket_directories='' -c fsync=off",
    is_ready: Some("pg_isready -q -h {host} -p {port} -U lab"),
    then: Some("createdb -h {host} -p {port} -U lab app"),
    environment: &[
        ("DATABASE_URL", "postgresql://lab@{host}:{port}/app"),
        ("PGHOST", "{host}"),
        ("PGPORT", "{port}"),
        ("PGUSER", "lab"),
        ("PGDATABASE", "app"),
    ],
};

const REDIS: ServiceKind = ServiceKind {
    name: "redis",
    program: "redis-server",
    package: "redis-server",
    versions: None,
    refuses_root: false,
    prepare: None,
    // Its protected mode refuses clients from containers.
    command: "exec redis-server --bind {host} --port {port} --dir '{folder}' --save '' --appendonly no --protected-mode no",
    is_ready: None,
    then: None,
    environment: &[("REDIS_URL", "redis://{host}:{port}/0")],
};
