//! `lab compare` where the versions are images.

use lab::exit::Exit;

use super::docker;
use crate::support::{Project, assert_exit, requires, text};

const APP: &str = r#"
import os

def app(environ, start_response):
    release = os.environ["RELEASE"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Release", release)])
    return [release.encode()]
"#;

/// The image `lab-test/flask` with a release in its environment.
struct ReleaseImage(String);

impl ReleaseImage {
    fn new(release: &str) -> ReleaseImage {
        let name = format!("lab-test/release-{release}-{}", std::process::id());
        let container = text(&docker(&["create", "lab-test/flask", "true"]));
        let container = container.trim();
        let committed = docker(&["commit", "--change", &format!("ENV RELEASE={release}"), container, &name]);
        assert!(committed.status.success(), "{}", text(&committed));
        docker(&["rm", container]);
        ReleaseImage(name)
    }
}

impl Drop for ReleaseImage {
    fn drop(&mut self) {
        docker(&["rmi", &self.0]);
    }
}

/// A project of a stack whose server has this image.
fn project(server: &str) -> Project {
    let scenario = format!(
        "schema = 1\nname = \"release\"\nbackend = \"container\"\n[app]\nwsgi = \"release:app\"\npath = \"site\"\n\
         [[stack]]\nname = \"production\"\nserver = {{ kind = \"gunicorn\", {server} }}\n\
         [[stack]]\nname = \"twin\"\nserver = {{ kind = \"lab\" }}\n\
         [[check]]\nname = \"the front page is served\"\nrequest = {{ path = \"/\" }}\nexpect.status = 200\n\
         stacks = [\"production\"]\n"
    );
    Project::empty().with_file("site/release.py", APP).with_scenario("release", &scenario)
}

#[test]
fn image_is_an_earlier_version() {
    requires!(Images);
    let (old, new) = (ReleaseImage::new("old"), ReleaseImage::new("new"));
    let project = project(&format!("image = \"{}\"", new.0));
    let compare = |image: &str| project.run(&["compare", ".", "--gate", "--base-image", image]);
    let output = compare(&old.0);
    assert_exit(&output, Exit::Failed);
    let printed = text(&output);
    assert!(printed.contains("headers.X-Release of `production` (new; was old)"), "{printed}");
    let note = format!("the server of production in the earlier version runs from {}:latest", old.0);
    assert!(printed.contains(&note), "{printed}");
    assert_exit(&compare(&format!("production={}", new.0)), Exit::Ok);

    for (image, message) in [
        ("Old", "`--base-image Old`: `Old` cannot be the name of an image"),
        ("twin=old", "no stack `twin` runs its server from an image\nhint: accepted: production"),
    ] {
        let output = compare(image);
        assert_exit(&output, Exit::Usage);
        assert!(text(&output).contains(message), "{}", text(&output));
    }
}

#[test]
fn each_version_builds_its_image() {
    requires!(Images);
    let project = project("build = \"image\"");
    let dockerfile = |release: &str| format!("FROM lab-test/flask\nENV RELEASE={release}\n");
    project.write("image/Dockerfile", &dockerfile("new"));
    for file in ["site/release.py", "scenarios/release.toml"] {
        let text = std::fs::read_to_string(project.path(file)).unwrap();
        project.write(&format!("earlier/{file}"), &text);
    }
    project.write("earlier/image/Dockerfile", &dockerfile("old"));
    let output = project.run(&["compare", "earlier", "--gate"]);
    assert_exit(&output, Exit::Failed);
    assert!(text(&output).contains("headers.X-Release of `production` (new; was old)"), "{}", text(&output));
    let folder = project.path("");
    for folder in [folder.join("image"), folder.join("earlier/image")] {
        let label = format!("label=dev.lab.built={}", folder.display());
        let built = text(&docker(&["images", "--quiet", "--filter", &label]));
        assert!(!built.trim().is_empty(), "no image of {}", folder.display());
        docker(&["rmi", built.trim()]);
    }
}
