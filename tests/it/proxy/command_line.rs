//! nginx's options, as far as a command that ends by itself shows them.

use std::path::Path;
use std::process::{Command, Output};

use lab::exit::Exit;

use crate::support::assert_exit;

fn lab(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.arg("proxy").args(arguments).current_dir(folder).output().expect("lab runs")
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write("nginx.conf", "events { }\nhttp { include inner.conf; }\n");
    write("inner.conf", "server { listen 127.0.0.1:8000; }\n");
    folder
}

#[test]
fn configuration_test_may_be_quiet() {
    let folder = folder();
    let output = lab(&["-t", "-c", "nginx.conf"], folder.path());
    assert!(output.status.success() && printed(&output).contains("syntax is ok"), "{}", printed(&output));
    let output = lab(&["-t", "-q", "-c", "nginx.conf"], folder.path());
    assert!(output.status.success() && printed(&output).is_empty(), "{}", printed(&output));
}

/// Four times as many entries may take ten times as long, which is less than the sixteen times of a quadratic search.
#[test]
fn large_map_is_read_in_linear_time() {
    let folder = folder();
    let time = |entries: usize| {
        let lines: String = (0..entries).map(|number| format!("/path/{number} /other/{number};\n")).collect();
        let text = format!("events {{ }} http {{ map $uri $other {{ hostnames; {lines} }} }}");
        std::fs::write(folder.path().join("map.conf"), text).expect("a file");
        let begun = std::time::Instant::now();
        let output = lab(&["-t", "-q", "-c", "map.conf"], folder.path());
        assert!(output.status.success(), "{}", printed(&output));
        begun.elapsed()
    };
    let (few, many) = (time(10_000), time(40_000));
    assert!(many < few * 10, "{few:?} and {many:?}");
}

#[test]
fn configuration_starts_from_the_prefix() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("prefix")).expect("a folder");
    std::fs::write(folder.path().join("prefix/own.conf"), "events { } http { }").expect("a file");
    assert!(lab(&["-t", "-p", "prefix", "-c", "own.conf"], folder.path()).status.success());
    assert!(!lab(&["-t", "-c", "own.conf"], folder.path()).status.success());
}

#[test]
fn dump_has_every_file_once() {
    let folder = folder();
    let output = lab(&["-T", "-q", "-c", "nginx.conf"], folder.path());
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "# configuration file nginx.conf:\nevents { }\nhttp { include inner.conf; }\n\n\
         # configuration file inner.conf:\nserver { listen 127.0.0.1:8000; }\n\n"
    );
}

#[test]
fn command_line_directives_are_global() {
    let folder = folder();
    let test = |directives: &str| lab(&["-t", "-c", "nginx.conf", "-g", directives], folder.path());
    assert!(test("worker_processes 2; daemon off;").status.success());
    for (directives, message) in [
        ("worker_processes 0;", "command line:1: invalid value \"0\" in \"worker_processes\" directive"),
        ("worker_processes 2", "command line:1: unexpected end of file, expecting \";\" or \"{\""),
        ("root html;", "command line:1: \"root\" directive is not allowed in the main level"),
        ("events { }", "nginx.conf:1: \"events\" directive is duplicate"),
    ] {
        let output = test(directives);
        assert_exit(&output, Exit::Usage);
        assert!(printed(&output).contains(message), "{directives}: {}", printed(&output));
    }
}

#[test]
fn the_version_needs_no_configuration() {
    let folder = folder();
    for (option, lines) in [("-v", 1), ("-V", 4)] {
        let output = lab(&[option], folder.path());
        let printed = printed(&output);
        assert!(output.status.success() && printed.starts_with("lab proxy version: lab/"), "{printed}");
        assert_eq!(printed.lines().count(), lines, "{printed}");
    }
    assert!(!lab(&[], folder.path()).status.success());
}

#[test]
fn nginx_version_chooses_defaults() {
    let folder = folder();
    for (version, default) in [("1.22.1", "proxy_http_version 1.0;"), ("1.29.7", "proxy_http_version 1.1;")] {
        let output = lab(&["-V", "--nginx-version", version], folder.path());
        let expected = format!("defaults of nginx {version}: {default}");
        assert!(printed(&output).contains(&expected), "{}", printed(&output));
    }
    let output = lab(&["-V", "--nginx-version", "new"], folder.path());
    assert!(printed(&output).contains("\"new\" is no version of nginx; accepted: "), "{}", printed(&output));
}

#[test]
fn configuration_overrides_the_error_log_option() {
    let folder = folder();
    std::fs::write(folder.path().join("own.conf"), "error_log own.log notice; events { } http { }").expect("a file");
    for (file, log) in [("nginx.conf", "given.log"), ("own.conf", "own.log")] {
        // a pid file that cannot be written ends the proxy when its logs are open
        let arguments = ["-c", file, "-e", "given.log", "-g", "pid nowhere/pid;"];
        assert!(!lab(&arguments, folder.path()).status.success());
        assert!(folder.path().join(log).exists(), "{log}");
        _ = std::fs::remove_file(folder.path().join(log));
    }
    assert!(!folder.path().join("given.log").exists());
}

#[test]
fn unknown_signal_is_refused() {
    let folder = folder();
    let output = lab(&["-c", "nginx.conf", "-s", "restart"], folder.path());
    assert_exit(&output, Exit::Usage);
    assert!(printed(&output).contains("accepted: stop, quit, reload, reopen"), "{}", printed(&output));
}

#[test]
fn unreadable_files_are_reported_once() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write("include.conf", "events { }\nhttp {\n    include none/x.conf;\n}\n");
    write("log.conf", "events { } http { } error_log none/log;");
    write("pid.conf", "events { } http { } pid none/pid; error_log log;");
    let missing = std::io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error());
    for (arguments, status, expected) in [
        (&["-t", "-q", "-c", "none.conf"][..], 1, format!("cannot read none.conf: {missing}")),
        (&["-c", "include.conf"], 1, format!("include.conf:3: cannot read none/x.conf: {missing}")),
        (&["-t", "-q", "-c", "log.conf"], 1, format!("cannot open log none/log: {missing}")),
        (&["-c", "log.conf"], 3, format!("cannot open log none/log: {missing}")),
        (&["-t", "-q", "-c", "pid.conf"], 1, format!("cannot write pid file none/pid: {missing}")),
        (&["-c", "pid.conf"], 3, format!("cannot write pid file none/pid: {missing}")),
    ] {
        let output = lab(&[arguments, &["-g", "daemon off;"]].concat(), folder.path());
        let printed = printed(&output);
        assert_eq!(output.status.code(), Some(status), "{printed}");
        assert_eq!(printed.lines().next(), Some(&*format!("lab proxy: {expected}")), "{arguments:?}");
        assert_eq!(printed.matches(&missing.to_string()).count(), 1, "{printed}");
    }
}
