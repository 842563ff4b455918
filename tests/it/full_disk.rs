//! A disk that fills up at any moment of a run costs neither its report nor its finished rounds.

use std::fs;
use std::path::Path;

use lab::exit::Exit;

use crate::support::{Project, SmallDisk, assert_exit, requires, short, skip, text};

/// Every JSON file and snapshot is whole.
#[track_caller]
fn all_is_whole(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            all_is_whole(&path);
        } else if name.contains(".snap") {
            assert!(fs::read_to_string(&path).unwrap().split("\n---\n").count() == 2, "{}", path.display());
        } else if name == "record.json" || name == "run.json" {
            let read: Result<serde_json::Value, _> = serde_json::from_slice(&fs::read(&path).unwrap());
            assert!(read.is_ok(), "{}: {read:?}", path.display());
        }
    }
}

#[test]
fn full_disk_costs_neither_report_nor_resume() {
    requires!(Root);
    let (mut without_record, mut resumed) = (0, 0);
    // Each size ends at another write: the first folder, the manifest, logs, rounds, snapshots, the record.
    for kib in [4, 12, 20, 28, 36, 44, 52, 60, 72, 96, 4096] {
        let project = Project::new(short);
        let Some(disk) = SmallDisk::mount(project.path("reports"), kib) else {
            skip("this process may not mount a tmpfs");
            return;
        };
        let output = project.run(&["run", "scenarios/default.toml"]);
        let said = text(&output);
        assert!(!said.contains("panicked"), "{kib} KiB: {said}");
        all_is_whole(&disk.folder);
        if kib == 4096 {
            assert_exit(&output, Exit::Ok);
            continue;
        }
        assert_exit(&output, Exit::CouldNotRun);
        assert!(said.contains("No space left on device"), "{kib} KiB: {said}");
        let Some(run) = said.split("--resume ").nth(1) else { continue };
        without_record += 1;
        assert!(said.contains("Did it change?"), "{kib} KiB: the report is printed: {said}");
        assert!(said.contains("could not be written"), "{kib} KiB: {said}");
        let run = run.split('`').next().unwrap();
        disk.grow();
        project.expect(Exit::Ok, &["run", "scenarios/default.toml", "--resume", run]);
        assert!(disk.folder.join("default").join(run).join("record.json").exists());
        all_is_whole(&disk.folder);
        resumed += 1;
    }
    assert!(without_record > 1 && resumed == without_record, "{without_record} {resumed}");
}
