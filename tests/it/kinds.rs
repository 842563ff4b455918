//! Kinds as data: lab's own are valid and complete, and a bad one is refused with a helpful message.
//!
//! After a change on purpose: `INSTA_UPDATE=always cargo test --test it kinds::`, then read the difference.

use std::fs;
use std::path::Path;

use lab::catalog::{self, Catalog};

use crate::scenario::snapshots;

#[test]
fn builtin_kinds_are_valid() {
    for folder in ["fixtures/servers", "fixtures/proxies"] {
        for entry in fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let is_kind = file.extension().is_some_and(|extension| extension == "toml");
            if let Some(Err(errors)) = is_kind.then(|| catalog::load(&file)) {
                panic!("{}", errors.render(false));
            }
        }
    }
}

#[test]
fn binary_embeds_every_kind_and_app() {
    let mut files = Vec::new();
    for folder in ["servers", "servers/locks", "proxies", "apps"] {
        for entry in fs::read_dir(Path::new("fixtures").join(folder)).unwrap() {
            let file = entry.unwrap();
            if file.path().is_file() {
                files.push(format!("{folder}/{}", file.file_name().to_str().unwrap()));
            }
        }
    }
    files.sort();
    let mut embedded: Vec<_> = catalog::builtin_files().into_iter().map(|(path, _)| path.to_owned()).collect();
    embedded.sort();
    assert_eq!(embedded, files);
    let kinds = files.iter().filter(|path| path.ends_with(".toml")).count();
    assert_eq!(Catalog::builtin().kinds().count(), kinds);
}

#[test]
fn bad_kinds_are_refused() {
    snapshots().bind(|| {
        insta::glob!("../../fixtures/kinds/bad", "*.toml", |path| {
            let path = fs::canonicalize(path).unwrap();
            let errors = catalog::load(path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap());
            insta::assert_snapshot!("bad_kind", errors.expect_err("the kind is bad").render(false));
        });
    });
}
