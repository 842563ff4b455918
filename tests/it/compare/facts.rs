//! What a change does to responses, seen on a Flask application.

use lab::exit::Exit;

use super::repository::{assert_no_worktree, commit, git};
use super::shop::{edit, shop};
use crate::support::{Project, requires};

const COMPARE: [&str; 4] = ["compare", "HEAD", "scenarios/shop.toml", "--gate"];

fn record(project: &Project) -> serde_json::Value {
    let file = project.path("reports/shop/latest/record.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn lost_header_fails_and_is_named() {
    requires!(Git, Python);
    let project = shop("");
    let green = project.expect(Exit::Ok, &COMPARE);
    assert!(green.contains("  the same\n"), "{green}");
    assert!(green.contains("varies by itself: headers.X-Draw (in \"the front page is served\")"), "{green}");
    assert!(green.contains("    [snapshot]\n    volatile = [\"X-Draw\"]\n"), "{green}");

    edit(&project, "site/shop.py", "    response.headers[\"X-Frame-Options\"] = \"DENY\"\n", "");
    let red = project.expect(Exit::Failed, &COMPARE);
    assert!(red.contains("the same but for headers.X-Frame-Options of `production` (gone; was DENY)"), "{red}");
    assert!(
        red.contains("the working tree (") && red.contains(" with uncommitted changes), compared with HEAD ("),
        "{red}"
    );
    let record = record(&project);
    assert_eq!(record["comparison"]["base"]["commit"], git(&project, &["rev-parse", "HEAD"]).as_str());
    let names: Vec<_> = record["stacks"].as_array().unwrap().iter().map(|stack| &stack["name"]).collect();
    assert_eq!(names, ["production@base", "production"]);
    let markdown = project.expect(Exit::Ok, &["report", "reports/shop/latest", "--format", "markdown"]);
    assert!(markdown.contains("| headers.X-Frame-Options | DENY | · | the front page is served |"), "{markdown}");

    // Without the gate it is an answer, and no failure.
    project.expect(Exit::Ok, &COMPARE[..3]);
    // Once it is committed, it is what later changes are compared with.
    commit(&project);
    project.expect(Exit::Ok, &COMPARE);
    let merged = ["run", "scenarios/shop.toml", "--against-rev", "HEAD~1", "--gate"];
    let red = project.expect(Exit::Failed, &merged);
    assert!(red.contains("compared with HEAD~1 ("), "{red}");
    assert!(!project.path("reports/snapshots").exists(), "a comparison writes no snapshot");
    assert_no_worktree(&project);
}

#[test]
fn requirements_have_an_environment_each() {
    requires!(Git, Python);
    let project = shop("");
    let shows_version =
        "    response.headers[\"X-Flask\"] = __import__(\"importlib.metadata\").metadata.version(\"flask\")\n";
    edit(&project, "site/shop.py", "    return response\n", &format!("{shows_version}    return response\n"));
    commit(&project);
    project.write("requirements.txt", "flask==3.1.2\n");
    let red = project.expect(Exit::Failed, &COMPARE);
    assert!(red.contains("headers.X-Flask of `production` (3.1.2; was 3.1.3)"), "{red}");
}

#[test]
fn failed_check_of_the_past_is_no_failure() {
    requires!(Git, Python);
    let project = shop("");
    edit(&project, "site/shop.py", "@app.get(\"/\")", "@app.get(\"/new\")\n@app.get(\"/\")");
    let check = "\n[[check]]\nname = \"the new page is served\"\nrequest = { path = \"/new\" }\nexpect.status = 200\n";
    let file = project.path("scenarios/shop.toml");
    let scenario = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{scenario}{check}")).unwrap();
    let printed = project.expect(Exit::Failed, &COMPARE);
    assert!(printed.contains("the same but for status of `production` (200; was 404)"), "{printed}");
    let record = record(&project);
    assert_eq!(record["gate"]["failed_checks"], 0);

    edit(&project, "site/shop.py", "@app.get(\"/new\")\n", "");
    let broken = project.expect(Exit::Failed, &COMPARE[..3]);
    assert!(broken.contains("broken: \"the new page is served\", as before, of `production`"), "{broken}");
}

#[test]
fn validators_have_to_validate() {
    requires!(Git, Python);
    let project = shop("");
    project.expect(Exit::Ok, &["check", "scenarios/shop.toml"]);
    let record = record(&project);
    let conditional = &record["stacks"][0]["checks"][1]["outcome"]["observed"]["conditional"];
    assert_eq!(*conditional, serde_json::json!([["If-None-Match", "304"], ["If-Modified-Since", "304"]]));
    // The style sheet keeps its validators, and is sent as a whole all the same.
    let ignored =
        "\n\n@app.before_request\ndef ignore():\n    flask.request.environ.pop(\"HTTP_IF_NONE_MATCH\", None)\n";
    edit(&project, "site/shop.py", "app = flask.Flask(__name__)\n", &format!("app = flask.Flask(__name__)\n{ignored}"));
    let red = project.expect(Exit::Failed, &COMPARE);
    assert!(red.contains("the same but for status with If-None-Match of `production` (200; was 304)"), "{red}");
}
