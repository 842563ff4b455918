//! Snapshot files, which insta compares in a subprocess.

use std::fs;
use std::path::PathBuf;

use lab::snapshot::store::{Comparison, PendingSnapshot, Store};
use tempfile::TempDir;

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store { folder: folder.path().join("snapshots"), lab: PathBuf::from(env!("CARGO_BIN_EXE_lab")) };
    (folder, store)
}

#[test]
fn snapshot_life_cycle() {
    let (_folder, store) = store();
    assert_eq!(store.pending().unwrap(), []);
    assert_eq!(store.compare("n", "d", "one\ntwo").unwrap(), Comparison::New);
    assert_eq!(
        store.pending().unwrap(),
        [PendingSnapshot { name: "n".to_owned(), content: "one\ntwo".to_owned(), committed: None }]
    );

    store.accept("n").unwrap();
    assert_eq!(store.pending().unwrap(), []);
    assert_eq!(store.committed("n").unwrap().as_deref(), Some("one\ntwo"));
    let file = fs::read_to_string(store.committed_file("n")).unwrap();
    assert!(file.contains("d, 2 lines") && file.contains("\n---\none\ntwo\n"), "{file}");
    assert_eq!(store.compare("n", "d", "one\ntwo").unwrap(), Comparison::Same);

    let committed = "one\ntwo".to_owned();
    assert_eq!(store.compare("n", "d", "one\nthree").unwrap(), Comparison::Changed { committed });
    assert_eq!(store.pending().unwrap().len(), 1);
    store.reject("n").unwrap();
    assert_eq!(store.pending().unwrap(), []);
    assert_eq!(store.committed("n").unwrap().as_deref(), Some("one\ntwo"));
}

/// Each removed the file by which the other saw a difference.
#[test]
fn parallel_comparisons_do_not_race() {
    let (_folder, store) = store();
    std::thread::scope(|scope| {
        let compare = |_| scope.spawn(|| store.compare("n", "d", "one"));
        let running: Vec<_> = (0..8).map(compare).collect();
        for one in running {
            assert_eq!(one.join().unwrap().unwrap(), Comparison::New);
        }
    });
    assert_eq!(store.pending().unwrap().len(), 1);
    let beside: Vec<_> = fs::read_dir(store.folder.parent().unwrap()).unwrap().collect();
    assert_eq!(beside.len(), 1, "nothing is left beside the folder: {beside:?}");
}

#[test]
fn unchanged_content_clears_a_pending_file() {
    let (_folder, store) = store();
    store.compare("n", "d", "one").unwrap();
    store.accept("n").unwrap();
    store.compare("n", "d", "two").unwrap();
    assert_eq!(store.compare("n", "d", "one").unwrap(), Comparison::Same);
    assert_eq!(store.pending().unwrap(), []);
}

#[test]
fn snapshot_io_errors_have_reasons() {
    let (_folder, store) = store();
    fs::create_dir_all(&store.folder).unwrap();
    fs::write(store.committed_file("n"), "not a snapshot").unwrap();
    let error = store.compare("n", "d", "one").unwrap_err().to_string();
    assert!(error.ends_with("n.snap: not a snapshot"), "{error}");

    fs::write(store.committed_file("n"), b"---\n\xff").unwrap();
    let error = store.compare("n", "d", "one").unwrap_err().to_string();
    assert!(error.contains("n.snap: ") && error.contains("UTF-8"), "{error}");
    fs::remove_file(store.committed_file("n")).unwrap();

    let error = store.accept("m").unwrap_err().to_string();
    assert_eq!(error, "no snapshot `m` is pending");

    // The pending file cannot be written over a folder.
    fs::create_dir_all(store.pending_file("o").join("x")).unwrap();
    assert!(store.compare("o", "d", "one").is_err());
}

#[test]
fn poor_ratios_refuse_their_run() {
    let (_folder, store) = store();
    let ratios = |blocks: &str| {
        format!(
            "machine = \"m\"\n\n[[ratio]]\nload = \"l\"\nstack = \"s\"\nreference = \"r\"\nmetric = \"p50\"\n\
             ratio = 1.0\nblocks = [{blocks}]"
        )
    };
    store.compare("n", "d", "one").unwrap();
    store.compare("n.ratios", "d", &ratios("1.0, 1.1")).unwrap();
    for name in ["n", "n.ratios"] {
        let error = store.accept(name).unwrap_err().to_string();
        assert!(error.contains("`n.ratios` is refused: p50 of s under l is from 2 pairs of valid rounds"), "{error}");
        assert_eq!(store.committed(name).unwrap(), None);
    }
    store.compare("n.ratios", "d", &ratios("1.0, 1.1, 1.0, 1.1, 1.0, 1.1, 1.0")).unwrap();
    store.accept("n.ratios").unwrap();
    store.accept("n").unwrap();
}

/// After a full disk or a failed merge: lab must not overwrite a file that it cannot read.
#[test]
fn cut_off_snapshots_are_reported_and_kept() {
    let (_folder, store) = store();
    let facts = "one\ntwo\nthree";
    store.compare("n", "d", facts).unwrap();
    store.accept("n").unwrap();
    let whole = fs::read(store.committed_file("n")).unwrap();
    let cut = |file: &std::path::Path, bytes: usize| {
        let whole = fs::read(file).unwrap();
        fs::write(file, &whole[..whole.len() - bytes]).unwrap();
        fs::read(file).unwrap()
    };
    let left = cut(&store.committed_file("n"), "three\n".len());
    let error = store.compare("n", "d", "four").unwrap_err().to_string();
    assert!(error.contains("n.snap: cut off after 2 of 3 lines; restore it"), "{error}");
    assert_eq!(fs::read(store.committed_file("n")).unwrap(), left);
    assert!(!store.pending_file("n").exists());

    // A pending one that is cut off does not replace the committed one.
    fs::write(store.committed_file("n"), &whole).unwrap();
    store.compare("n", "d", "four\nfive").unwrap();
    let left = cut(&store.pending_file("n"), "five\n".len());
    assert!(store.accept("n").unwrap_err().to_string().contains("n.snap.new: cut off after 1 of 2 lines"));
    assert_eq!(fs::read(store.committed_file("n")).unwrap(), whole);
    assert_eq!(fs::read(store.pending_file("n")).unwrap(), left);
}
