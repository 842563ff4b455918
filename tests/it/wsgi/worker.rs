//! The application that a worker loads, and its messages when there is none.

use std::io::{Read, Write};

use super::environment::python;
use super::launch::{Worker, settings};

#[test]
fn application_strings_match_gunicorn() {
    let Some(python) = python() else { return };
    let cases = [
        ("strings", "application"),
        ("strings:app", "app"),
        ("strings:create_app()", "made of () {}"),
        ("strings:create_app(\"x\", y=[1, None])", "made of ('x',) {'y': [1, None]}"),
        ("strings:holder.inner.app", "attribute"),
        ("strings:holder.make(7)", "made by 7"),
        ("package.module:app", "package"),
    ];
    for (app, expected) in cases {
        assert_eq!(Worker::start(python, settings(app)).get("/"), expected, "{app}");
    }
}

#[test]
fn load_errors_are_reported() {
    let Some(python) = python() else { return };
    let cases = [
        ("absent:app", 4, "cannot load the application 'absent:app': there is no module 'absent' in "),
        ("absent:app", 4, "hint: --chdir or --pythonpath name the folder it is in, --venv the environment"),
        ("package.absent:app", 4, "there is no module 'package.absent' in "),
        ("strings.py", 4, "'strings.py' is a file; did you mean strings:application?"),
        ("strings:absent", 4, "'strings' has no attribute 'absent'; did you mean app or application or create_app?"),
        ("strings:holder.absent", 4, "'strings.holder' has no attribute 'absent'"),
        ("strings:number", 4, "'strings:number' is an int, which cannot be called"),
        ("strings:number()", 4, "'number()' calls an int, which cannot be called"),
        ("strings:create_app(x)", 4, "the arguments in 'create_app(x)' are not literals"),
        ("strings:create_app(**{'a': 1})", 4, "the arguments in \"create_app(**{'a': 1})\" are not literals"),
        ("strings:two(1)", 4, "two() missing 1 required positional argument: 'second'"),
        ("strings:raises()", 3, "ValueError: out of coffee"),
        ("strings:app app", 4, "'app app' is not a name such as app"),
        ("strings:[app]", 4, "'[app]' is not a name such as app"),
        ("broken:app", 3, "SyntaxError"),
        ("needy:app", 3, "ModuleNotFoundError: No module named 'not_installed'"),
        ("exits:app", 3, "SystemExit: 9"),
    ];
    for (app, code, expected) in cases {
        let mut worker = Worker::spawn(python, settings(app), Vec::new());
        let printed = worker.last_words();
        assert!(printed.contains(expected), "{app}: {printed}");
        assert_eq!(worker.end().code(), Some(code), "{app}");
    }
}

#[test]
fn chdir_and_pythonpath_are_applied() {
    let Some(python) = python() else { return };
    let mut settings = settings("placed:app");
    settings.pythonpath = vec!["package".to_owned()];
    settings.raw_env = vec!["LAB_TEST=a=b".to_owned()];
    let apps = settings.chdir.clone().expect("a folder");
    let worker = Worker::start(python, settings);
    let (apps, package) = (apps.display().to_string(), apps.join("package").display().to_string());
    assert_eq!(worker.get("/"), format!("{apps} {package} {apps} a=b"));
}

#[test]
fn senseless_settings_are_named() {
    let Some(python) = python() else { return };
    let mut settings = settings("good:app");
    settings.forwarded_allow_ips = vec!["10.0.0.1/8".to_owned()];
    let mut worker = Worker::spawn(python, settings, Vec::new());
    let printed = worker.last_words();
    assert!(printed.contains("\"10.0.0.1/8\" is not a peer"), "{printed}");
    assert_eq!(worker.end().code(), Some(3));
}

#[test]
fn environment_overrides_the_malloc_threshold() {
    let Some(python) = python() else { return };
    let faults = |length: usize, environment: &[(&str, &str)]| {
        let head = format!("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let request = [head.as_bytes(), &vec![b'x'; length]].concat();
        let mut worker = Worker::spawn_in(python, settings("good:app"), environment);
        worker.wait_for("is ready");
        let mut client = worker.connect();
        let mut post = |times: usize| {
            for _ in 0..times {
                client.write_all(&request).expect("the worker reads");
                let mut response = [0; 512];
                let length = client.read(&mut response).expect("an answer");
                assert!(String::from_utf8_lossy(&response[..length]).starts_with("HTTP/1.1 200 "));
            }
        };
        post(50);
        let before = worker.faults();
        post(100);
        (worker.faults() - before) / 100
    };
    assert!(faults(64 * 1024, &[]) < 2);
    // What Python has freed leaves gaps that 64 KiB may fit in, however little is kept; one of this size it does not.
    let large = 1024 * 1024;
    assert!(faults(large, &[("MALLOC_TRIM_THRESHOLD_", "65536"), ("MALLOC_MMAP_THRESHOLD_", "32768")]) > 200);
    let tunables = "glibc.malloc.trim_threshold=65536:glibc.malloc.mmap_threshold=32768";
    assert!(faults(large, &[("GLIBC_TUNABLES", tunables)]) > 200);
    // So that it was not the size.
    assert!(faults(large, &[]) < 2);
}
