//! `lab ci init`: workflows as data, their refusals, and their scripts on a service of the test's own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use lab::exit::Exit;
use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Value, json};

use crate::compare::shop::shop;
use crate::support::{Project, assert_exit, requires, text};

/// A YAML file as JSON, which is easier to look into.
fn parsed(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(documents.len(), 1);
    to_json(&documents[0])
}

fn to_json(yaml: &Yaml<'_>) -> Value {
    if let Some(sequence) = yaml.as_vec() {
        return sequence.iter().map(to_json).collect();
    }
    if let Some(mapping) = yaml.as_mapping() {
        let key = |key: &Yaml<'_>| key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
        return Value::Object(mapping.iter().map(|(name, value)| (key(name), to_json(value))).collect());
    }
    match yaml {
        yaml if yaml.is_null() => Value::Null,
        yaml if yaml.as_bool().is_some() => json!(yaml.as_bool()),
        yaml if yaml.as_integer().is_some() => json!(yaml.as_integer()),
        yaml => json!(yaml.as_str().unwrap_or_else(|| panic!("{yaml:?}"))),
    }
}

fn written(project: &Project, arguments: &[&str], file: &str) -> Value {
    project.expect(Exit::Ok, &[&["ci", "init"], arguments].concat());
    parsed(&fs::read_to_string(project.path(file)).unwrap())
}

fn step<'a>(workflow: &'a Value, name: &str) -> &'a Value {
    let steps = workflow["jobs"]["compare"]["steps"].as_array().unwrap();
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}: {workflow:#}"))
}

/// Fails if lab does not know an option of a command line of a workflow.
fn assert_lab_takes(project: &Project, command: &str) {
    let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches('"')).collect();
    let ["lab", arguments @ ..] = &words[..] else { panic!("{command}") };
    // clap reads every option before it prints help.
    let output = project.run(&[arguments, &["--help"]].concat());
    assert_exit(&output, Exit::Ok);
    let without = project.run(&[arguments, &["--no-such-option"]].concat());
    assert!(text(&without).contains("unexpected argument '--no-such-option'"), "{command}: {}", text(&without));
}

#[test]
fn workflow_of_github_compares_with_the_merge_base() {
    let project = shop("");
    let arguments = ["github", "--scenario", "scenarios/shop.toml", "--install", "pip install lab"];
    let workflow = written(&project, &arguments, ".github/workflows/lab.yml");
    assert!(workflow["on"].as_object().unwrap().contains_key("pull_request"), "{workflow:#}");
    assert_eq!(workflow["permissions"], json!({ "contents": "read", "pull-requests": "write" }));
    let steps = workflow["jobs"]["compare"]["steps"].as_array().unwrap();
    assert_eq!(steps[0]["with"]["fetch-depth"], 0, "a shallow clone has no merge base");
    assert_eq!(step(&workflow, "Install lab")["run"], "pip install lab\n");
    assert_eq!(step(&workflow, "Cache the environments of servers and applications")["with"]["path"], "~/.cache/lab");
    let compare = step(&workflow, "Compare with the merge base")["run"].as_str().unwrap();
    assert_eq!(
        compare.trim_end(),
        "lab compare \"origin/$BASE\" scenarios/shop.toml --merge-base --gate --github --comment lab-comment.md --junit \
         lab-junit.xml --events lab-events.jsonl"
    );
    assert_lab_takes(&project, compare);
    let report = step(&workflow, "Write the report page")["run"].as_str().unwrap();
    assert!(
        report.contains("lab report reports/shop/latest --format markdown --output lab-report/README.md"),
        "{report}"
    );
    for line in report.lines().filter(|line| line.starts_with("lab ")) {
        assert_lab_takes(&project, line);
    }
    let upload = &step(&workflow, "Upload the report page")["with"]["path"];
    assert!(upload.as_str().unwrap().contains("lab-report/"), "{upload}");
    // Text that others may write, such as a branch's name, never becomes part of a script.
    for step in steps {
        assert!(!step["run"].as_str().unwrap_or_default().contains("${{"), "{step:#}");
    }
}

#[test]
fn workflow_of_gitlab_compares_with_the_merge_base() {
    let project = shop("");
    let workflow = written(&project, &["gitlab", "--scenario", "scenarios/shop.toml"], ".gitlab-ci.yml");
    let job = &workflow["lab"];
    assert_eq!(job["variables"]["GIT_DEPTH"], "0");
    assert_eq!(job["cache"]["paths"], json!([".lab-cache/"]));
    assert_eq!(job["cache"]["key"]["files"], json!(["scenarios/shop.toml", "requirements.txt"]));
    let compare = job["script"][0].as_str().unwrap();
    assert!(compare.starts_with("lab compare \"origin/$TARGET\" scenarios/shop.toml --merge-base --gate"), "{compare}");
    assert_lab_takes(&project, compare);
    assert_eq!(job["artifacts"]["reports"]["junit"], "lab-junit.xml");
    let install = job["before_script"].as_array().unwrap().iter().find(|line| line.as_str().unwrap().contains("cargo"));
    assert!(install.unwrap().as_str().unwrap().contains("LAB_REPOSITORY"), "{job:#}");
}

#[test]
fn existing_workflow_is_kept() {
    let project = Project::new(str::to_owned);
    project.write(".gitlab-ci.yml", "mine\n");
    let refused = project.run(&["ci", "init", "gitlab"]);
    assert_exit(&refused, Exit::Usage);
    assert!(text(&refused).contains(".gitlab-ci.yml exists\nhint: --force overwrites it"), "{}", text(&refused));
    assert_eq!(fs::read_to_string(project.path(".gitlab-ci.yml")).unwrap(), "mine\n");
    project.expect(Exit::Ok, &["ci", "init", "gitlab", "--output", ".gitlab/lab.yml"]);
    project.expect(Exit::Ok, &["ci", "init", "gitlab", "--force"]);
    let [one, other] =
        [".gitlab/lab.yml", ".gitlab-ci.yml"].map(|file| fs::read_to_string(project.path(file)).unwrap());
    assert_eq!(one, other);

    project.write("scenarios/a b.toml", &fs::read_to_string(project.path("scenarios/default.toml")).unwrap());
    let odd = project.run(&["ci", "init", "github", "--scenario", "scenarios/a b.toml"]);
    assert_exit(&odd, Exit::Usage);
    assert!(text(&odd).contains("the workflow cannot name the scenario scenarios/a b.toml"), "{}", text(&odd));
}

/// lab's own workflow is what any project gets.
#[test]
fn own_workflow_is_what_init_writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = fs::read_to_string(root.join(".github/workflows/lab.yml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("lab.yml");
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.args(["ci", "init", "github", "--install", "cargo install --locked --path .", "--output"]).arg(&written);
    assert!(lab.current_dir(root).output().unwrap().status.success());
    let written = fs::read_to_string(&written).unwrap();
    assert!(own == written, ".github/workflows/lab.yml is out of date: run the command in its first line with --force");
    parsed(&own);
}

/// A service with comments, as far as the scripts use it.
#[derive(Default)]
struct Comments {
    /// By their ids.
    comments: BTreeMap<u64, Value>,
    /// Methods and paths.
    requests: Vec<String>,
}

/// Serves until the test ends; its address.
fn serve(comments: Arc<Mutex<Comments>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            let (head, mut body) = loop {
                let length = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..length]);
                if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
                    break (String::from_utf8_lossy(&request[..end]).into_owned(), request[end + 4..].to_vec());
                }
            };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
            });
            while body.len() < length.unwrap_or(0) {
                let length = stream.read(&mut buffer).unwrap();
                body.extend_from_slice(&buffer[..length]);
            }
            let mut words = head.split_whitespace();
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let response = respond(&mut comments.lock().unwrap(), method, target, &body).to_string();
            let fields =
                format!("Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close", response.len());
            write!(stream, "HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{response}").unwrap();
        }
    });
    address
}

fn respond(service: &mut Comments, method: &str, target: &str, body: &[u8]) -> Value {
    service.requests.push(format!("{method} {target}"));
    let sent = || serde_json::from_slice::<Value>(body).unwrap()["body"].clone();
    match method {
        "GET" if target.ends_with("page=1") => service.comments.values().cloned().collect(),
        "GET" => json!([]),
        "POST" => {
            let id = service.comments.len() as u64 + 1;
            let comment = json!({ "id": id, "body": sent(), "user": { "type": "Bot" } });
            service.comments.insert(id, comment.clone());
            comment
        }
        _ => {
            let id: u64 = target.rsplit('/').next().unwrap().parse().unwrap();
            let comment = service.comments.get_mut(&id).unwrap();
            comment["body"] = sent();
            comment.clone()
        }
    }
}

/// Runs a script twice with another text each time, beside the comments of others.
fn assert_one_comment(shell: &[&str], script: &str, environment: &dyn Fn(&str) -> Vec<(String, String)>) {
    let service = Arc::new(Mutex::new(Comments::default()));
    let others = json!({ "id": 1, "body": "<!-- lab: other -->\nanother scenario", "user": { "type": "Bot" } });
    service.lock().unwrap().comments.insert(1, others.clone());
    let address = serve(Arc::clone(&service));
    let folder = tempfile::tempdir().unwrap();
    for text in ["first", "second"] {
        fs::write(folder.path().join("lab-comment.md"), format!("<!-- lab: shop -->\n# ❌ {text}\n")).unwrap();
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(script).current_dir(folder.path()).envs(environment(&address));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let service = service.lock().unwrap();
        assert_eq!(service.comments.len(), 2, "{:?}", service.requests);
        assert_eq!(service.comments[&1], others);
        assert_eq!(
            service.comments[&2]["body"],
            format!("<!-- lab: shop -->\n# ❌ {text}\n"),
            "{:?}",
            service.requests
        );
    }
}

#[test]
fn comment_on_github_is_kept_up_to_date() {
    requires!(Python);
    let project = Project::new(str::to_owned);
    let workflow = written(&project, &["github"], ".github/workflows/lab.yml");
    let step = step(&workflow, "Keep one comment up to date");
    assert_eq!(step["shell"], "python");
    let environment = |address: &str| {
        let value = |value: &Value| {
            let text = value.as_str().unwrap().replace("${{ github.api_url }}", address);
            let text = text.replace("${{ github.repository }}", "team/shop").replace("${{ github.token }}", "t");
            text.replace("${{ github.event.pull_request.number }}", "7")
        };
        step["env"].as_object().unwrap().iter().map(|(name, text)| (name.clone(), value(text))).collect()
    };
    assert_one_comment(&["python3", "-c"], step["run"].as_str().unwrap(), &environment);
}

#[test]
fn comment_on_gitlab_is_kept_up_to_date() {
    requires!(Python);
    let project = Project::new(str::to_owned);
    let workflow = written(&project, &["gitlab"], ".gitlab-ci.yml");
    let script = workflow["lab"]["after_script"].as_array().unwrap().last().unwrap().as_str().unwrap();
    let environment = |address: &str| {
        let variables = [
            ("CI_API_V4_URL", format!("{address}/api/v4")),
            ("CI_PROJECT_ID", "3".to_owned()),
            ("CI_MERGE_REQUEST_IID", "7".to_owned()),
            ("LAB_COMMENT_TOKEN", "t".to_owned()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
    };
    assert_one_comment(&["sh", "-c"], script, &environment);
}
