//! Images other than lab's own: named, built and missing. `fixtures/images/make` makes the base images.

use std::fs;
use std::process::Output;

use lab::exit::Exit;

use super::docker;
use crate::support::{Project, assert_exit, requires, text};

/// The start of every scenario here: the tutorial's app, which reports the request that it sees.
const APP: &str = r#"
schema  = 1
name    = "images"
backend = "container"

[app]
wsgi   = "blog:app"
path   = "fixtures/blog-2011"
native = "hello"
"#;

/// Whether a forged address is replaced by the client's.
const CHECK: &str = r#"
[[check]]
name    = "the proxy and the app see the client, and a forged address is not trusted"
request = { path = "/headers", headers = [["X-Forwarded-For", "203.0.113.9"]] }
expect.upstream.headers = { X-Forwarded-For = "203.0.113.9, {client}" }
expect.app.remote_addr  = "{client}"
"#;

pub(super) const NGINX: &str =
    r#"proxy = { kind = "nginx", image = "lab-test/nginx", config = "fixtures/blog-2011/corrected/nginx.conf" }"#;

/// A project with one such scenario of these stacks.
pub(super) fn project(stacks: &str) -> Project {
    Project::new(str::to_owned).with_copy("fixtures/blog-2011").with_copy("fixtures/images/flask").with_scenario(
        "images",
        &format!(
            "{APP}
{stacks}
{CHECK}"
        ),
    )
}

fn check(stacks: &str) -> (Project, Output) {
    let project = project(stacks);
    let output = project.run(&["check", "scenarios/images.toml"]);
    (project, output)
}

#[test]
fn nginx_gunicorn_and_flask_run_from_images() {
    requires!(Images);
    let stacks = format!(
        "[[stack]]\nname = \"named\"\n{NGINX}\nserver = {{ kind = \"gunicorn\", image = \"lab-test/flask\", workers = 2 }}\n\
         [[stack]]\nname = \"built\"\n{NGINX}\nserver = {{ kind = \"gunicorn/gthread\", build = \"fixtures/images/flask\", \
         config = \"fixtures/blog-2011/corrected/gunicorn.conf.py\" }}\n\
         [[stack]]\nname = \"mixed\"\nproxy = {{ kind = \"lab\", config = \"fixtures/blog-2011/corrected/nginx.conf\" }}\n\
         server = {{ kind = \"gunicorn\", image = \"lab-test/flask\" }}\n"
    );
    let (project, output) = check(&stacks);
    assert_exit(&output, Exit::Ok);
    assert!(text(&output).contains("building the image in fixtures/images/flask: Step 1/"), "{}", text(&output));

    let file = project.path("reports/images/latest/record.json");
    let record: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let component = |stack: usize, at: usize| record["stacks"][stack]["components"][at].clone();
    assert_eq!(component(0, 0)["image"]["name"], "lab-test/nginx:latest");
    assert_eq!(component(1, 1)["image"]["name"], "fixtures/images/flask");
    assert!(component(1, 1)["image"]["id"].as_str().unwrap().starts_with("sha256:"), "{record:#}");
    assert!(component(1, 1)["version"].as_str().unwrap().starts_with("gunicorn/gthread "), "{record:#}");
    assert!(component(2, 0)["image"].is_null(), "{record:#}");

    // Built images are kept until `lab clean`.
    let built = docker(&["images", "--quiet", "--filter", &format!("label=dev.lab.built={}", folder(&project))]);
    assert!(!text(&built).trim().is_empty());
    let cleaned = text(&project.run(&["clean", "--dry-run"]));
    assert!(cleaned.contains("image lab-built:") && cleaned.contains("would be removed"), "{cleaned}");
    docker(&["rmi", text(&built).trim()]);
}

/// The folder of the Dockerfile as lab names it.
fn folder(project: &Project) -> String {
    project.path("fixtures/images/flask").display().to_string()
}

/// Their configurations are lab's own: they listen where a container must, and start as the user `nobody`.
#[test]
fn other_proxies_run_from_images() {
    requires!(Images);
    let proxies = ["haproxy", "apache", "caddy"];
    let stack = |name: &str| {
        format!(
            "[[stack]]\nname = \"{name}\"\nproxy = {{ kind = \"{name}\", image = \"lab-test/{name}\" }}\n\
             server = {{ kind = \"lab\" }}\napp = \"native\"\n"
        )
    };
    let check = "[[check]]\nname = \"a forged address is not believed\"\n\
                 request = { path = \"/headers\", headers = [[\"X-Forwarded-For\", \"203.0.113.9\"]] }\n\
                 expect.app = { remote_addr = \"{client}\", scheme = \"http\" }\n";
    let project = project("");
    let stacks: String = proxies.iter().copied().map(stack).collect();
    fs::write(project.path("scenarios/images.toml"), format!("{APP}\n{stacks}\n{check}")).unwrap();
    let output = project.run(&["check", "scenarios/images.toml"]);
    let printed = text(&output);
    assert_exit(&output, Exit::Ok);
    for proxy in proxies {
        let line = printed.lines().find(|line| line.trim_start().starts_with(proxy)).unwrap_or_default();
        assert!(line.contains("1 of 1 checks passed") && line.contains("(container, "), "{printed}");
    }
}

/// A kind that is only available as an image, which no scenario has to name.
const IMAGED: &str = r#"
schema = 1
role   = "server"
title  = "gunicorn, as an image has it"

[install]
image = "lab-test/flask"

[version]
command = ["{python}", "-m", "gunicorn", "--version"]
matches = 'version ([0-9.]+)'

[start]
command = ["{python}", "-m", "gunicorn", "--bind", "{bind}"]
workers = ["--workers", "{workers}"]
wsgi    = ["{app}"]
"#;

#[test]
fn image_only_kind_needs_the_container_backend() {
    requires!(Images);
    let project = project(&format!(
        "[[matrix]]\nserver = [\"imaged\"]\n[[stack]]\nname = \"proxied\"\n{NGINX}\nserver = {{ kind = \"imaged\" }}\n"
    ));
    project.write("kinds/servers/imaged.toml", IMAGED);
    let kinds = project.path("kinds");
    let project = project.with_variable("LAB_KINDS", kinds);
    project.expect(Exit::Ok, &["check", "scenarios/images.toml", "--only", "proxied"]);
    // In a matrix, an unavailable kind is a row of the report.
    let process = ["check", "scenarios/images.toml", "--only", "imaged", "--backend", "process"];
    let printed = project.expect(Exit::Ok, &process);
    assert!(
        printed.contains("available only as the image lab-test/flask:latest: run it with `--backend container`"),
        "{printed}"
    );
    project.write("kinds/servers/imaged.toml", &IMAGED.replace("lab-test/flask", "Not An Image"));
    let printed = project.expect(Exit::BadScenario, &["check", "scenarios/images.toml"]);
    assert!(printed.contains("`Not An Image` cannot be the name of an image"), "{printed}");
}

#[test]
fn unavailable_image_is_reported() {
    requires!(Docker);
    // A registry on a port without a listener.
    let image = "127.0.0.1:9/nobody/has:1";
    let (project, output) =
        check(&format!("[[stack]]\nname = \"one\"\nserver = {{ kind = \"gunicorn\", image = \"{image}\" }}\n"));
    assert_exit(&output, Exit::CouldNotRun);
    let printed = text(&output);
    assert!(printed.contains(&format!("pulling the image {image}")), "{printed}");
    assert!(
        printed.contains(&format!("the engine cannot pull the image `{image}`, which it does not have")),
        "{printed}"
    );
    assert_eq!(project.marked(), []);
}

#[test]
fn image_without_the_kind_is_reported() {
    requires!(Images);
    let (_, output) =
        check("[[stack]]\nname = \"one\"\nserver = { kind = \"waitress\", image = \"lab-test/flask\" }\n");
    assert_exit(&output, Exit::CouldNotRun);
    assert!(
        text(&output).contains("the image lab-test/flask:latest has no `waitress`: `python3 "),
        "{}",
        text(&output)
    );
    let (_, output) =
        check("[[stack]]\nname = \"one\"\nserver = { kind = \"gunicorn\", image = \"lab-test/nginx\" }\n");
    assert_exit(&output, Exit::CouldNotRun);
    assert!(text(&output).contains("cannot be started"), "{}", text(&output));
}

#[test]
fn failed_image_build_shows_its_last_lines() {
    requires!(Images);
    let project = project("[[stack]]\nname = \"one\"\nserver = { kind = \"gunicorn\", build = \"broken\" }\n");
    fs::create_dir(project.path("broken")).unwrap();
    fs::write(project.path("broken/Dockerfile"), "FROM lab-test/flask\nRUN echo before it fails && exit 7\n").unwrap();
    let output = project.run(&["check", "scenarios/images.toml"]);
    assert_exit(&output, Exit::CouldNotRun);
    let printed = text(&output);
    assert!(
        printed.contains("the image in broken cannot be built") && printed.contains("| before it fails"),
        "{printed}"
    );
    assert!(printed.contains("returned a non-zero code: 7"), "{printed}");
}

#[test]
fn image_health_check_is_logged() {
    requires!(Images);
    let project = project(
        "[[stack]]\nname = \"sick\"\nserver = { kind = \"gunicorn\", build = \"sick\" }\n\
         [[load]]\nname = \"closed\"\ndriver = \"closed\"\npath = \"/\"\nconnections = 4\nduration = \"4s\"\n[rounds]\ncount = 1\n",
    );
    let scenario = project.path("scenarios/images.toml");
    let text_of_it = fs::read_to_string(&scenario).unwrap().replace(CHECK, "");
    fs::write(&scenario, text_of_it).unwrap();
    fs::create_dir(project.path("sick")).unwrap();
    let health = "HEALTHCHECK --interval=1s --retries=1 CMD [\"python3\", \"-c\", \"raise SystemExit(1)\"]";
    fs::write(project.path("sick/Dockerfile"), format!("FROM lab-test/flask\n{health}\n")).unwrap();
    let output = project.run(&["run", "scenarios/images.toml"]);
    let rounds = fs::read_dir(project.path("reports/images/latest/rounds"));
    let folder = rounds.unwrap_or_else(|_| panic!("{}", text(&output))).flatten().next().unwrap().path();
    let log = fs::read_to_string(folder.join("server.log")).unwrap();
    assert!(log.contains("lab: the image's own health check says unhealthy"), "{log}");
}

#[test]
fn unreadable_build_folder_is_named() {
    requires!(Docker);
    let project = project("[[stack]]\nname = \"one\"\nserver = { kind = \"gunicorn\", build = \"broken\" }\n");
    fs::create_dir(project.path("broken")).unwrap();
    fs::write(project.path("broken/Dockerfile"), "FROM scratch\nCOPY . /\n").unwrap();
    // Nobody can read a socket as a file, not even root.
    let _socket = std::os::unix::net::UnixListener::bind(project.path("broken/socket")).unwrap();
    let output = project.run(&["check", "scenarios/images.toml"]);
    assert_exit(&output, Exit::CouldNotRun);
    assert!(text(&output).contains("cannot read the files of the image in broken"), "{}", text(&output));
}

#[test]
fn stacks_unfit_for_containers_are_refused() {
    let project = project(
        "[[stack]]\nname = \"proxied\"\nproxy = { kind = \"nginx\" }\nserver = { kind = \"lab\" }\napp = \"native\"\n\
         [[stack]]\nname = \"python\"\nserver = { kind = \"gunicorn\" }\n\
         [[stack]]\nname = \"apache\"\nserver = { kind = \"mod-wsgi\" }\n\
         [[stack]]\nname = \"gone\"\nserver = { kind = \"meinheld\" }\n\
         [[stack]]\nname = \"native\"\nserver = { kind = \"lab\" }\napp = \"native\"\n",
    );
    let explained = text(&project.run(&["explain", "scenarios/images.toml"]));
    for refusal in [
        "cannot run: the proxy `nginx` needs an image in a container, for lab's own has only lab and what pip installs: name",
        "cannot run: the server `mod-wsgi` needs an image in a container, for its httpd is started by a shell script: name",
        "cannot run: meinheld 1.0.2 needs greenlet",
    ] {
        assert!(explained.contains(refusal), "{explained}");
    }
    assert_eq!(explained.matches("each component in a container").count(), 2, "{explained}");
    // As processes they are unchanged.
    let explained = text(&project.run(&["explain", "scenarios/images.toml", "--backend", "process"]));
    assert_eq!(explained.matches("cannot run").count(), 1, "{explained}");
    let output = project.run(&["check", "scenarios/images.toml", "--only", "proxied"]);
    assert!(text(&output).contains("needs an image in a container"), "{}", text(&output));
    assert_exit(&output, Exit::CouldNotRun);
    // An image does not help a kind that cannot be run.
    let output = project.run(&["check", "scenarios/images.toml", "--only", "gone"]);
    assert!(text(&output).contains("needs greenlet") && !text(&output).contains("needs an image"), "{}", text(&output));
}
