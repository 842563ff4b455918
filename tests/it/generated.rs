//! Generated files: the committed content is current.

#[path = "../../xtask/src/generated.rs"]
mod table;

use std::fs;
use std::path::Path;

#[test]
fn generated_files_are_current() {
    for (path, content) in table::GENERATED {
        let committed = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
        assert!(committed == content(), "{path} is out of date: run `cargo xtask generate`");
    }
}
