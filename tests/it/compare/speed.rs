//! What a change costs, seen on a Flask application with one stack.

use lab::exit::Exit;

use super::shop::{DATABASE, WORK, edit, shop};
use crate::support::{Project, assert_exit, requires, skip, text};

const COMPARE: [&str; 4] = ["compare", "HEAD", "scenarios/shop.toml", "--gate"];

/// One client, whose requests take turns with nothing else. The looks are enough for an exact interval.
fn measured_shop(looks: &str, margins: &str) -> Project {
    shop(&format!(
        "[[load]]\nname = \"browse\"\ndriver = \"closed\"\nconnections = 1\nduration = \"1s\"\n\n\
         [rounds]\nlooks = {looks}\nwarmup = \"0s\"\n\n[gate]\nmargins = {{ {margins} }}\n"
    ))
}

fn record(project: &Project) -> serde_json::Value {
    let file = project.path("reports/shop/latest/record.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn rounds(project: &Project) -> Vec<serde_json::Value> {
    record(project)["rounds"].as_array().unwrap().clone()
}

/// Whether tasks waited for a CPU in more than a tenth of the median round: other tests take the stacks' time, and nobody
/// can tell a few per cent.
fn was_busy(rounds: &[serde_json::Value]) -> bool {
    let share = |round: &serde_json::Value| {
        let machine = &round["machine"];
        Some(machine["cpu_pressure_us"].as_f64()? / machine["over_us"].as_f64()?)
    };
    let mut shares: Vec<f64> = rounds.iter().filter_map(share).collect();
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len() / 2).is_some_and(|median| *median > 0.1)
}

#[test]
fn unchanged_tree_passes() {
    requires!(Git, Python);
    let project = measured_shop("[7]", "throughput = \"40%\", cpu_per_request = \"30%\"");
    let green = project.expect(Exit::Ok, &COMPARE);
    assert!(green.contains("  the same") && !green.contains("FAIL"), "{green}");
}

#[test]
fn sleep_in_a_view_fails() {
    requires!(Git, Python);
    let project = measured_shop("[7]", "throughput = \"20%\"");
    edit(&project, "site/shop.py", WORK, &format!("{WORK}\n    time.sleep(0.02)"));
    let red = project.expect(Exit::Failed, &COMPARE);
    assert!(red.contains("slower: throughput of `production` 0."), "{red}");
    // Before it failed, it was measured once more.
    assert!(red.contains("measured once more, because the first sample failed (-"), "{red}");
    let record = record(&project);
    let second = &record["confirmation"];
    let cell = serde_json::json!({ "load": "browse", "stack": "production", "metric": "throughput" });
    assert_eq!(second["cells"], serde_json::json!([cell]));
    let both = [&record["rounds"], &second["rounds"]].map(|rounds| rounds.as_array().unwrap().len());
    assert_eq!(both, [14, 14]);
}

#[test]
fn added_query_fails() {
    requires!(Git, Python);
    let project = measured_shop("[7]", "cpu_per_request = \"10%\"");
    edit(&project, "site/shop.py", "import flask\n", &format!("import flask\n{DATABASE}"));
    edit(&project, "site/shop.py", WORK, "revenue(1)");
    super::repository::commit(&project);
    edit(&project, "site/shop.py", "    revenue(1)\n", "    revenue(1)\n    revenue(2)\n");
    let red = project.expect(Exit::Failed, &COMPARE);
    assert!(red.contains("slower: CPU per request of `production` 1."), "{red}");
}

#[test]
fn tenth_more_cpu_time_fails() {
    requires!(Git, Python);
    let project = measured_shop("[8, 16]", "cpu_per_request = \"3%\"");
    let heavier = WORK.replace("20_000", "400_000");
    // The view is nearly all of the cost, and gets 12 % dearer.
    edit(&project, "site/shop.py", WORK, &heavier);
    super::repository::commit(&project);
    edit(&project, "site/shop.py", &heavier, &WORK.replace("20_000", "448_000"));
    let output = project.run(&COMPARE);
    let (printed, rounds) = (text(&output), rounds(&project));
    // A busy machine may leave it undecided. That it passes is wrong on any machine.
    if printed.contains("undecided: CPU per request") && was_busy(&rounds) {
        skip("the machine is too busy to tell a tenth of the CPU time");
        return;
    }
    assert_exit(&output, Exit::Failed);
    assert!(printed.contains("slower: CPU per request of `production` 1."), "{printed}");
    assert!(rounds.iter().all(|round| round["block"].as_u64().unwrap() < 20));
}
