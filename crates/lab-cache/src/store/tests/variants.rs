//! The number of variants of one key.

use super::super::variants::MAX_VARIANTS;
use super::*;

const VARY: &[(&str, &str)] = &[("Vary", "Foo")];

fn store_variant(zone: &Arc<Zone>, key: &Key, value: usize, now: i64) {
    let value = value.to_string();
    store(zone, key, &[("Foo", &value)], VARY, &value, now);
}

fn has_variant(zone: &Zone, key: &Key, value: usize, now: i64) -> bool {
    let value = value.to_string();
    find(zone, key, &[("Foo", &value)], now) == Some(value)
}

#[test]
fn flood_of_variants_removes_unused_ones() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let (own, other) = (key("one"), key("two"));
    store(&zone, &other, &[], &[], "of another key", NOW - 1);
    let flood = 3 * MAX_VARIANTS;
    for value in 0..flood {
        let now = NOW + value as i64;
        store_variant(&zone, &own, value, now);
        assert!(has_variant(&zone, &own, 0, now), "it is used, and stays");
    }
    // the variants, their record, and the other key
    assert_eq!(files(zone.folder()), MAX_VARIANTS + 2);
    let left = (0..flood).filter(|value| has_variant(&zone, &own, *value, NOW + 9999));
    assert_eq!(left.collect::<Vec<_>>(), [&[0][..], &(flood - MAX_VARIANTS + 1..flood).collect::<Vec<_>>()].concat());
    assert!(find(&zone, &other, &[], NOW + 9999).is_some());
}

#[test]
fn variant_that_is_stored_again_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let own = key("one");
    for round in 0..3 {
        for value in 0..MAX_VARIANTS {
            store_variant(&zone, &own, value, NOW + round);
        }
    }
    assert_eq!(files(zone.folder()), MAX_VARIANTS + 1);
}

#[test]
fn variants_of_earlier_processes_count() {
    let folder = tempfile::tempdir().unwrap();
    let own = key("one");
    for process in 0..3 {
        let zone = zone(folder.path());
        for value in 0..MAX_VARIANTS - 1 {
            store_variant(&zone, &own, process * MAX_VARIANTS + value, NOW);
        }
        assert!(files(zone.folder()) <= MAX_VARIANTS + 1, "{process}");
    }
}

#[test]
fn workers_register_variants_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let own = key("one");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (zone, own) = (&zone, &own);
            scope.spawn(move || {
                for value in 0..MAX_VARIANTS / 2 {
                    store_variant(zone, own, worker * MAX_VARIANTS + value, NOW);
                }
            });
        }
    });
    assert_eq!(files(zone.folder()), MAX_VARIANTS + 1);
}
