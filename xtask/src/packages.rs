//! lab as a Debian package and as a Python wheel: builds both, and tries them where there is no source tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{cargo, root, run};

/// The Pythons for which the packages bring the gateway, separated by commas.
const PYTHONS: &str = "LAB_PACKAGE_PYTHONS";
const DEFAULT_PYTHON: &str = "python3";
/// The profile of the build. With `dev`, the stage tries itself in a few minutes, and the packages are large and slow.
const PROFILE: &str = "LAB_PACKAGE_PROFILE";
const DEFAULT_PROFILE: &str = "release";
/// Where an installed lab looks for wheels, in the prefix of its installation.
const WHEELS: &str = "share/lab/wheels";
/// The shells with completions, and the file of each in the prefix.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/lab"),
    ("fish", "share/fish/vendor_completions.d/lab.fish"),
    ("zsh", "share/zsh/vendor-completions/_lab"),
];

/// The application and the scenario that each package is tried with.
const APP: &str = "\
def app(environ, start_response):
    start_response('200 OK', [('Content-Length', '5')])
    return [b'hello']
";
const SCENARIO: &str = "\
schema = 1
name   = \"tried\"

[app]
wsgi = \"hello:app\"
path = \".\"

[[stack]]
name   = \"lab\"
server = { kind = \"lab\" }

[[check]]
name    = \"it responds\"
request = { path = \"/\" }
expect.body = \"hello\"
";

/// Builds the packages in `target/packages`, and tries them.
pub(crate) fn packages() -> Result<(), String> {
    let folder = root().join("target/packages");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed("remove", &folder))?;
    }
    create(&folder)?;
    let profile = std::env::var(PROFILE).unwrap_or_else(|_| DEFAULT_PROFILE.to_owned());
    cargo(&["build", "--profile", &profile, "--locked", "--bin", "lab"])?;
    let maturin = install_maturin(&folder)?;
    let wheels = gateway_wheels(&maturin, &profile, &folder)?;
    let package = debian_package(&wheels, &profile, &folder)?;
    let wheel = python_package(&maturin, &wheels, &profile, &folder)?;

    // Outside the repository, which is hidden then.
    let trial = std::env::temp_dir().join(format!("lab-packages-{}", std::process::id()));
    create(&trial)?;
    let result = try_debian_package(&package, &trial).and_then(|()| try_python_package(&wheel, &trial));
    fs::remove_dir_all(&trial).map_err(failed("remove", &trial))?;
    result
}

/// maturin, in an environment of its own.
fn install_maturin(folder: &Path) -> Result<PathBuf, String> {
    let tools = folder.join("tools");
    run(Command::new(DEFAULT_PYTHON).args(["-m", "venv"]).arg(&tools))?;
    run(Command::new(tools.join("bin/pip")).args(["install", "--quiet", "maturin>=1.9,<2"]))?;
    Ok(tools.join("bin/maturin"))
}

/// A wheel of the gateway for each Python.
fn gateway_wheels(maturin: &Path, profile: &str, folder: &Path) -> Result<PathBuf, String> {
    let wheels = folder.join("wheels");
    let pythons = std::env::var(PYTHONS).unwrap_or_else(|_| DEFAULT_PYTHON.to_owned());
    for python in pythons.split(',') {
        let mut build = Command::new(maturin);
        build.args(["build", "--profile", profile, "--locked", "--interpreter", python, "--out"]).arg(&wheels);
        build.current_dir(root().join("crates/lab-python"));
        run(build.env("CARGO_TARGET_DIR", root().join("target/lab-wsgi")))?;
    }
    Ok(wheels)
}

fn debian_package(wheels: &Path, profile: &str, folder: &Path) -> Result<PathBuf, String> {
    let tree = folder.join("debian");
    let prefix = tree.join("usr");
    let lab = prefix.join("bin/lab");
    // cargo names the folder of its profile `dev` differently.
    let built = if profile == "dev" { "debug" } else { profile };
    copy(&root().join("target").join(built).join("lab"), &lab)?;
    copy_all(wheels, &prefix.join(WHEELS))?;
    copy(&root().join("LICENSE"), &prefix.join("share/doc/lab/copyright"))?;
    for (shell, file) in COMPLETIONS {
        let printed = output(Command::new(&lab).args(["completions", shell]))?;
        write(&prefix.join(file), &printed)?;
    }
    // The manual pages come with the installation for a person, whose data are those of the package here.
    let mut manual = Command::new(&lab);
    manual.args(["completions", "bash", "--install"]).env("HOME", &prefix).env("XDG_DATA_HOME", prefix.join("share"));
    output(&mut manual)?;
    let version = output(Command::new(&lab).arg("--version"))?;
    let version = version.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    // What was linked against another libc may not start with an older one.
    let libc = output(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", "libc6"]))?;
    let libc = libc.split('-').next().unwrap_or_default().to_owned();
    let control = fs::read_to_string(root().join("packaging/control")).map_err(|error| error.to_string())?;
    let control =
        control.replace("{version}", &version).replace("{architecture}", &architecture).replace("{libc}", &libc);
    write(&tree.join("DEBIAN/control"), &control)?;
    let package = folder.join(format!("lab_{version}_{architecture}.deb"));
    let compression = if profile == DEFAULT_PROFILE { "-Zxz" } else { "-Znone" };
    run(Command::new("dpkg-deb").args(["--build", "--root-owner-group", compression]).arg(&tree).arg(&package))?;
    Ok(package)
}

fn python_package(maturin: &Path, wheels: &Path, profile: &str, folder: &Path) -> Result<PathBuf, String> {
    let packaging = root().join("packaging");
    let data = packaging.join("lab.data");
    copy_all(wheels, &data.join("data").join(WHEELS))?;
    let out = folder.join("python");
    let mut build = Command::new(maturin);
    build.args(["build", "--profile", profile, "--out"]).arg(&out).current_dir(&packaging);
    let built = run(build.env("CARGO_TARGET_DIR", root().join("target")));
    fs::remove_dir_all(&data).map_err(failed("remove", &data))?;
    built?;
    files(&out)?.pop().ok_or_else(|| "maturin has built no wheel of lab".to_owned())
}

fn try_debian_package(package: &Path, trial: &Path) -> Result<(), String> {
    let installed = trial.join("debian");
    run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&installed))?;
    try_lab(&installed.join("usr/bin/lab"), &trial.join("with-debian"))
}

fn try_python_package(wheel: &Path, trial: &Path) -> Result<(), String> {
    let venv = trial.join("python");
    run(Command::new(DEFAULT_PYTHON).args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "--no-index"]).arg(wheel))?;
    try_lab(&venv.join("bin/lab"), &trial.join("with-python"))
}

/// Provisions and checks a WSGI application on `lab serve`, in a namespace in which the repository is empty.
fn try_lab(lab: &Path, folder: &Path) -> Result<(), String> {
    write(&folder.join("hello.py"), APP)?;
    write(&folder.join("lab.toml"), SCENARIO)?;
    let script = "mount -t tmpfs none \"$1\" && cd \"$2\" && \"$3\" provision lab.toml && \"$3\" check lab.toml";
    let mut hidden = Command::new("unshare");
    hidden.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    hidden.arg(root()).arg(folder).arg(lab).current_dir(folder).env("LAB_CACHE", folder.join("cache"));
    run(&mut hidden)
}

/// The standard output of a command that succeeds.
fn output(command: &mut Command) -> Result<String, String> {
    let line = crate::run::announce(command);
    let output = command.output().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    crate::run::check(&line, output.status)?;
    String::from_utf8(output.stdout).map_err(|error| format!("`{line}`: {error}"))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    create(file.parent().unwrap_or(Path::new(".")))?;
    fs::write(file, text).map_err(failed("write", file))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    create(to.parent().unwrap_or(Path::new(".")))?;
    fs::copy(from, to).map(drop).map_err(failed("copy", from))
}

fn copy_all(from: &Path, to: &Path) -> Result<(), String> {
    files(from)?.iter().try_for_each(|file| copy(file, &to.join(file.file_name().unwrap_or_default())))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(failed("read", folder))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(failed("create", folder))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("cannot {operation} {path}: {error}")
}
