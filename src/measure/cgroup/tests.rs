use std::process::{Child, Command, Stdio};

use super::*;

/// A group in a temporary folder that holds `files`.
fn group(version: Version, files: &[(&str, &str)]) -> (tempfile::TempDir, Cgroup) {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
        fs::write(folder.path().join(file), text).unwrap();
    }
    let controllers = match version {
        Version::One => Some(["cpu", "cpuacct", "memory"].map(str::to_owned).to_vec()),
        Version::Two => None,
    };
    let mount = Mount { root: "/".to_owned(), point: folder.path().to_owned(), controllers };
    let found = Cgroup::locate(&[mount], "here", |_| Some("/".to_owned())).unwrap();
    (folder, found)
}

#[test]
fn both_versions_give_the_same() {
    let me = std::process::id().to_string();
    let two = group(
        Version::Two,
        &[
            ("cpu.stat", "usage_usec 9000\nuser_usec 6000\nsystem_usec 3000\nnr_throttled 4\nthrottled_usec 700\n"),
            ("memory.current", "4096\n"),
            ("memory.peak", "8192\n"),
            ("cgroup.procs", "0\n"),
            ("below/cgroup.procs", &me),
        ],
    );
    let one = group(
        Version::One,
        &[
            ("cpuacct.usage", "9000123\n"),
            ("cpuacct.stat", "user 1\nsystem 2\n"),
            ("cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 700000\n"),
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.max_usage_in_bytes", "8192\n"),
            ("cgroup.procs", "0\n"),
            ("below/cgroup.procs", &me),
        ],
    );
    for (_folder, group) in [&two, &one] {
        let read = group.read().unwrap();
        assert_eq!(read.cpu.usage_us, 9000);
        assert_eq!(read.throttled, Some(Throttling { throttled_periods: 4, throttled_us: 700 }));
        assert_eq!(group.memory().unwrap(), Some(GroupMemory { bytes: 4096, peak_bytes: Some(8192) }));
        assert_eq!(group.processes().unwrap(), [std::process::id()], "includes subgroups, excludes other namespaces");
        assert_eq!(read.processes.processes.len(), 1);
        assert!(group.footprint().unwrap().rss_bytes > 0);
    }
}

#[test]
fn use_comes_from_the_groups_own_counters() {
    let read = |usage_us, throttled_us| GroupSample {
        cpu: CpuUsage { usage_us, user_us: usage_us / 2, system_us: usage_us / 4 },
        throttled: Some(Throttling { throttled_periods: throttled_us / 10, throttled_us }),
        processes: Sample::default(),
    };
    let (before, after) = (read(1000, 100), read(5000, 150));
    let used = after.since(&before);
    assert_eq!((used.cpu_us, used.cpu_user_us, used.cpu_system_us), (4000, 2000, 1000));
    assert_eq!(after.throttled_since(&before), Some(Throttling { throttled_periods: 5, throttled_us: 50 }));
    assert_eq!(before.since(&after).cpu_us, 0, "never negative");
}

#[test]
fn container_groups_are_found_by_id() {
    let id = "0123456789abcdef0123456789abcdef";
    for group in [format!("docker/{id}"), format!("system.slice/docker-{id}.scope"), format!("a/b/c/cri-{id}.scope")] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(&group)).unwrap();
        assert_eq!(find(folder.path(), &id[..12], MAX_DEPTH), Some(folder.path().join(&group)));
        assert_eq!(find(folder.path(), "fedcba987654", MAX_DEPTH), None);
    }
    for wrong in ["0123456789a", "../../../../etc/0123456789", ""] {
        let error = Cgroup::from_container_id(wrong).unwrap_err().to_string();
        assert_eq!(error, format!("`{wrong}` is not a container id; accepted: 12 or more hexadecimal digits"));
    }
}

/// A group with one process in it.
struct TestGroup {
    folder: PathBuf,
    child: Child,
}

impl TestGroup {
    fn create() -> Result<TestGroup, String> {
        let mine = Cgroup::from_pid(std::process::id()).map_err(|error| error.to_string())?;
        let name = format!("lab-test-{}", std::process::id());
        let folder = mine.cpu_time.folder.join(name);
        fs::create_dir(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let mut command = Command::new("sh");
        // It works after the first line of input and exits after the second.
        command.args(["-c", "read line; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; read line"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let own = TestGroup { folder, child };
        let procs = own.folder.join("cgroup.procs");
        fs::write(&procs, own.child.id().to_string()).map_err(|error| format!("{}: {error}", procs.display()))?;
        Ok(own)
    }
}

impl Drop for TestGroup {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_dir(&self.folder);
    }
}

#[test]
fn real_group_agrees_with_procfs() {
    use std::io::{BufRead as _, BufReader, Write as _};

    let mut own = match TestGroup::create() {
        Ok(own) => own,
        Err(error) => return eprintln!("SKIPPED: cannot create a control group here: {error}"),
    };
    let pid = own.child.id();
    let group = Cgroup::from_pid(pid).unwrap();
    assert_eq!(group.cpu_time.folder, own.folder);
    let (group_before, before) = (group.read().unwrap(), procfs::read_component(pid).unwrap());
    own.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let mut line = String::new();
    BufReader::new(own.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "done\n");
    let (after, group_after) = (procfs::read_component(pid).unwrap(), group.read().unwrap());
    let (by_group, by_procfs) = (group_after.since(&group_before), after.since(&before));
    let ratio = by_group.cpu_us as f64 / by_procfs.cpu_us as f64;
    assert!((0.98..1.02).contains(&ratio), "{by_group:?} against {by_procfs:?}");
    assert_eq!(group_after.processes.processes.keys().map(|key| key.pid).collect::<Vec<_>>(), [pid]);
}
