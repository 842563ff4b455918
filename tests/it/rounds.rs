//! Rounds, looks, resuming and calibration, as a user runs them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lab::exit::Exit;
use rustix::process::{Pid, Signal, kill_process};

use crate::drive::servers::{Behaviour, PONG, runtime, send, serve};
use crate::support::{Project, assert_exit, replaced, short, text, wait_until};

fn json(project: &Project, file: &str) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(project.path(file)).unwrap()).unwrap()
}

/// The default scenario with `blocks` short blocks.
fn of_blocks(blocks: u32) -> Project {
    Project::new(|scenario| replaced(&short(scenario), "count  = 1 ", &format!("count  = {blocks} ")))
}

/// The only run's name.
fn run_name(project: &Project) -> String {
    let runs = fs::read_dir(project.path("reports/default")).unwrap();
    let names = runs.map(|run| run.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name != "latest").collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names.into_iter().next().unwrap()
}

#[test]
fn interrupted_run_resumes_after_its_finished_rounds() {
    let project = of_blocks(2);
    let mut lab =
        project.lab(&["run", "scenarios/default.toml"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let rounds = wait_until("three rounds have ended", || {
        let run = fs::read_dir(project.path("reports/default")).ok()?.next()?.ok()?.path();
        let rounds = fs::read_to_string(run.join("rounds.jsonl")).ok()?;
        (rounds.lines().count() == 3).then_some(run.join("rounds.jsonl"))
    });
    kill_process(Pid::from_raw(lab.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert_eq!(lab.wait().unwrap().code(), Some(130));
    let run = run_name(&project);
    let printed = std::io::read_to_string(lab.stderr.take().unwrap()).unwrap();
    assert!(printed.contains(&format!("--resume {run}")), "{printed}");
    let finished = fs::read_to_string(&rounds).unwrap();
    // A round that was cut off while it was written was never finished.
    fs::write(&rounds, format!("{{\"block\":0,\n{finished}{{\"block\":1,\"lo")).unwrap();

    // A run is not resumed with another number of rounds.
    let conf = project.path("fixtures/nginx/corrected.conf");
    let unchanged = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, format!("# new\n{unchanged}")).unwrap();
    let scenario = project.path("scenarios/default.toml");
    let of_scenario = fs::read_to_string(&scenario).unwrap();
    let refused = |arguments: &[&str], why: &str| {
        let output = project.run(&[&["run", "scenarios/default.toml", "--resume"], arguments].concat());
        assert_exit(&output, Exit::Usage);
        assert!(text(&output).contains(why), "{}", text(&output));
    };
    refused(&[&run], "fixtures/nginx/corrected.conf has changed");
    fs::write(&conf, unchanged).unwrap();
    fs::write(&scenario, format!("# new\n{of_scenario}")).unwrap();
    refused(&[&run], "the scenario file has changed");
    fs::write(&scenario, of_scenario).unwrap();
    refused(&[&run, "--only", "direct"], "it ran the stacks proxied, direct; give the same --only and --skip");
    refused(&["../default"], "no run `../default`");
    refused(&["never"], "no run `never`");
    refused(&["never"], &format!("can be resumed; accepted: {run}"));

    let resumed = project.run(&["run", "scenarios/default.toml", "--resume", &run]);
    assert_exit(&resumed, Exit::Ok);
    assert!(text(&resumed).contains("rounds that are made again: 2"), "{}", text(&resumed));
    let record = json(&project, "reports/default/latest/record.json");
    assert_eq!(record["provenance"]["run"], run.as_str());
    assert_eq!(record["provenance"]["resumed"].as_array().unwrap().len(), 1);
    let rounds = record["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 5, "three, of which the last was cut off, and two that replace its block: {rounds:#?}");
    for (kept, line) in rounds.iter().zip(finished.lines()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(kept["service_time"], line["service_time"]);
    }
    assert_eq!(rounds[2]["objections"].as_array().unwrap().last().unwrap()["kind"], "interrupted");
    refused(&[&run], "is finished");

    // A full disk used to leave such records.
    let file = project.path(&format!("reports/default/{run}/record.json"));
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let reported = project.run(&["report", &format!("reports/default/{run}")]);
    assert_exit(&reported, Exit::BadScenario);
    assert!(text(&reported).contains("cut off; `lab run SCENARIO --resume RUN`"), "{}", text(&reported));
    project.expect(Exit::Ok, &["run", "scenarios/default.toml", "--resume", &run, "--quiet"]);
    assert_eq!(json(&project, "reports/default/latest/record.json")["rounds"].as_array().unwrap().len(), 5);
}

#[test]
fn running_run_is_not_resumed() {
    let project = of_blocks(50);
    let mut lab =
        project.lab(&["run", "scenarios/default.toml"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("a round has ended", || {
        let run = fs::read_dir(project.path("reports/default")).ok()?.next()?.ok()?.path();
        (fs::metadata(run.join("rounds.jsonl")).ok()?.len() > 0).then_some(())
    });
    let run = run_name(&project);
    let output = project.run(&["run", "scenarios/default.toml", "--resume", &run]);
    assert_exit(&output, Exit::Usage);
    assert!(text(&output).contains(&format!("run `{run}` is still going")), "{}", text(&output));

    // Another run says so, and so does its record.
    let other = Project::new(short);
    let said = other.expect(Exit::Ok, &["run", "scenarios/default.toml", "--only", "direct"]);
    let warning = format!("default (process {})", lab.id());
    assert!(said.contains("warning: another run is going on") && said.contains(&warning), "{said}");
    let record = json(&other, "reports/default/latest/record.json");
    let issues = record["rounds"][0]["objections"].as_array().unwrap();
    assert!(issues.iter().any(|issue| issue["kind"] == "other-runs"), "{issues:?}");
    kill_process(Pid::from_raw(lab.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert_eq!(lab.wait().unwrap().code(), Some(130));
}

/// As in the default scenario.
const USERS: usize = 16;

/// The number of sockets that a process has open.
fn sockets(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let is_socket = |link: &Path| fs::read_link(link).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
    descriptors.filter(|descriptor| is_socket(&descriptor.path())).count()
}

#[test]
fn stopped_lab_voids_its_round() {
    let project = Project::new(|scenario| replaced(&short(scenario), "duration = \"1s\"", "duration = \"4s\""));
    let mut lab = project
        .lab(&["run", "scenarios/default.toml", "--only", "direct"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let driver = || {
        let is_driver = |line: &str| line.ends_with("lab drive ") && !line.contains(" guard ");
        project.marked().into_iter().find(|(_, line)| is_driver(line)).map(|(pid, _)| pid)
    };
    wait_until("the users of the driver are connected", || sockets(driver()?).ge(&USERS).then_some(()));
    let pid = Pid::from_raw(lab.id().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    // lab sees nothing of the window, which the driver ends by itself.
    wait_until("the driver has ended", || driver().is_none());
    kill_process(pid, Signal::CONT).unwrap();
    lab.wait().unwrap();
    let record = json(&project, "reports/default/latest/record.json");
    let rounds = record["rounds"].as_array().unwrap();
    let issues = rounds[0]["objections"].as_array().unwrap();
    let stopped = issues.iter().find(|issue| issue["kind"] == "lab-stopped").unwrap_or_else(|| panic!("{issues:?}"));
    assert_eq!(stopped["invalidates"], true);
    assert!(rounds.len() > 1, "another round replaces it");
}

#[test]
fn rounds_stop_at_the_deciding_look() {
    let gated = |scenario: &str| {
        // A stack that is certainly worse than 1.5 times the reference: the first look decides.
        let scenario = replaced(&short(scenario), "[gate]", "[gate]\nagainst = \"reference\"");
        replaced(&scenario, "count  = 1 ", "looks  = [8, 16] ")
    };
    let project = Project::new(gated);
    let output = project.run(&["run", "scenarios/default.toml", "--gate", "--quiet"]);
    assert_exit(&output, Exit::Failed);
    assert!(text(&output).contains("cpu_per_request under pingpong of proxied: FAIL"), "{}", text(&output));
    let record = json(&project, "reports/default/latest/record.json");
    assert_eq!(record["looks"], serde_json::json!({ "declared": [8, 16], "made": 1 }));
    assert_eq!(record["gate"]["metrics"][0]["look"], 1);
    let placed = record["places"].as_array().unwrap();
    let by_cost = placed.iter().find(|placed| placed["metric"] == "cpu_per_request").unwrap();
    let first = serde_json::json!({ "stack": "direct", "best": 1, "worst": 1, "better_than": ["proxied"] });
    assert_eq!(by_cost["places"][0], first);
    assert_eq!((&by_cost["places"][1]["stack"], &by_cost["places"][1]["best"]), (&"proxied".into(), &2.into()));
    let bad = project.run(&["run", "scenarios/default.toml", "--rounds", "many"]);
    assert_exit(&bad, Exit::Usage);
    assert!(text(&bad).contains("accepted: `auto`, or a number of blocks from 1 to 10000"), "{}", text(&bad));
}

#[test]
fn run_warns_of_margins_below_calibration() {
    let project = Project::new(short);
    let output = project.run(&["calibrate", "scenarios/default.toml", "--comparisons", "2"]);
    assert_exit(&output, Exit::Ok);
    let sentence = "On this machine 2 comparisons of a stack with itself gave 0 alarms (promise: at most 5 %); no change in CPU per \
                    request is found in 1 round.";
    assert!(text(&output).contains(sentence), "{}", text(&output));
    assert!(text(&output).contains("What can this machine tell apart?"), "{}", text(&output));
    let files = fs::read_dir(project.path("reports/calibration")).unwrap().map(|file| file.unwrap().path());
    let file = files.into_iter().find(|file| file.extension().is_some_and(|end| end == "json")).unwrap();
    let mut stored: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let metrics = stored["scenarios"]["default"]["metrics"].as_array_mut().unwrap();
    assert_eq!(metrics.len(), 4);
    for metric in metrics {
        assert_eq!(metric["log_ratios"].as_array().unwrap().len(), 2, "{metric}");
        assert!(metric["noise_floor"].as_f64().unwrap() >= 0.0, "{metric}");
        // One block decides nothing, regardless of noise.
        assert_eq!(metric["smallest_detectable_effect"], serde_json::Value::Null);
        metric["log_ratios"] = serde_json::json!([-0.9, 0.9, 0.8, -0.8]);
    }
    fs::write(&file, stored.to_string()).unwrap();
    let run = project.run(&["run", "scenarios/default.toml"]);
    assert_exit(&run, Exit::Ok);
    assert!(
        text(&run).contains("the margin of cpu_per_request under pingpong is 25.0 %, below this machine's noise floor")
    );
    let record = json(&project, "reports/default/latest/record.json");
    assert_eq!(record["below_noise_floor"].as_array().unwrap().len(), 1);
}

#[test]
fn automatic_warm_up_is_recorded() {
    let project = Project::new(|scenario| {
        replaced(&short(scenario), "warmup = \"0s\"", "warmup = \"auto\"\nwarmup_most = \"5s\"")
    });
    let output = project.run(&["run", "scenarios/default.toml", "--only", "direct"]);
    assert_exit(&output, Exit::Ok);
    let record = json(&project, "reports/default/latest/record.json");
    let round = &record["rounds"][0];
    assert_eq!(round["warmup"]["lasted_us"], 6_000_000, "five seconds, and one to connect");
    let seconds = round["warmup"]["seconds"].as_array().unwrap();
    assert!(seconds.iter().all(|second| second["answered"].as_u64().unwrap() > 0) && seconds.len() == 5, "{seconds:?}");
    // Whether this machine is steady now is unknown; it must be reported.
    let is_steady = round["warmup"]["is_steady"].as_bool().unwrap();
    assert_eq!(text(&output).contains("no steady state within 6 s"), !is_steady, "{}", text(&output));
}

/// A project with two stacks, each `lab proxy` in front of a server of the test's own. The gate compares the second with
/// the first over the number of blocks that `rounds` gives.
fn in_front_of(first: SocketAddr, second: SocketAddr, rounds: &str) -> Project {
    let project = Project::new(str::to_owned);
    let mut scenario = String::from("schema = 1\nname = \"compared\"\napp = { native = \"hello\" }\n");
    for (name, upstream) in [("first", first), ("second", second)] {
        // A variable is not moved to the stack's own server.
        let configuration = format!(
            "events {{ }}\nhttp {{ access_log off; server {{ listen 80; set $upstream {upstream};\n\
             location / {{ proxy_http_version 1.1; proxy_pass http://$upstream; }} }} }}\n"
        );
        fs::write(project.path(&format!("{name}.conf")), configuration).unwrap();
        scenario += &format!(
            "[[stack]]\nname = \"{name}\"\nserver = {{ kind = \"lab\" }}\n\
             proxy = {{ kind = \"lab\", config = \"{name}.conf\" }}\n"
        );
    }
    scenario += &format!(
        "[[load]]\nname = \"load\"\ndriver = \"closed\"\npath = \"/pong\"\nconnections = 2\nduration = \"300ms\"\n\
         [rounds]\n{rounds}\nwarmup = \"0s\"\n\
         [gate]\nagainst = \"reference\"\nmargins = {{ throughput = \"20%\", p50 = \"20%\" }}\n"
    );
    fs::write(project.path("scenarios/compared.toml"), scenario).unwrap();
    project
}

/// The verdicts on throughput and on the median.
fn verdicts(project: &Project) -> Vec<String> {
    let output = project.run(&["run", "scenarios/compared.toml", "--gate", "--accept-new", "--quiet"]);
    eprintln!("{}", text(&output));
    let record = json(project, "reports/compared/latest/record.json");
    let metrics = record["gate"]["metrics"].as_array().unwrap();
    let verdicts: Vec<_> = metrics.iter().map(|metric| metric["verdict"].as_str().unwrap().to_owned()).collect();
    assert_eq!(output.status.code(), Some(if verdicts.iter().any(|verdict| verdict == "fail") { 4 } else { 0 }));
    verdicts
}

#[test]
fn added_delay_fails_the_comparison() {
    let runtime = runtime();
    let (prompt, _) = serve(&runtime, |_, _| send(PONG));
    let (late, _) = serve(&runtime, |_, _| Behaviour::SendLate(Duration::from_millis(5), PONG.into()));
    // Eight blocks decide on a quiet machine. Other tests that run beside this one may widen the intervals.
    assert_eq!(verdicts(&in_front_of(prompt, late, "looks = [8, 30]")), ["fail", "fail"]);
}

#[test]
fn stack_against_itself_does_not_fail() {
    let runtime = runtime();
    let (server, _) = serve(&runtime, |_, _| send(PONG));
    let verdicts = verdicts(&in_front_of(server, server, "count = 20"));
    assert_eq!(verdicts.len(), 2);
    let is_right = |verdict: &String| ["pass", "inconclusive"].contains(&verdict.as_str());
    assert!(verdicts.iter().all(is_right), "{verdicts:?}");
}
