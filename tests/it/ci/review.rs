//! `lab snapshot review`, on a terminal of the test's own and without one.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};

use lab::exit::Exit;
use lab::snapshot::store::{Comparison, Store};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{Project, assert_exit, text};

/// A project with pending snapshots: `one` and `two` are changed, `three` is new.
fn project() -> Project {
    let project = Project::new(str::to_owned);
    let store = store(&project);
    for name in ["one", "two"] {
        let text: String = (1..=40).map(|number| format!("line {number}\n")).collect();
        store.compare(name, "facts", &text).unwrap();
        store.accept(name).unwrap();
        store.compare(name, "facts", &text.replace("line 20\n", &format!("{name} differs\n"))).unwrap();
    }
    assert_eq!(store.compare("three", "facts", "all new").unwrap(), Comparison::New);
    project
}

fn store(project: &Project) -> Store {
    Store { folder: project.path("reports/snapshots"), lab: env!("CARGO_BIN_EXE_lab").into() }
}

/// lab at a terminal.
struct Session {
    lab: Child,
    terminal: File,
    seen: String,
}

impl Session {
    fn start(project: &Project, arguments: &[&str], is_coloured: bool) -> Session {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let side = || -> OwnedFd { open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap() };
        let mut command = project.lab(&[&["snapshot", "review"], arguments].concat());
        if is_coloured {
            command.env_remove("NO_COLOR").env("TERM", "xterm");
        }
        let lab = command.stdin(Stdio::from(side())).stdout(Stdio::from(side())).stderr(Stdio::from(side())).spawn();
        Session { lab: lab.unwrap(), terminal: File::from(terminal), seen: String::new() }
    }

    /// Reads until the question.
    fn question(&mut self) {
        self.until("[a/r/s/c/w/q/A/R/?] ");
    }

    fn until(&mut self, end: &str) {
        let mut buffer = [0; 4096];
        while !self.seen.ends_with(end) {
            let length = self.terminal.read(&mut buffer).unwrap_or(0);
            assert!(length > 0, "the review ended: {}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..length]).replace('\r', ""));
        }
    }

    /// Answers a question.
    fn answer(&mut self, text: &str) {
        self.question();
        self.seen.clear();
        self.terminal.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    /// Everything since the last answer, up to the end of lab.
    #[track_caller]
    fn end(mut self) -> String {
        let status = self.lab.wait().unwrap();
        // Linux reports the end of a terminal's other side as an error.
        let mut rest = Vec::new();
        let _ = self.terminal.read_to_end(&mut rest);
        self.seen.push_str(&String::from_utf8_lossy(&rest).replace('\r', ""));
        assert_eq!(status.code(), Some(Exit::Ok as i32), "{}", self.seen);
        self.seen
    }
}

fn is_pending(project: &Project, name: &str) -> bool {
    project.path(&format!("reports/snapshots/{name}.snap.new")).exists()
}

#[test]
fn each_snapshot_is_decided() {
    let project = project();
    let mut review = Session::start(&project, &[], false);
    review.question();
    assert!(review.seen.starts_with("\none, 1 of 3: - committed, + new\n"), "{}", review.seen);
    assert!(
        review.seen.contains("- line 20\n+ one differs\n") && !review.seen.contains("line 16\n"),
        "{}",
        review.seen
    );
    assert!(!review.seen.contains('\u{1b}'), "{}", review.seen);
    review.answer("c");
    review.question();
    assert!(review.seen.contains("  line 6\n") && !review.seen.contains("  line 4\n"), "{}", review.seen);
    review.answer("c");
    review.question();
    assert!(review.seen.contains("  line 1\n") && review.seen.contains("  line 40\n"), "{}", review.seen);
    review.answer("what?");
    review.question();
    assert!(review.seen.contains("a  accept: this becomes the snapshot"), "{}", review.seen);
    review.answer("a");
    review.question();
    assert!(review.seen.contains("accepted one: exact facts\n"), "{}", review.seen);
    assert!(review.seen.contains("three, 2 of 3: nothing is committed yet\n+ all new\n"), "{}", review.seen);
    review.answer("s");
    review.answer("r");
    let end = review.end();
    assert!(end.contains("rejected two\n") && end.ends_with("1 accepted, 1 rejected, 1 skipped\n"), "{end}");
    assert_eq!(["one", "two", "three"].map(|name| is_pending(&project, name)), [false, false, true]);
    let committed = |name: &str| fs::read_to_string(project.path(&format!("reports/snapshots/{name}.snap"))).unwrap();
    assert!(committed("one").contains("one differs") && !committed("two").contains("two differs"));
}

#[test]
fn one_answer_is_for_all() {
    let project = project();
    let mut review = Session::start(&project, &[], true);
    review.question();
    assert!(review.seen.contains("\u{1b}[31m- line 20\u{1b}[0m\n"), "{:?}", review.seen);
    review.answer("s");
    review.answer("A");
    assert!(review.end().ends_with("2 accepted, 0 rejected, 1 skipped\n"));
    assert_eq!(["one", "two", "three"].map(|name| is_pending(&project, name)), [true, false, false]);

    let mut review = Session::start(&project, &["one"], false);
    review.answer("q");
    assert!(review.end().ends_with("0 accepted, 0 rejected, 1 skipped\n"));
    assert!(is_pending(&project, "one"));
}

#[test]
fn without_a_terminal_there_is_a_message() {
    let project = project();
    let output = project.lab(&["snapshot", "review"]).stdin(Stdio::null()).output().unwrap();
    assert_exit(&output, Exit::Usage);
    assert!(
        text(&output)
            .contains("lab: a review asks its questions on a terminal, and this is none\nhint: `lab snapshot diff`")
    );
    let diff = project.expect(Exit::Ok, &["snapshot", "diff", "one"]);
    assert!(diff.contains("- line 20\n+ one differs\n"), "{diff}");
    let show = project.expect(Exit::Ok, &["snapshot", "show", "three"]);
    assert_eq!(show, "three:\nall new\n\n");
    assert!(is_pending(&project, "one") && is_pending(&project, "two"));
}
