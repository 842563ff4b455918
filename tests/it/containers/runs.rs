//! Runs in containers, and the privileges of their containers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use lab::exit::Exit;
use rustix::process::{Pid, Signal, kill_process};

use super::{docker, left_by, nothing_is_left_by, record, running};
use crate::support::{Project, assert_exit, replaced, requires, short, text};

#[test]
fn default_scenario_passes_in_containers() {
    requires!(Docker);
    let project = Project::new(short);
    let lab = project.lab(&["run", "scenarios/default.toml", "--backend", "container"]);
    let lab = { lab }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = lab.id();
    let output = lab.wait_with_output().unwrap();
    assert_exit(&output, Exit::Ok);
    assert_eq!(left_by(pid), Vec::<String>::new());

    let record = record(&project);
    for stack in record["stacks"].as_array().unwrap() {
        let checks = stack["checks"].as_array().unwrap();
        assert!(checks.len() >= 20, "{stack:#}");
        let failed: Vec<_> = checks.iter().filter(|check| !findings_agree(check)).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
    for round in record["rounds"].as_array().unwrap() {
        let components = round["components"].as_array().unwrap_or_else(|| panic!("{round:#}"));
        for component in components {
            assert!(component["cpu_us"].as_u64() > Some(0), "{component:#}");
            assert!(component["peak_rss_bytes"].as_u64() > Some(0), "{component:#}");
        }
    }
}

fn findings_agree(check: &serde_json::Value) -> bool {
    let findings = check["outcome"]["findings"].as_array();
    findings.is_some_and(|findings| findings.iter().all(|finding| finding["agrees"] == true))
}

#[test]
fn scenario_selects_the_stacks_for_containers() {
    requires!(Docker);
    let edit =
        |scenario: &str| replaced(scenario, "name   = \"proxied\"", "name   = \"proxied\"\nbackend = \"container\"");
    let project = Project::new(edit);
    let explained = text(&project.run(&["explain", "scenarios/default.toml"]));
    assert_eq!(explained.matches("each component in a container").count(), 1, "{explained}");
    let output = project.run(&["check", "scenarios/default.toml"]);
    assert_exit(&output, Exit::Ok);
    let versions = |stack: usize| record(&project)["stacks"][stack]["components"].clone();
    assert!(versions(0)[0]["version"].as_str().unwrap().contains("container"), "{}", versions(0));
    assert!(!versions(1)[0]["version"].as_str().unwrap().contains("container"), "{}", versions(1));
}

#[test]
fn containers_run_without_privileges() {
    requires!(Docker);
    let project = Project::new(str::to_owned);
    let mut lab = project
        .lab(&["up", "scenarios/default.toml", "--only", "proxied", "--backend", "container"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(lab.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.rsplit("http://").next().unwrap().to_owned();
    let containers = running(lab.id());
    assert_eq!(containers.keys().collect::<Vec<_>>(), ["proxied-proxy", "proxied-server"]);
    for id in containers.values() {
        let seen: serde_json::Value = serde_json::from_slice(&docker(&["inspect", id]).stdout).unwrap();
        let host = &seen[0]["HostConfig"];
        assert_eq!(host["ReadonlyRootfs"], true, "{host:#}");
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{host:#}");
        assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges:true"]), "{host:#}");
        assert!(host["Memory"].as_i64() > Some(0) && host["PidsLimit"].as_i64() > Some(0), "{host:#}");
        assert_eq!(host["MemorySwap"], host["Memory"], "no swap");
        let cores = std::thread::available_parallelism().unwrap().get();
        if cores > 1 {
            let own = host["CpusetCpus"].as_str().unwrap();
            assert_eq!(own.split(',').count(), cores.div_ceil(2), "the larger half is the stacks': {own}");
        }
        assert_ne!(seen[0]["Config"]["User"], "0:0", "root without need");
        let ports = seen[0]["NetworkSettings"]["Ports"].as_object().unwrap();
        let published: Vec<_> = ports.values().flat_map(|bindings| bindings.as_array().unwrap()).collect();
        assert_eq!(published.len(), 1, "{ports:#?}");
        assert_eq!(published[0]["HostIp"], "127.0.0.1", "only this machine");
        let mounts = seen[0]["Mounts"].as_array().unwrap().iter();
        let writable: Vec<_> = mounts
            .filter(|mount| mount["Type"] == "bind" && mount["RW"] == true)
            .map(|mount| &mount["Source"])
            .collect();
        assert!(writable.iter().all(|path| path.as_str().unwrap().ends_with("/proxied/proxy")), "{writable:?}");
    }
    // The published port leads to the same stack.
    let inspected = docker(&["inspect", &containers["proxied-proxy"]]);
    let seen: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    let published = seen[0]["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].as_str().unwrap();
    for address in [address, format!("127.0.0.1:{published}")] {
        let mut connection = TcpStream::connect(&address).unwrap();
        write!(connection, "GET /pong HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        assert!(response.ends_with("Pong!"), "{address}: {response}");
    }
    kill_process(Pid::from_child(&lab), Signal::INT).unwrap();
    assert!(lab.wait().unwrap().success());
    nothing_is_left_by(lab.id());
}

#[test]
fn included_configuration_files_reach_the_container() {
    requires!(Docker);
    let project = Project::new(str::to_owned);
    let file = project.path("fixtures/nginx/corrected.conf");
    let whole = std::fs::read_to_string(&file).unwrap();
    let (before, headers) = whole.split_once("proxy_set_header").unwrap();
    let (headers, after) = headers.split_at(headers.rfind("proxy_set_header").unwrap());
    std::fs::create_dir(file.with_file_name("parts")).unwrap();
    std::fs::write(file.with_file_name("parts/headers"), format!("proxy_set_header{headers}")).unwrap();
    std::fs::write(&file, format!("{before}include parts/*;\n{after}")).unwrap();
    let output = project.run(&["check", "scenarios/default.toml", "--only", "proxied", "--backend", "container"]);
    assert_exit(&output, Exit::Ok);
}

#[test]
fn missing_engine_is_explained() {
    let project = Project::new(str::to_owned);
    let check = ["check", "scenarios/default.toml", "--backend", "container"];
    let refused = |host: &str| {
        let output = project.lab(&check).env("DOCKER_HOST", host).output().unwrap();
        assert_exit(&output, Exit::CouldNotRun);
        text(&output)
    };
    let gone = refused("unix:///nowhere/docker.sock");
    assert!(gone.contains("no container engine responds at unix:///nowhere/docker.sock"), "{gone}");
    assert!(gone.contains("`backend = \"process\"`"), "{gone}");
    assert_eq!(gone.trim().lines().count(), 1, "{gone}");
    let far = refused("tcp://192.0.2.1:2375");
    assert!(far.contains("must be on this machine"), "{far}");
}

#[test]
fn old_engine_is_refused() {
    let project = Project::new(str::to_owned);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let old = std::thread::spawn(move || {
        // Two requests: version and info. Any number of connections.
        for _ in 0..2 {
            let (connection, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let mut writer = connection;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 {
                    break;
                }
                if line == "\r\n" {
                    let body = r#"{"ApiVersion":"1.40","Version":"19.03.15"}"#;
                    let length = body.len();
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}");
                    write!(writer, "{head}\r\nConnection: close\r\n\r\n{body}").unwrap();
                    break;
                }
            }
        }
    });
    let output = project
        .lab(&["check", "scenarios/default.toml", "--backend", "container"])
        .env("DOCKER_HOST", format!("tcp://{address}"))
        .output()
        .unwrap();
    old.join().unwrap();
    assert_exit(&output, Exit::CouldNotRun);
    let printed = text(&output);
    assert!(printed.contains("speaks API 1.40; lab needs 1.41 (Docker 20.10) or newer"), "{printed}");
}
