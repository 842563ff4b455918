//! `lab clean --keep`: old runs go, and the logs of the others are compressed.

use lab::exit::Exit;

use crate::support::Project;

#[test]
fn clean_keeps_the_last_runs() {
    let runs = ["20261130T100000Z-1", "20261130T100100Z-1", "20261130T100200Z-1"];
    let project = Project::empty().with_variable("DOCKER_HOST", "unix:///no/such/docker.sock");
    for run in runs {
        project.write(&format!("reports/site/{run}/rounds/001-page-site/access.log"), &"GET / 200\n".repeat(10_000));
    }
    project.write("reports/snapshots/site.snap", "facts");
    let shown = project.expect(Exit::Ok, &["clean", "--keep", "2", "--dry-run"]);
    assert!(shown.contains(&format!("reports/site/{}: would be removed", runs[0])), "{shown}");
    assert!(project.path("reports/site").join(runs[0]).exists());
    let cleaned = project.expect(Exit::Ok, &["clean", "--keep", "2"]);
    assert!(cleaned.contains(&format!("reports/site/{}: removed", runs[0])), "{cleaned}");
    assert!(!project.path("reports/site").join(runs[0]).exists());
    let rounds = project.path("reports/site").join(runs[2]).join("rounds/001-page-site");
    assert!(rounds.join("access.log.gz").is_file() && !rounds.join("access.log").exists());
    assert!(project.path("reports/snapshots/site.snap").is_file());
    let again = project.expect(Exit::Ok, &["clean", "--keep", "2"]);
    assert!(again.contains("no scenario in reports has more than 2 runs"), "{again}");
}
