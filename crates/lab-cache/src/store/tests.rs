//! Zones on a real disk, with a clock that is passed in.

mod recent;
mod starting;
mod variants;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lab_http::{Headers, ResponseHead, Version};

use super::zone::BLOCK;
use super::*;
use crate::policy::terms::Terms;
use crate::policy::vary;

const NOW: i64 = 1_764_500_000;

fn settings(folder: &Path) -> ZoneSettings {
    let pace = Pace { files: 100, threshold: Duration::from_millis(200), sleep: Duration::from_millis(1) };
    ZoneSettings {
        folder: folder.join("cache"),
        levels: Levels::new(&[1, 2]).unwrap(),
        keys: 1 << 20,
        inactive: Duration::from_secs(600),
        max_size: None,
        min_free: 0,
        loader: pace,
        manager: pace,
    }
}

fn zone(folder: &Path) -> Arc<Zone> {
    Arc::new(Zone::open(settings(folder)).unwrap())
}

fn key(text: &str) -> Key {
    Key::new(text.as_bytes().to_vec())
}

fn fields(lines: &[(&str, &str)]) -> Headers {
    lines.iter().copied().collect()
}

/// The head of a response with these fields, received at `now`.
fn head(key: &Key, response: &[(&str, &str)], now: i64) -> EntryHead {
    let mut head = ResponseHead::new(Version::Http11, 200, "OK");
    response.iter().for_each(|(name, value)| head.headers.push(name, value));
    let terms = Terms { received: now, ..Terms::default() };
    EntryHead { key: key.text.clone(), variant: Vec::new(), terms, response: head }
}

/// Stores a response to a request with these fields, received at `now`.
fn store(zone: &Arc<Zone>, key: &Key, request: &[(&str, &str)], response: &[(&str, &str)], content: &str, now: i64) {
    let head = head(key, response, now);
    let names = vary::names(&head.response.headers);
    let mut writer = zone.store(key, head, names, &fields(request), now).unwrap();
    writer.push(content.as_bytes());
    writer.finish(now).unwrap();
}

fn find(zone: &Zone, key: &Key, request: &[(&str, &str)], now: i64) -> Option<String> {
    let found = zone.find(key, &fields(request), now).unwrap()?;
    match found.content {
        StoredContent::Memory(content) => Some(String::from_utf8(content).unwrap()),
        StoredContent::File { length, .. } => Some(format!("{length} bytes")),
    }
}

/// How many files a folder has.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[test]
fn stored_response_is_found_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let (one, two) = (key("one"), key("two"));
    assert_eq!(find(&zone, &one, &[], NOW), None);
    store(&zone, &one, &[], &[("A", "1")], "first", NOW);
    assert_eq!(find(&zone, &one, &[], NOW).as_deref(), Some("first"));
    assert_eq!(find(&zone, &two, &[], NOW), None);
    store(&zone, &one, &[], &[("A", "2")], "second", NOW);
    assert_eq!(find(&zone, &one, &[], NOW).as_deref(), Some("second"));
    assert_eq!(zone.size(), BLOCK);
    assert!(zone.remove(&one) && !zone.remove(&one));
    assert_eq!((find(&zone, &one, &[], NOW), zone.size()), (None, 0));
}

#[test]
fn updated_head_keeps_the_content() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let own = key("one");
    let request = &[("Foo", "1")][..];
    let large = "a".repeat(300_000);
    for (content, response) in
        [("small", &[("A", "1")][..]), (large.as_str(), &[("A", "1")]), ("varied", &[("Vary", "Foo")])]
    {
        store(&zone, &own, request, response, content, NOW);
        let size = zone.size();
        // of the same length, and of another one
        for value in ["2", "longer"] {
            let stored = zone.find(&own, &fields(request), NOW).unwrap().unwrap();
            let mut head = stored.head.clone();
            head.response.headers.remove("A");
            head.response.headers.push("A", value);
            head.terms.lifetime = 7;
            let names = vary::names(&head.response.headers);
            zone.update(&own, &stored, head, names, &fields(request), NOW).unwrap();
            let updated = zone.find(&own, &fields(request), NOW).unwrap().unwrap();
            assert_eq!(updated.head.response.headers.get("a"), Some(value.as_bytes()));
            assert_eq!((updated.head.terms.lifetime, updated.content.length()), (7, content.len() as u64));
            assert_eq!(zone.size(), size);
        }
    }
}

#[test]
fn unfinished_response_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let key = key("one");
    let mut writer = zone.store(&key, head(&key, &[], NOW), None, &Headers::new(), NOW).unwrap();
    writer.push(&[b'a'; 1 << 20]);
    assert!(zone.size() >= 1 << 20, "its file counts");
    assert_eq!(find(&zone, &key, &[], NOW), None);
    drop(writer);
    assert_eq!((find(&zone, &key, &[], NOW), zone.size()), (None, 0));
}

#[test]
fn replaced_response_gets_no_foreign_head() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let own = key("one");
    for variation in [&[][..], &[("Vary", "Foo")]] {
        let fields = |tag| [&[("ETag", tag)][..], variation].concat();
        store(&zone, &own, &[], &fields("1"), "first", NOW);
        let before = zone.find(&own, &Headers::new(), NOW).unwrap().unwrap();
        store(&zone, &own, &[], &fields("2"), "other", NOW + 1);
        // a 304 to a request that was sent before the second response came
        let names = vary::names(&before.head.response.headers);
        zone.update(&own, &before, head(&own, &fields("1"), NOW + 2), names, &Headers::new(), NOW + 2).unwrap();
        let found = zone.find(&own, &Headers::new(), NOW + 2).unwrap().unwrap();
        let StoredContent::Memory(content) = found.content else { panic!("small content") };
        let tag = found.head.response.headers.get("etag").unwrap();
        assert!(matches!((tag, content.as_slice()), (b"1", b"first") | (b"2", b"other")), "{tag:?} {content:?}");
        zone.remove(&own);
    }
}

#[test]
fn variants_are_found_by_their_requests() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let key = key("one");
    let (english, german) = (&[("Accept-Language", "en")][..], &[("Accept-Language", "de")][..]);
    let vary = &[("Vary", "Accept-Language")][..];
    store(&zone, &key, english, vary, "hello", NOW);
    store(&zone, &key, german, vary, "hallo", NOW);
    for (request, expected) in [(english, Some("hello")), (german, Some("hallo")), (&[], None)] {
        assert_eq!(find(&zone, &key, request, NOW).as_deref(), expected, "{request:?}");
    }
    // of responses that vary by other fields, the latest that matches counts
    let both = &[("Accept-Language", "en"), ("Foo", "1")][..];
    store(&zone, &key, both, &[("Vary", "Foo, Accept-Language")], "hello 1", NOW + 1);
    assert_eq!(find(&zone, &key, both, NOW).as_deref(), Some("hello 1"));
    assert_eq!(find(&zone, &key, english, NOW).as_deref(), Some("hello"));
    store(&zone, &key, both, vary, "hello again", NOW + 2);
    assert_eq!(find(&zone, &key, both, NOW).as_deref(), Some("hello again"));
    // all of them go together
    assert!(zone.remove(&key));
    assert_eq!((find(&zone, &key, english, NOW), find(&zone, &key, both, NOW)), (None, None));
    store(&zone, &key, english, vary, "hi", NOW);
    assert_eq!((find(&zone, &key, english, NOW).as_deref(), find(&zone, &key, german, NOW)), (Some("hi"), None));
    store(&zone, &key, german, &[], "for all", NOW);
    assert_eq!(find(&zone, &key, english, NOW).as_deref(), Some("for all"));
}

#[test]
fn least_recently_used_responses_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ZoneSettings { max_size: Some(10 * BLOCK), ..settings(folder.path()) };
    let zone = Arc::new(Zone::open(settings).unwrap());
    for number in 0..30 {
        store(&zone, &key(&number.to_string()), &[], &[], "content", NOW + number);
        assert!(zone.size() <= 10 * BLOCK);
        assert!(find(&zone, &key("0"), &[], NOW + number).is_some(), "used, and therefore kept");
    }
    let left: Vec<i64> =
        (0..30).filter(|number| find(&zone, &key(&number.to_string()), &[], NOW + 99).is_some()).collect();
    assert_eq!(left, [0, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
}

#[test]
fn files_that_are_written_take_room() {
    let folder = tempfile::tempdir().unwrap();
    let max_size = 100 * BLOCK;
    let zone = Arc::new(Zone::open(ZoneSettings { max_size: Some(max_size), ..settings(folder.path()) }).unwrap());
    for number in 0..100 {
        store(&zone, &key(&number.to_string()), &[], &[], "content", NOW + number);
    }
    assert_eq!(zone.size(), max_size);
    let large = key("large");
    let mut writer = zone.store(&large, head(&large, &[], NOW), None, &Headers::new(), NOW).unwrap();
    for _ in 0..90 {
        writer.push(&[b'a'; BLOCK as usize]);
        assert!(zone.size() <= max_size);
    }
    writer.finish(NOW + 200).unwrap();
    assert!(zone.size() <= max_size);
    assert!(find(&zone, &large, &[], NOW + 200).is_some());
    assert!(find(&zone, &key("99"), &[], NOW + 200).is_some(), "used later than others");
}

#[test]
fn response_larger_than_the_zone_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ZoneSettings { max_size: Some(50 * BLOCK), ..settings(folder.path()) };
    let zone = Arc::new(Zone::open(settings).unwrap());
    let large = key("large");
    let mut writer = zone.store(&large, head(&large, &[], NOW), None, &Headers::new(), NOW).unwrap();
    for _ in 0..100 {
        writer.push(&[b'a'; BLOCK as usize]);
    }
    writer.finish(NOW).unwrap();
    assert_eq!((find(&zone, &large, &[], NOW), zone.size(), files(zone.folder())), (None, 0, 0));
}

#[test]
fn number_of_entries_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let zone = Arc::new(Zone::open(ZoneSettings { keys: 5 * 128, ..settings(folder.path()) }).unwrap());
    for number in 0..20 {
        store(&zone, &key(&number.to_string()), &[], &[], "content", NOW + number);
    }
    assert_eq!(zone.size(), 5 * BLOCK);
    // those without a file as well
    for number in 0..20 {
        zone.count_request(&key(&format!("other {number}")), NOW + 20);
    }
    assert_eq!((zone.index.len(), zone.size()), (5, 0));
}

#[test]
fn unused_responses_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    store(&zone, &key("one"), &[], &[], "content", NOW);
    store(&zone, &key("two"), &[], &[], "content", NOW);
    zone.sweep(NOW + 600);
    assert!(find(&zone, &key("one"), &[], NOW + 600).is_some());
    zone.sweep(NOW + 601);
    assert!(find(&zone, &key("one"), &[], NOW + 601).is_some());
    assert!(find(&zone, &key("two"), &[], NOW + 601).is_none());
    assert_eq!(zone.count_request(&key("two"), NOW + 601), 1);
    assert_eq!(zone.count_request(&key("two"), NOW + 601), 2);
}

#[test]
fn damaged_entry_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let own = key("one");
    store(&zone, &own, &[], &[], "content", NOW);
    let path = Levels::new(&[1, 2]).unwrap().file(zone.folder(), own.digest);
    std::fs::write(&path, "something else").unwrap();
    assert_eq!((find(&zone, &own, &[], NOW), zone.size()), (None, 0));
    assert!(!path.exists());
    // a file that somebody has removed
    store(&zone, &own, &[], &[], "content", NOW);
    std::fs::remove_file(&path).unwrap();
    assert_eq!((find(&zone, &own, &[], NOW), zone.size()), (None, 0));
}

#[test]
fn response_of_another_key_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let own = key("one");
    // as if both had the same digest
    let other = Key { text: b"two".to_vec(), digest: own.digest };
    store(&zone, &own, &[], &[], "content", NOW);
    assert_eq!(find(&zone, &other, &[], NOW), None);
}

#[test]
fn full_disk_pauses_the_zone() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert!(zone.is_storing(NOW));
    assert!(!zone.note_failure(&std::io::ErrorKind::NotFound.into(), NOW) && zone.is_storing(NOW));
    assert!(zone.note_failure(&full(), NOW), "worth a line in the log");
    assert!(!zone.note_failure(&full(), NOW), "only once");
    assert!(!zone.is_storing(NOW + 9) && zone.is_storing(NOW + 10));
    assert!(zone.note_failure(&full(), NOW + 10));
}
