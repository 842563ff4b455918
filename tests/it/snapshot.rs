//! Snapshot files, through insta in a process of its own.

use std::fs;
use std::path::PathBuf;

use lab::snapshot::store::{Comparison, Store};
use tempfile::TempDir;

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store { folder: folder.path().join("snapshots"), lab: PathBuf::from(env!("CARGO_BIN_EXE_lab")) };
    (folder, store)
}

fn waiting(store: &Store) -> Vec<(String, String, Option<String>)> {
    store.waiting().unwrap()
}

#[test]
fn snapshot_life_cycle() {
    let (_folder, store) = store();
    assert_eq!(waiting(&store), []);
    assert_eq!(store.compare("n", "d", "one\ntwo").unwrap(), Comparison::New);
    assert_eq!(waiting(&store), [("n".to_owned(), "one\ntwo".to_owned(), None)]);

    store.accept("n").unwrap();
    assert_eq!(waiting(&store), []);
    assert_eq!(store.committed("n").unwrap().as_deref(), Some("one\ntwo"));
    let file = fs::read_to_string(store.committed_file("n")).unwrap();
    assert!(file.contains("\ndescription: d\n---\none\ntwo\n"), "{file}");
    assert_eq!(store.compare("n", "d", "one\ntwo").unwrap(), Comparison::Same);

    let committed = "one\ntwo".to_owned();
    assert_eq!(store.compare("n", "d", "one\nthree").unwrap(), Comparison::Changed { committed });
    assert_eq!(waiting(&store).len(), 1);
    store.reject("n").unwrap();
    assert_eq!(waiting(&store), []);
    assert_eq!(store.committed("n").unwrap().as_deref(), Some("one\ntwo"));
}

#[test]
fn unchanged_content_clears_a_pending_file() {
    let (_folder, store) = store();
    store.compare("n", "d", "one").unwrap();
    store.accept("n").unwrap();
    store.compare("n", "d", "two").unwrap();
    assert_eq!(store.compare("n", "d", "one").unwrap(), Comparison::Same);
    assert_eq!(waiting(&store), []);
}

#[test]
fn snapshot_io_errors_have_reasons() {
    let (_folder, store) = store();
    fs::create_dir_all(&store.folder).unwrap();
    fs::write(store.committed_file("n"), "not a snapshot").unwrap();
    let error = store.compare("n", "d", "one").unwrap_err().to_string();
    assert!(error.ends_with("n.snap: not a snapshot"), "{error}");

    let error = store.accept("m").unwrap_err().to_string();
    assert_eq!(error, "no snapshot `m` waits for review");

    // A folder stands where the waiting file would be.
    fs::create_dir_all(store.waiting_file("o").join("x")).unwrap();
    assert!(store.compare("o", "d", "one").is_err());
}
