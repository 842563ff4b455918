//! nginx and its twin, side by side: each case runs on both. The responses, the requests at the upstream and the
//! logs are compared field by field.
//!
//! `twin/differences.toml` lists the differences with their reasons. An unlisted difference fails the test, and so does a
//! row whose cases no longer differ. The cases are those of `proxy/cases/`, which have
//! snapshots as well, those of `twin/cases/`, for which nginx is the reference, and whole configurations in `twin/sites/`.
//!
//! `LAB_TWIN=word` runs only the cases with that word in their names, and prints both sides.

mod differences;
mod dns;
mod observed;
mod sites;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use crate::proxy::case::{Case, module_file};
use crate::proxy::running::{Program, Proxy, STUCK};
use crate::proxy::upstream::Upstream;
use crate::support::{DeadAddress, requires};
use differences::{Difference, Table, compare};
use observed::Observed;
use sites::Site;

/// How many cases run at a time: most of a case is waiting for processes.
const AT_A_TIME: usize = 8;

#[test]
fn proxy_differs_from_nginx_only_as_listed() {
    requires!(Nginx);
    let only = std::env::var("LAB_TWIN").ok();
    let sites = Site::all(&folder("twin/sites")).into_iter().map(|site| Scenario::Site(Box::new(site)));
    let cases = ["proxy/cases", "twin/cases"].into_iter().flat_map(files).map(Scenario::Case);
    let is_chosen = |scenario: &Scenario| only.as_ref().is_none_or(|word| scenario.name().contains(word.as_str()));
    let (mut scenarios, impossible): (Vec<Scenario>, Vec<Scenario>) =
        cases.chain(sites).filter(is_chosen).partition(Scenario::is_possible);
    let skipped: Vec<String> = impossible.iter().map(Scenario::name).collect();
    assert!(!scenarios.is_empty(), "no case has {only:?} in its name");
    scenarios.reverse();
    let count = scenarios.len();
    let (waiting, found, ended) = (Mutex::new(scenarios), Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(scenario) = waiting.lock().expect("no panic").pop() else { return };
                    let name = scenario.name();
                    let (nginx, lab) = match (scenario.run(Program::Nginx), scenario.run(Program::Lab)) {
                        (Ok(nginx), Ok(lab)) => (nginx, lab),
                        (Err(error), _) | (_, Err(error)) => {
                            ended.lock().expect("no panic").push(format!("{name}: {error}"));
                            continue;
                        }
                    };
                    if only.is_some() {
                        eprintln!("=== {name}\n--- nginx\n{nginx}\n--- lab\n{lab}");
                    }
                    found.lock().expect("no panic").insert(name, compare(&nginx, &lab));
                }
            });
        }
    });
    let ended = ended.into_inner().expect("no panic");
    assert!(ended.is_empty(), "{}", ended.join("\n"));
    let found: BTreeMap<String, Vec<Difference>> = found.into_inner().expect("no panic");
    let table = Table::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/twin/differences.toml").as_path());
    let wrong = table.judge(&found, &skipped, only.is_none());
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", found.len(), wrong.join("\n"));
}

/// Where names are looked up by nginx.
static DNS: LazyLock<String> = LazyLock::new(|| dns::start().to_string());

/// What runs on both twins.
enum Scenario {
    Case(PathBuf),
    /// Boxed, because it is much larger than a path.
    Site(Box<Site>),
}

impl Scenario {
    fn name(&self) -> String {
        match self {
            Scenario::Case(file) => file.file_stem().expect("a file").to_string_lossy().into_owned(),
            Scenario::Site(site) => site.name(),
        }
    }

    /// Whether nginx has the modules that it needs.
    fn is_possible(&self) -> bool {
        let Scenario::Case(file) = self else { return true };
        let missing = Case::read(file).modules.into_iter().find(|module| !module_file(module).exists());
        if let Some(module) = &missing {
            eprintln!("SKIPPED: {} needs nginx's module {module}", self.name());
        }
        missing.is_none()
    }

    fn run(&self, program: Program) -> Result<Observed, String> {
        match self {
            Scenario::Case(file) => {
                let case = Case::read(file);
                let upstream = Upstream::start(case.responses.clone());
                let configuration = case.configuration(&upstream);
                let mut observed =
                    run(&case, &upstream, &configuration, program, |folder, _| case.write_files(folder))?;
                if case.client.iter().any(|step| step.reconnects) {
                    observed.sort_log();
                }
                Ok(observed)
            }
            Scenario::Site(site) => {
                let upstream = Upstream::start(site.case.responses.clone());
                let prepare = |folder: &Path, address: &str| site.write_files(folder, address, &upstream);
                let mut observed = run(&site.case, &upstream, &site.configuration(&upstream), program, prepare)?;
                observed.sort_log();
                Ok(observed)
            }
        }
    }
}

/// Runs the requests of a case on one of the twins, in a folder that `prepare` has filled for an address. The error
/// is that of a program that has ended: two that refuse a configuration are alike, and prove nothing.
fn run(
    case: &Case,
    upstream: &Upstream,
    configuration: &str,
    program: Program,
    prepare: impl FnOnce(&Path, &str),
) -> Result<Observed, String> {
    let dead = DeadAddress::new();
    let configuration = configuration.replace("{dead}", &dead.to_string()).replace("{dns}", &DNS);
    // nginx has its own ways only
    let configuration = match program {
        Program::Nginx => configuration.replace("proxy_cache_rfc off;", "").replace("uwsgi_cache_rfc off;", ""),
        Program::Lab | Program::LabOfVersion(_) => configuration,
    };
    let mut proxy = Proxy::start_with(program, &case.start_options(), &configuration, prepare);
    let got = proxy.converse_in_steps(&case.client);
    if proxy.ends_within(Duration::from_millis(1)) {
        return Err(format!("{program:?} has ended:\n{}", proxy.read("stderr")));
    }
    // a twin that has finished has logged everything; one that cannot finish is stopped
    proxy.signal(rustix::process::Signal::QUIT);
    if !proxy.ends_within(STUCK / 10) {
        proxy.signal(rustix::process::Signal::TERM);
        proxy.wait();
    }
    let received = upstream.connections();
    let normalise = |text: &str| {
        let text = upstream
            .take_out(text)
            .replace(&dead.to_string(), "{dead}")
            .replace(&proxy.address.to_string(), "{listen}")
            .replace(&format!(":{}", proxy.address.port()), ":{port}");
        let text = (1..=case.further_ports).fold(text, |text, distance| {
            text.replace(&format!(":{}", proxy.address.port() + distance), &format!(":{{port + {distance}}}"))
        });
        let text = text.replace(&proxy.path().display().to_string(), "{folder}");
        observed::normalise(&text)
    };
    Ok(Observed::new(&got, &received, &proxy.read("access.log"), &normalise))
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

fn files(name: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder(name)).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|end| end == "case")).collect();
    files.sort();
    files
}
