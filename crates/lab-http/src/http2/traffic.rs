//! The ratio of frames to content on a connection, by which floods of useless frames are recognised.

use std::cell::Cell;

/// Bytes beyond the content that any connection may use.
const FREE: u64 = 1 << 20;
/// How many bytes of a connection may stand for one byte of content, beyond the free ones.
const RATIO: u64 = 8;

/// What one connection has carried, in both directions.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes: Cell<u64>,
    content: Cell<u64>,
}

impl Traffic {
    /// Counts bytes of the connection, frames included.
    pub fn count_bytes(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
    }

    /// Counts bytes of heads and bodies.
    pub fn count_content(&self, bytes: usize) {
        self.content.set(self.content.get() + bytes as u64);
    }

    /// Whether the connection carries almost nothing but frames without content: pings, settings, window updates, empty
    /// frames. The rule is nginx's.
    pub fn is_flood(&self) -> bool {
        self.bytes.get() / RATIO > self.content.get() + FREE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_without_content_are_a_flood() {
        let traffic = Traffic::default();
        traffic.count_bytes(8 << 20);
        assert!(!traffic.is_flood(), "a connection has some bytes for free");
        traffic.count_bytes(8);
        assert!(traffic.is_flood());
        traffic.count_content(1);
        assert!(!traffic.is_flood());
    }
}
