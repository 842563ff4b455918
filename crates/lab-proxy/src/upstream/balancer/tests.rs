//! Balancing and health over time.

use std::net::SocketAddr;

use super::*;
use crate::config::address::Address;
use crate::variables::Template;

const CLIENT: BalancingKey<'_> = BalancingKey::Client(None);

fn server(number: u16) -> UpstreamServer {
    let address = SocketAddr::from(([127, 0, 0, 1], number));
    UpstreamServer::new(Address::Internet(address), &address.to_string())
}

fn upstream(method: BalancingMethod, servers: Vec<UpstreamServer>) -> Upstream {
    Upstream {
        is_block: true,
        name: "app".to_owned(),
        servers,
        method,
        keepalive: 0,
        keepalive_requests: 1000,
        keepalive_time: Duration::from_secs(3600),
        keepalive_timeout: Duration::from_secs(60),
    }
}

fn balancer(method: BalancingMethod, weights: &[i64]) -> Balancer {
    let servers = (1..).zip(weights).map(|(number, &weight)| UpstreamServer { weight, ..server(number) });
    Balancer::new(&upstream(method, servers.collect()))
}

/// Selects for one request after the other; each is served before the next.
fn choose(balancer: &mut Balancer, count: usize, now: Instant) -> Vec<usize> {
    let served = (0..count).filter_map(|_| {
        let chosen = balancer.select(&mut PeerSearch::default(), CLIENT, now)?;
        balancer.release(chosen, PeerResult::Served, now);
        Some(chosen)
    });
    served.collect()
}

fn fail(balancer: &mut Balancer, index: usize, now: Instant) -> bool {
    balancer.release(index, PeerResult::Failed, now)
}

#[test]
fn weights_interleave_smoothly() {
    let mut balancer = balancer(BalancingMethod::RoundRobin, &[5, 1, 1]);
    assert_eq!(choose(&mut balancer, 7, Instant::now()), [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn failed_servers_return_after_a_trial() {
    let mut balancer = balancer(BalancingMethod::RoundRobin, &[1, 1]);
    let start = Instant::now();
    let later = |seconds| start + Duration::from_secs(seconds);
    let mut search = PeerSearch::default();
    assert_eq!(balancer.select(&mut search, CLIENT, start), Some(0));
    assert!(fail(&mut balancer, 0, start), "one failure is enough");
    assert_eq!(balancer.select(&mut search, CLIENT, start), Some(1));
    assert_eq!(balancer.select(&mut search, CLIENT, start), None);
    balancer.release(1, PeerResult::Served, start);
    assert_eq!(choose(&mut balancer, 3, later(5)), [1, 1, 1]);
    // during the trial, other requests avoid the server
    let on_trial: Vec<_> =
        (0..3).filter_map(|_| balancer.select(&mut PeerSearch::default(), CLIENT, later(11))).collect();
    assert_eq!(on_trial.iter().filter(|index| **index == 0).count(), 1, "{on_trial:?}");
    balancer.release(0, PeerResult::Served, later(11));
    let healthy = choose(&mut balancer, 4, later(11));
    assert_eq!(healthy.iter().filter(|index| **index == 0).count(), 2, "{healthy:?}");
}

#[test]
fn a_single_server_is_always_available() {
    let mut balancer = balancer(BalancingMethod::RoundRobin, &[1]);
    let now = Instant::now();
    let mut search = PeerSearch::default();
    assert_eq!(balancer.select(&mut search, CLIENT, now), Some(0));
    assert!(!fail(&mut balancer, 0, now));
    assert_eq!(balancer.select(&mut search, CLIENT, now), None);
    assert_eq!(choose(&mut balancer, 2, now), [0, 0]);
}

#[test]
fn backups_are_last_and_down_servers_unused() {
    let backup = UpstreamServer { is_backup: true, ..server(2) };
    let down = UpstreamServer { is_down: true, ..server(3) };
    let mut balancer = Balancer::new(&upstream(BalancingMethod::RoundRobin, vec![server(1), backup, down]));
    let now = Instant::now();
    assert_eq!(balancer.tries(), 2);
    assert_eq!(choose(&mut balancer, 2, now), [0, 0]);
    let mut search = PeerSearch::default();
    assert_eq!(balancer.select(&mut search, CLIENT, now), Some(0));
    fail(&mut balancer, 0, now);
    assert_eq!(balancer.select(&mut search, CLIENT, now), Some(1));
    assert_eq!(balancer.select(&mut search, CLIENT, now), None);
    balancer.release(1, PeerResult::Served, now);
    assert_eq!(choose(&mut balancer, 2, now), [1, 1]);
}

#[test]
fn full_servers_are_skipped() {
    let full = UpstreamServer { max_conns: 1, ..server(1) };
    let mut balancer = Balancer::new(&upstream(BalancingMethod::RoundRobin, vec![full, server(2)]));
    let now = Instant::now();
    let in_flight: Vec<_> = (0..3).filter_map(|_| balancer.select(&mut PeerSearch::default(), CLIENT, now)).collect();
    assert_eq!(in_flight, [0, 1, 1]);
    balancer.release(0, PeerResult::Served, now);
    assert!(choose(&mut balancer, 2, now).contains(&0));
}

#[test]
fn least_connections_are_weighted() {
    let mut balancer = balancer(BalancingMethod::LeastConnections, &[2, 1]);
    let now = Instant::now();
    let in_flight: Vec<_> = (0..6).filter_map(|_| balancer.select(&mut PeerSearch::default(), CLIENT, now)).collect();
    assert_eq!(in_flight.iter().filter(|index| **index == 0).count(), 4, "{in_flight:?}");
    balancer.release(1, PeerResult::Served, now);
    balancer.release(1, PeerResult::Served, now);
    assert_eq!(balancer.select(&mut PeerSearch::default(), CLIENT, now), Some(1));
}

#[test]
fn chance_follows_weights_and_failures() {
    let mut balancer = balancer(BalancingMethod::Random { compares_two: false }, &[3, 1, 1]);
    let now = Instant::now();
    let chosen = choose(&mut balancer, 5000, now);
    for (server, share) in [(0, 2700..3300), (1, 800..1200), (2, 800..1200)] {
        let count = chosen.iter().filter(|index| **index == server).count();
        assert!(share.contains(&count), "{server} has {count}");
    }
    fail(&mut balancer, 0, now);
    assert!(!choose(&mut balancer, 100, now).contains(&0));
    let mut search = PeerSearch::default();
    let tried = [(); 3].map(|()| balancer.select(&mut search, CLIENT, now));
    assert!(tried[0] != tried[1] && tried[2].is_none(), "{tried:?}");
}

#[test]
fn fewer_requests_win_between_two() {
    let mut balancer = balancer(BalancingMethod::Random { compares_two: true }, &[1, 1]);
    let now = Instant::now();
    let in_flight: Vec<_> = (0..100).filter_map(|_| balancer.select(&mut PeerSearch::default(), CLIENT, now)).collect();
    assert_eq!(in_flight.iter().filter(|index| **index == 0).count(), 50, "{in_flight:?}");
}

#[test]
fn ip_hash_follows_networks_and_failures() {
    let mut balancer = balancer(BalancingMethod::IpHash, &[1, 1, 1]);
    let now = Instant::now();
    let key = |last| BalancingKey::Client(Some(IpAddr::from([192, 0, 2, last])));
    let first = balancer.select(&mut PeerSearch::default(), key(1), now).unwrap();
    assert_eq!(balancer.select(&mut PeerSearch::default(), key(200), now), Some(first));
    fail(&mut balancer, first, now);
    let other = balancer.select(&mut PeerSearch::default(), key(1), now).unwrap();
    assert_ne!(other, first);
    assert_eq!(balancer.select(&mut PeerSearch::default(), key(9), now), Some(other));
}

#[test]
fn consistent_hash_moves_few_keys() {
    let hash = |is_consistent| BalancingMethod::Hash { key: Template::text("unused"), is_consistent };
    let now = Instant::now();
    let placed = |method: BalancingMethod, weights: &[i64]| -> Vec<usize> {
        let mut balancer = balancer(method, weights);
        let keys = (0..1000).map(|number| format!("/path/{number}"));
        keys.filter_map(|key| balancer.select(&mut PeerSearch::default(), BalancingKey::Text(key.as_bytes()), now))
            .collect()
    };
    for (is_consistent, moved) in [(true, 0..400), (false, 500..1000)] {
        let (three, four) = (placed(hash(is_consistent), &[1, 1, 1]), placed(hash(is_consistent), &[1, 1, 1, 1]));
        let count = three.iter().zip(&four).filter(|(before, after)| before != after).count();
        assert!(moved.contains(&count), "{is_consistent}: {count}");
        for server in 0..3 {
            let share = three.iter().filter(|index| **index == server).count();
            assert!((200..470).contains(&share), "{is_consistent}: {server} has {share}");
        }
    }
}
