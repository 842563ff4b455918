//! `--github` and `--comment`: the text of a run for GitHub Actions and for bots.

use std::fs;

use lab::exit::Exit;

use crate::compare::shop::{edit, shop};
use crate::support::{Project, assert_exit, facts_only, replaced, requires, short, text};

/// The line, counted from 1, of the first line of a file that contains `part`.
#[track_caller]
fn line(project: &Project, file: &str, part: &str) -> usize {
    let text = fs::read_to_string(project.path(file)).unwrap();
    1 + text.lines().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{file} has no {part:?}"))
}

/// The last line before `part` that is `[[check]]`.
#[track_caller]
fn check_line(project: &Project, file: &str, part: &str) -> usize {
    let text = fs::read_to_string(project.path(file)).unwrap();
    let before = text.lines().take(line(project, file, part));
    1 + before.enumerate().filter(|(_, line)| *line == "[[check]]").last().unwrap().0
}

/// With the variables of a step, whose checkout is the project.
fn step(project: Project) -> Project {
    let (summary, workspace) = (project.path("summary.md"), project.path(""));
    project.with_variable("GITHUB_STEP_SUMMARY", summary).with_variable("GITHUB_WORKSPACE", workspace)
}

#[test]
fn failed_check_is_annotated_at_its_line() {
    let project = step(Project::new(|scenario| {
        replaced(
            &short(scenario),
            "X-Real-IP = \"{client}\" }\n\n[[check]]\nname    = \"a forged scheme",
            "X-Real-IP = \"203.0.113.9\" }\n\n[[check]]\nname    = \"a forged scheme",
        )
    }));
    let output = project.run(&["check", "scenarios/default.toml", "--github", "--comment", "comment.md"]);
    assert_exit(&output, Exit::Failed);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let at = check_line(&project, "scenarios/default.toml", "name    = \"a forged X-Real-IP is replaced\"");
    let annotation = format!(
        "::error file=scenarios/default.toml,line={at},title=check failed%3A a forged X-Real-IP is replaced (proxied)::\
         GET /headers: upstream.headers.X-Real-IP%0Aupstream.headers.X-Real-IP%0A  - expected  \"203.0.113.9\"%0A  \
         + observed  \"127.0.0.2\"\n"
    );
    assert!(printed.contains(&annotation), "{annotation}\n{printed}");
    assert_eq!(printed.matches("::error ").count(), 1, "{printed}");

    let summary = fs::read_to_string(project.path("summary.md")).unwrap();
    assert!(summary.starts_with("<!-- lab: default -->\n# ❌ "), "{summary}");
    let failure = "- expected  \"203.0.113.9\"\n+ observed  \"127.0.0.2\"";
    assert!(summary.contains("**1 of 47 checks failed**") && summary.contains(failure), "{summary}");
    assert_eq!(fs::read_to_string(project.path("comment.md")).unwrap(), summary, "a short text is not cut");

    // A step may run lab several times.
    let json = project.run(&["check", "scenarios/default.toml", "--github", "--json"]);
    assert_exit(&json, Exit::Failed);
    serde_json::from_slice::<serde_json::Value>(&json.stdout).unwrap();
    assert!(String::from_utf8_lossy(&json.stderr).contains("::error file=scenarios/default.toml,"), "{}", text(&json));
    let twice = fs::read_to_string(project.path("summary.md")).unwrap();
    assert_eq!(twice.matches("<!-- lab: default -->").count(), 2, "{twice}");
}

#[test]
fn mistake_in_a_scenario_is_annotated() {
    let project = step(Project::new(|scenario| replaced(scenario, "users    = 16", "users    = 0")));
    let at = line(&project, "scenarios/default.toml", "users    = 0");
    for command in [["run"].as_slice(), &["check"], &["run", "--against-rev", "HEAD"]] {
        let arguments = [command, &["scenarios/default.toml", "--github"]].concat();
        let printed = project.expect(Exit::BadScenario, &arguments);
        assert!(printed.contains(&format!("::error file=scenarios/default.toml,line={at},title=")), "{printed}");
    }
}

#[test]
fn mistake_in_a_configuration_is_annotated() {
    let project = step(Project::new(str::to_owned));
    let conf = fs::read_to_string(project.path("fixtures/nginx/corrected.conf")).unwrap();
    project.write(
        "fixtures/nginx/corrected.conf",
        &replaced(&conf, "proxy_set_header X-Real-IP", "proxy_set_haeder X-Real-IP"),
    );
    let at = line(&project, "fixtures/nginx/corrected.conf", "proxy_set_haeder");
    let printed = project.expect(Exit::BadScenario, &["check", "scenarios/default.toml", "--github"]);
    assert!(printed.contains(&format!("::error file=fixtures/nginx/corrected.conf,line={at},title=")), "{printed}");
}

#[test]
fn outside_of_a_workflow_nothing_is_started() {
    let project = Project::new(str::to_owned);
    let mut command = project.lab(&["run", "scenarios/default.toml", "--github"]);
    let output = command.env_remove("GITHUB_STEP_SUMMARY").output().unwrap();
    assert_exit(&output, Exit::Usage);
    assert!(text(&output).contains("--github writes a job summary to the file that GITHUB_STEP_SUMMARY names"));
    assert!(!project.path("reports").exists());
}

#[test]
fn summary_that_cannot_be_written_costs_no_report() {
    let project = Project::new(str::to_owned);
    let project = project.with_variable("GITHUB_STEP_SUMMARY", "/nowhere/summary.md");
    let output = project.run(&["check", "scenarios/default.toml", "--github"]);
    assert_exit(&output, Exit::CouldNotRun);
    let printed = text(&output);
    assert!(printed.contains("write the job summary to /nowhere/summary.md"), "{printed}");
    assert!(printed.contains("27 of 27 checks passed"), "{printed}");
}

#[test]
fn change_is_annotated_at_its_view() {
    requires!(Git, Python);
    let project = step(shop(""));
    edit(&project, "site/shop.py", "    response.headers[\"X-Frame-Options\"] = \"DENY\"\n", "");
    let at = line(&project, "site/shop.py", "def front_page");
    let arguments = ["compare", "HEAD", "scenarios/shop.toml", "--gate", "--github"];
    let printed = project.expect(Exit::Failed, &arguments);
    let annotation = format!(
        "::error file=site/shop.py,line={at},title=changed%3A GET / (production)::\
         headers.X-Frame-Options%0A  - DENY%0A  + (none)\n"
    );
    assert!(printed.contains(&annotation), "{annotation}\n{printed}");
    let summary = fs::read_to_string(project.path("summary.md")).unwrap();
    assert!(
        summary.contains("**the same but for headers.X-Frame-Options of `production` (gone; was DENY)**"),
        "{summary}"
    );

    edit(&project, "site/shop.py", "@app.get(\"/\")", "@app.get(\"/other\")");
    let printed = project.expect(Exit::Failed, &arguments);
    let at = check_line(&project, "scenarios/shop.toml", "the front page is served");
    let annotation =
        format!("::error file=scenarios/shop.toml,line={at},title=check failed%3A the front page is served");
    assert!(printed.contains(&annotation), "no view serves it: {printed}");
}

#[test]
fn changed_snapshot_is_in_summary_and_record() {
    let project = step(Project::new(facts_only));
    project.expect(Exit::Ok, &["run", "scenarios/default.toml", "--gate", "--accept-new", "--quiet"]);
    let conf = fs::read_to_string(project.path("fixtures/nginx/corrected.conf")).unwrap();
    let mark = "proxy_set_header X-New yes;\n proxy_set_header X-Real-IP";
    project.write("fixtures/nginx/corrected.conf", &conf.replacen("proxy_set_header X-Real-IP", mark, 1));
    let printed = project.expect(Exit::Failed, &["run", "scenarios/default.toml", "--gate", "--github"]);
    let at = line(&project, "scenarios/default.toml", "[gate]");
    let annotation =
        format!("::error file=scenarios/default.toml,line={at},title=exact facts::different from the snapshot%0A");
    assert!(printed.contains(&annotation), "{printed}");
    let summary = fs::read_to_string(project.path("summary.md")).unwrap();
    assert!(summary.contains("exact facts differ from the snapshot"), "{summary}");
    assert!(summary.contains("```diff\n") && summary.contains("\n+   > X-New: yes\n"), "{summary}");

    // The record alone has the same.
    let report = |format: &str| project.expect(Exit::Ok, &["report", "reports/default/latest", "--format", format]);
    let markdown = report("markdown");
    assert!(markdown.contains("## Facts that differ from the snapshot\n\n```diff\n"), "{markdown}");
    assert!(markdown.contains("\n+   > X-New: yes\n"), "{markdown}");
    let junit = report("junit");
    assert!(junit.contains("<failure message=\"different from the snapshot\">"), "{junit}");
    assert!(junit.contains("+   &gt; X-New: yes"), "{junit}");
}
