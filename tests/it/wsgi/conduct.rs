//! Raw bytes in, raw bytes out: requests to an application that does everything right, and to one that does everything
//! wrong. A sound request follows every case on the same connection, and the snapshot shows whether it got a response.

use std::path::Path;

use super::environment::python;
use super::launch::{Worker, settings};
use crate::serve::wire::{escape, unescape};

#[test]
fn conforming_applications() {
    let Some(python) = python() else { return };
    let worker = Worker::start(python, settings("good:app"));
    insta::glob!("cases/good/*.http", |path| check_case(&worker, "validated", path));
    // Every iterable that has a way to be closed was.
    let closed: u32 = worker.get("/closed").parse().expect("a number");
    assert!(closed > 20, "{closed} were closed");
    // The validator wraps the application, so the server does not see the application's own iterable.
    let worker = Worker::start(python, settings("good:plain"));
    insta::glob!("cases/good/*.http", |path| check_case(&worker, "plain", path));
}

#[test]
fn faulty_applications() {
    let Some(python) = python() else { return };
    let worker = Worker::start(python, settings("bad:app"));
    insta::glob!("cases/bad/*.http", |path| check_case(&worker, "bad", path));
    assert_ne!(worker.get("/closed"), "0");
}

fn check_case(worker: &Worker, which: &str, path: &Path) {
    let case = std::fs::read_to_string(path).expect("a case");
    let response = worker.exchange(&unescape(&case));
    insta::with_settings!({ description => &case, omit_expression => true, prepend_module_to_snapshot => false,
        snapshot_path => format!("snapshots/{which}"),
        filters => [(r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "Date: {date}")] }, {
        insta::assert_snapshot!(which, escape(&response));
    });
}
