//! Planted faults in a Flask application: each must fail in every session, and an unchanged tree in none.
//!
//! Two hours of measurements, for a machine with nothing else to do:
//!
//!     LAB_REQUIRE=git,python cargo test --test it -- --ignored --exact compare::faults::faults_fail_in_every_session --nocapture
//!
//! `LAB_FAULTS=sleep,query` runs some of them, `LAB_STACKS=2` only the sessions with two stacks, `LAB_SESSIONS=1` fewer
//! sessions of each.

use std::fmt::Write as _;
use std::time::Instant;

use lab::exit::Exit;

use super::repository::commit;
use super::shop::{DATABASE, WORK, edit, shop};
use crate::support::{Project, requires, text};

const COMPARE: [&str; 4] = ["compare", "HEAD", "scenarios/shop.toml", "--gate"];

/// The load and the gate. The confirmation has as many blocks again. The window begins with the first request, which saves
/// an hour.
fn measured(blocks: usize) -> String {
    format!(
        "[[load]]\nname = \"browse\"\ndriver = \"closed\"\nconnections = 1\nduration = \"1s\"\n\n\
         [rounds]\nlooks = [{blocks}]\nwarmup = \"0s\"\n\n[gate]\n\
         margins = {{ throughput = \"5%\", cpu_per_request = \"3%\" }}\n\
         limits = {{ memory_growth = \"500MiB per 100k\" }}\n"
    )
}

/// A second deployment of the same application.
const PROXIED: &str = "\n[[stack]]\nname = \"proxied\"\nproxy = { kind = \"lab\", config = \"deploy/nginx.conf\" }\n\
                       server = { kind = \"gunicorn\", config = \"deploy/gunicorn.conf.py\" }\n\n";

const NGINX: &str = "events { }\nhttp { server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } } }\n";

struct Fault {
    name: &'static str,
    /// What stands in the view before, in place of [`WORK`].
    before: &'static str,
    after: &'static str,
    blocks: usize,
    /// A part of the answer.
    answer: &'static str,
}

const FAULTS: [Fault; 5] = [
    Fault { name: "none", before: WORK, after: WORK, blocks: 20, answer: "the same" },
    Fault { name: "sleep", before: WORK, after: "work(20_000)\n    time.sleep(0.02)", blocks: 10, answer: "slower: " },
    // The view is nearly all of the cost. With ten blocks, 2 of 10 sessions did not decide about a tenth.
    Fault {
        name: "cpu",
        before: "work(400_000)",
        after: "work(444_000)",
        blocks: 20,
        answer: "CPU per request of `production` 1.",
    },
    Fault {
        name: "leak",
        before: "flask.g.kept = b\"x\" * 30_000",
        after: "kept.append(b\"x\" * 30_000)",
        blocks: 10,
        answer: "beyond the limit: memory growth of `production` ",
    },
    Fault { name: "query", before: "revenue(1)", after: "revenue(1)\n    revenue(2)", blocks: 10, answer: "slower: " },
];

/// The application before the fault, committed, and the fault in the working tree.
fn planted(fault: &Fault, has_two_stacks: bool) -> Project {
    let more = format!("{}{}", if has_two_stacks { PROXIED } else { "" }, measured(fault.blocks));
    let project = shop(&more).with_file("deploy/nginx.conf", NGINX);
    let defined = "app = flask.Flask(__name__)\n";
    edit(&project, "site/shop.py", defined, &format!("{defined}kept = []\n{DATABASE}"));
    edit(&project, "site/shop.py", &format!("    {WORK}\n"), &format!("    {}\n", fault.before));
    commit(&project);
    edit(&project, "site/shop.py", &format!("    {}\n", fault.before), &format!("    {}\n", fault.after));
    project
}

#[test]
#[ignore = "two hours of measurements"]
fn faults_fail_in_every_session() {
    requires!(Git, Python);
    let variable = |name: &str| std::env::var(name).ok();
    let sessions: usize = variable("LAB_SESSIONS").map_or(5, |count| count.parse().expect("LAB_SESSIONS is a number"));
    let chosen_stacks: Option<usize> =
        variable("LAB_STACKS").map(|count| count.parse().expect("LAB_STACKS is a number"));
    let chosen = variable("LAB_FAULTS");
    let is_chosen =
        |fault: &&Fault| chosen.as_ref().is_none_or(|names| names.split(',').any(|name| name == fault.name));
    let (mut table, mut wrong) = (String::new(), String::new());
    for fault in FAULTS.iter().filter(is_chosen) {
        let expected = if fault.name == "none" { Exit::Ok } else { Exit::Failed };
        for stacks in [1, 2].into_iter().filter(|stacks| chosen_stacks.is_none_or(|chosen| chosen == *stacks)) {
            let project = planted(fault, stacks == 2);
            let mut right = 0;
            for session in 1..=sessions {
                let begun = Instant::now();
                let output = project.run(&COMPARE);
                let printed = text(&output);
                let is_right = output.status.code() == Some(expected as i32) && printed.contains(fault.answer);
                let answer = printed.split("Did the change break anything?\n").nth(1).unwrap_or(&printed);
                let answer = answer.lines().next().unwrap_or_default().trim();
                let took = begun.elapsed().as_secs();
                println!("{} with {stacks}, session {session}: {answer} ({took} s)", fault.name);
                right += usize::from(is_right);
                if !is_right {
                    let _ = writeln!(wrong, "{} with {stacks}, session {session}:\n{printed}", fault.name);
                }
            }
            let _ = writeln!(table, "{:<6}  stacks: {stacks}  as expected: {right} of {sessions}", fault.name);
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong}{table}");
}
