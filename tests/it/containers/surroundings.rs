//! What checks see of requests behind a proxy, and the services of an application, where stacks run in containers.

use lab::exit::Exit;

use crate::own::{behind_proxy, services};
use crate::support::{replaced, requires};

fn in_containers(scenario: &str) -> String {
    replaced(scenario, "schema = 1\n", "schema = 1\nbackend = \"container\"\n")
}

#[test]
fn requests_behind_a_proxy_are_recorded() {
    requires!(Docker, Python, Root);
    let project = behind_proxy::project(&in_containers(behind_proxy::SCENARIO));
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    for stack in ["proxied", "alone"] {
        assert!(printed.contains(&format!("{stack}  1 of 1 checks passed")), "{printed}");
    }
}

#[test]
fn forged_address_behind_a_proxy_is_noticed() {
    requires!(Docker, Python, Root);
    let project = behind_proxy::project(&in_containers(behind_proxy::SCENARIO));
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let text = std::fs::read_to_string(project.path("shop.py")).unwrap();
    project.write("shop.py", &replaced(&text, "split(\",\")[-1]", "split(\",\")[0]"));
    let printed = project.expect(Exit::Failed, &["check", "lab.toml"]);
    assert!(printed.contains("app.remote_addr"), "{printed}");
}

const APP: &str = r#"
import os
import urllib.request

TEXT = urllib.request.urlopen(os.environ["STORE_URL"]).read()


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(TEXT)))])
    return [TEXT]
"#;

#[test]
fn container_reaches_the_services_of_its_application() {
    requires!(Docker, Python, Root);
    let scenario = replaced(services::SCENARIO, "xprepared\\nthen\\n", "xprepared\\n");
    let project = services::project(&in_containers(&scenario));
    project.write("shop.py", APP);
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("mine  1 of 1 checks passed"), "{printed}");
}

#[test]
fn container_reaches_known_services() {
    requires!(Docker, Python, Root);
    for kind in services::KINDS.iter().filter(|kind| kind.tool.is_available_for_part()) {
        let project = services::project(&in_containers(&kind.scenario()));
        project.write("shop.py", &kind.app());
        project.expect(Exit::Ok, &["provision", "lab.toml"]);
        let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
        assert!(printed.contains("mine  1 of 1 checks passed"), "{printed}");
    }
}
