//! The closed loop on goose.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use lab_load::wire::{DrivePlan, ErrorClass, Mode};

use super::driver::{drive, number};
use super::servers::{PONG, runtime, send, serve};
use crate::support::DeadAddress;

fn plan(address: SocketAddr, users: u32) -> DrivePlan {
    let mode = Mode::Goose { users: number(users), steps: Vec::new() };
    DrivePlan { warmup: Duration::from_secs(1), ..super::driver::plan(address, mode) }
}

#[test]
fn ledger_matches_the_servers_count() {
    let runtime = runtime();
    let (address, counts) = serve(&runtime, |_, _| send(PONG));
    let outcome = drive(&plan(address, 4));
    let served = counts.served();
    let ledger = &outcome.ledger;

    assert_eq!(ledger.window, Duration::from_secs(1));
    assert_eq!(ledger.failed, BTreeMap::new());
    assert!(ledger.ok > 0 && ledger.ok <= served, "{} of {served}", ledger.ok);
    assert!(ledger.unfinished <= 4);
    assert_eq!(ledger.body_bytes, Some(5 * ledger.ok));
    assert_eq!(ledger.service_time_us.len(), ledger.ok);
    assert!(outcome.driver_cpu.total() > Duration::ZERO);
    assert_eq!(outcome.unclassified, Vec::<String>::new());
    let accepted = counts.accepted();
    assert_eq!((outcome.connections_opened, accepted), (Some(4), 4), "one connection for each user");
}

#[test]
fn errors_do_not_extend_the_window() {
    let runtime = runtime();
    let (address, _) = serve(&runtime, |_, _| send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    let outcome = drive(&DrivePlan { warmup: Duration::ZERO, ..plan(address, 2) });
    assert_eq!(outcome.ledger.ok, 0);
    assert_eq!(outcome.ledger.failed.keys().collect::<Vec<_>>(), [&ErrorClass::Status4xx]);
    let (good, failed) = (outcome.ledger.service_time_us.len(), outcome.ledger.failed_time_us.len());
    assert_eq!((good, failed), (0, outcome.ledger.failures()), "the times of failures are kept apart");

    let dead = DeadAddress::new();
    let outcome = drive(&DrivePlan { warmup: Duration::ZERO, ..plan(dead.address, 2) });
    assert_eq!(outcome.ledger.ok, 0);
    assert_eq!(outcome.ledger.failed.keys().collect::<Vec<_>>(), [&ErrorClass::ConnectRefused]);
    assert_eq!(outcome.connections_opened, Some(0));
}

#[test]
fn silent_server_leaves_requests_unfinished() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = DrivePlan { timeout: Duration::from_secs(600), ..plan(silent.local_addr().unwrap(), 3) };
    let outcome = drive(&plan);
    assert_eq!((outcome.ledger.ok, outcome.ledger.failures(), outcome.ledger.unfinished), (0, 0, 3));
}

/// hyper-util begins to connect whenever its pool is empty at the very moment of a request, and throws the connection
/// away when the old one comes back. A body that takes several reads makes that happen all the time.
#[test]
fn large_bodies_reuse_the_users_connection() {
    let runtime = runtime();
    let large = send(&format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}", "x".repeat(300_000)));
    let (address, counts) = serve(&runtime, move |_, _| large.clone());
    let outcome = drive(&plan(address, 4));
    assert_eq!(outcome.ledger.failures(), 0);
    assert_eq!(outcome.ledger.body_bytes, Some(300_000 * outcome.ledger.ok));
    let accepted = counts.accepted();
    assert_eq!((outcome.connections_opened, accepted), (Some(4), 4));
}
