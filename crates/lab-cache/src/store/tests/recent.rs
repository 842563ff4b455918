//! Responses that are read again from memory.

use lab_net::FileVersion;

use super::*;

/// Waits until the file of a key can be kept in memory.
fn settle(zone: &Zone, key: &Key) {
    let path = zone.file(key.digest);
    let is_settled = || {
        let stat = rustix::fs::stat(&path).unwrap();
        FileVersion::of(&stat).is_settled(std::time::SystemTime::now())
    };
    while !is_settled() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn content(zone: &Zone, key: &Key) -> Option<Vec<u8>> {
    match zone.find(key, &Headers::new(), NOW).unwrap()?.content {
        StoredContent::Memory(content) => Some(content),
        StoredContent::File { .. } => panic!("small content is in memory"),
    }
}

#[test]
fn response_in_memory_follows_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let (zone, own) = (zone(folder.path()), key("a"));
    store(&zone, &own, &[], &[], "first", NOW);
    settle(&zone, &own);
    for _ in 0..3 {
        assert_eq!(content(&zone, &own).as_deref(), Some(&b"first"[..]));
    }

    // by another process
    let path = zone.file(own.digest);
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&text[..text.len() - 5], b"other"].concat()).unwrap();
    assert_eq!(content(&zone, &own).as_deref(), Some(&b"other"[..]));

    settle(&zone, &own);
    assert_eq!(content(&zone, &own).as_deref(), Some(&b"other"[..]));
    store(&zone, &own, &[], &[], "second", NOW);
    assert_eq!(content(&zone, &own).as_deref(), Some(&b"second"[..]));

    settle(&zone, &own);
    assert_eq!(content(&zone, &own).as_deref(), Some(&b"second"[..]));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(content(&zone, &own), None);
}
