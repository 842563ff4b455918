//! The drives of many drivers in simulated worlds.

use std::num::NonZeroU32;
use std::time::Duration;

use lab_load::wire::{Arrival, ArrivalProcess, DrivePlan, Http, Mode, OpenPlan, Schedule, Share, Stage, TimerKind};

use super::simulation::{Drive, Fault, World, outcome};

const SECOND: Duration = Duration::from_secs(1);
const WARMUP: Duration = SECOND;
const WINDOW: Duration = Duration::from_secs(2);

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// An open loop of 1000 requests per second.
fn whole() -> DrivePlan {
    let stage = Stage { rate_per_s: number(1000), lasts: WARMUP + WINDOW };
    let arrivals = ArrivalProcess::Poisson { seed: 2011 };
    let open = OpenPlan {
        schedule: Schedule { stages: vec![stage], arrivals, share: Share::WHOLE },
        arrival: Arrival::Pooled { connections: number(4000) },
        max_open: number(10_000),
        timer: TimerKind::Timerfd,
    };
    DrivePlan {
        url: "http://server:8000/pong".to_owned(),
        tls: None,
        http: Http::OneOne,
        mode: Mode::Open(open),
        warmup: WARMUP,
        window: WINDOW,
        timeout: SECOND,
        awaits_start: false,
    }
}

fn drive(world: &World, drivers: u32) -> Drive {
    world.drive(whole().divided(number(drivers)).unwrap())
}

fn failure(world: &World, drivers: u32) -> String {
    let Drive { result, aborted, .. } = drive(world, drivers);
    let Err(error) = result else { panic!("an outcome in spite of {:?}", world.fault) };
    assert_eq!(aborted, world.nodes, "every agent stops its drivers");
    error.to_string()
}

/// Merged, the drivers have counted what one would have counted, and no window is further off than stated.
fn check(world: &World, drivers: u32) -> Drive {
    let drive = drive(world, drivers);
    let shared = drive.result.as_ref().unwrap_or_else(|error| panic!("{error}, in {world:?}"));
    assert_eq!(shared.outcome.ledger, outcome(&whole()).ledger, "{world:?}");
    assert_eq!(shared.drivers.len(), drivers as usize);
    let offered: f64 = shared.drivers.iter().filter_map(|rates| rates.offered_per_s).sum();
    let scheduled = shared.outcome.ledger.open.as_ref().unwrap().scheduled;
    assert!((offered - scheduled as f64 / 2.0).abs() < 1e-6);
    let middle = |end: fn(&lab_load::wire::WindowEnds) -> Duration| {
        let ends = drive.windows.iter().map(end);
        ends.clone().max().unwrap() - ends.min().unwrap()
    };
    for apart in [middle(|window| window.opens), middle(|window| window.closes)] {
        assert!(apart <= 2 * shared.uncertainty, "{apart:?} apart, {:?} stated, in {world:?}", shared.uncertainty);
    }
    drive
}

#[test]
fn many_drivers_count_as_one() {
    for seed in 0..4 {
        let drive = check(&World::near(20, seed), 50);
        let shared = drive.result.unwrap();
        assert_eq!(shared.issue, None, "{:?}", shared.uncertainty);
        for clock in &shared.clocks {
            assert!(clock.drift.ppm.abs() <= 20.0 + clock.drift.bound_ppm, "{clock:?}");
        }
    }
}

#[test]
fn thousand_drivers_on_two_hundred_nodes() {
    let Drive { result, took, messages, .. } = check(&World::near(200, 1), 1000);
    assert_eq!(result.unwrap().issue, None);
    let coordination = took - WARMUP - WINDOW;
    assert!(coordination < SECOND, "{coordination:?} for {messages} messages");
}

#[test]
fn lossy_network_only_costs_time() {
    for seed in 0..4 {
        let world = World { lost_per_mille: 30, ..World::near(10, seed) };
        check(&world, 20);
    }
}

#[test]
fn far_or_drifting_clocks_raise_doubts() {
    let far = World { way: (SECOND / 1000, SECOND / 200), ..World::near(4, 1) };
    let drifting = World { drift_ppm: 500, ..World::near(4, 1) };
    for world in [far, drifting] {
        let shared = check(&world, 4).result.unwrap();
        let issue = shared.issue.expect("a doubt").to_string();
        assert!(issue.starts_with("its drivers were up to "), "{issue}");
        // A single driver has no others to agree with.
        assert_eq!(check(&world, 1).result.unwrap().issue, None);
    }
}

#[test]
fn same_seed_gives_the_same_drive() {
    let world = World { lost_per_mille: 30, ..World::near(5, 9) };
    let [one, other] = [drive(&world, 9), drive(&world, 9)];
    assert_eq!((one.took, one.messages, one.windows), (other.took, other.messages, other.windows));
    let [one, other] = [one.result.unwrap(), other.result.unwrap()];
    assert_eq!((one.clocks, one.drivers, one.uncertainty), (other.clocks, other.drivers, other.uncertainty));
}

#[test]
fn lost_agent_voids_the_drive() {
    // While drivers get ready, in the warm-up, in the window, and while outcomes arrive.
    for ms in [1, 50, 800, 2500, 3400] {
        let world = World { fault: Some(Fault::LostAgent(2, Duration::from_millis(ms))), ..World::near(4, 1) };
        let expected = "the connection to the agent on node-2 was lost: connection reset by peer";
        assert_eq!(failure(&world, 8), expected, "after {ms} ms");
    }
}

#[test]
fn partition_voids_the_drive_within_seconds() {
    for ms in [150, 2500] {
        let world = World { fault: Some(Fault::SilentAgent(1, Duration::from_millis(ms))), ..World::near(4, 1) };
        let Drive { result, took, .. } = drive(&world, 8);
        assert_eq!(result.unwrap_err().to_string(), "the agent on node-1 did not respond within 5 s", "after {ms} ms");
        assert!(took < 10 * SECOND, "{took:?}");
    }
}

#[test]
fn stragglers_void_the_drive_by_name() {
    let world = |fault| World { fault: Some(fault), ..World::near(4, 1) };
    let unprepared = failure(&world(Fault::UnpreparedDriver(6)), 8);
    assert_eq!(unprepared, "driver 6 on node-2 did not get ready in time");
    let lost = failure(&world(Fault::LostOutcome(3)), 8);
    assert_eq!(lost, "driver 3 on node-3 reported no outcome in time");
    let failed = failure(&world(Fault::FailedDriver(0)), 8);
    assert_eq!(failed, "driver 0 on node-0 failed: the start was 1.0 ms ago when it arrived");
}

/// Prints the table of docs/performance/coordination.md.
#[test]
#[ignore = "measures; it needs a release build and a minute"]
fn limits_of_coordination() {
    println!("nodes drivers | coordination | messages | uncertainty | CPU time | peak memory");
    for (nodes, drivers) in [(3, 2), (20, 50), (50, 250), (200, 1000), (500, 4000)] {
        let before = cpu_time();
        let Drive { result, took, messages, .. } = drive(&World::near(nodes, 1), drivers);
        let used = cpu_time() - before;
        let shared = result.unwrap();
        let coordination = took - WARMUP - WINDOW;
        println!(
            "{nodes} {drivers} | {coordination:.0?} | {messages} | {:.0?} | {used:.0?} | {} MiB{}",
            shared.uncertainty,
            peak_memory_kib() / 1024,
            shared.issue.map_or(String::new(), |issue| format!(" | invalid: {issue}")),
        );
    }
}

fn cpu_time() -> Duration {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(usage.tv_sec.cast_unsigned(), u32::try_from(usage.tv_nsec).unwrap())
}

/// Of this process so far, from `/proc/self/status`.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
