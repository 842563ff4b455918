//! `lab diff`: two stacks, the same requests.

use lab::exit::Exit;

use crate::support::{Project, assert_exit, text};

#[test]
fn two_stacks_are_compared_field_by_field() {
    let project = Project::new(str::to_owned);
    let arguments = ["diff", "scenarios/default.toml", "direct", "proxied", "--path", "/headers", "--path", "/nope"];
    let output = project.run(&arguments);
    assert_exit(&output, Exit::Ok);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
    assert_eq!(project.run(&[&arguments[..], &["--exit-code"]].concat()).status.code(), Some(4));
    let output = project.run(&[&arguments[..], &["--json"]].concat());
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found[0]["outcome"]["Ok"][0]["field"], "headers.Server");
}

#[test]
fn unknown_stacks_are_named() {
    let project = Project::new(str::to_owned);
    for (arguments, expected) in [
        (&["direct", "nope"][..], "no stack `nope`; it has `proxied`, `direct`"),
        (&["direct"], "only one stack is selected"),
        (&["--path", "nope"], "a path starts with `/`"),
    ] {
        let output = project.run(&[&["diff", "scenarios/default.toml"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(expected), "{arguments:?}: {}", text(&output));
    }
}
