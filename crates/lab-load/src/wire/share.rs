//! One of the parts of a load: several drivers share a load, and the threads of a driver share its part.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// One of `of` parts, as equal as whole numbers allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireShare", into = "WireShare")]
pub struct Share {
    index: u32,
    of: NonZeroU32,
}

/// The share as written, which may be none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireShare {
    index: u32,
    of: NonZeroU32,
}

/// A share whose index is not below the number of shares.
#[derive(Debug, thiserror::Error)]
#[error("there is no share {index} of {of}; the first one is 0")]
pub struct NoSuchShare {
    index: u32,
    of: NonZeroU32,
}

impl Share {
    /// The only part of a load that is not shared.
    pub const WHOLE: Share = Share { index: 0, of: NonZeroU32::MIN };

    /// All shares in order.
    pub fn all(of: NonZeroU32) -> impl Iterator<Item = Share> {
        (0..of.get()).map(move |index| Share { index, of })
    }

    /// The position among the shares, from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// The number of shares.
    #[must_use]
    pub fn of(self) -> NonZeroU32 {
        self.of
    }

    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Share::WHOLE
    }

    /// This share's part of a number of equal things; the parts of all shares add up to `whole`.
    #[must_use]
    pub fn part(self, whole: u32) -> u32 {
        whole / self.of + u32::from(self.index < whole % self.of)
    }
}

impl Default for Share {
    fn default() -> Share {
        Share::WHOLE
    }
}

impl TryFrom<WireShare> for Share {
    type Error = NoSuchShare;

    fn try_from(WireShare { index, of }: WireShare) -> Result<Share, NoSuchShare> {
        if index < of.get() { Ok(Share { index, of }) } else { Err(NoSuchShare { index, of }) }
    }
}

impl From<Share> for WireShare {
    fn from(Share { index, of }: Share) -> WireShare {
        WireShare { index, of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up() {
        for (whole, of) in [(7, 3), (3, 3), (64, 1), (100, 8), (2, 5)] {
            let parts: Vec<u32> = Share::all(NonZeroU32::new(of).unwrap()).map(|share| share.part(whole)).collect();
            assert_eq!(parts.iter().sum::<u32>(), whole);
            assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1, "{parts:?}");
        }
    }

    #[test]
    fn share_beyond_the_last_is_refused() {
        let read = serde_json::from_str::<Share>;
        assert_eq!(read(r#"{"index":0,"of":1}"#).unwrap(), Share::WHOLE);
        let error = read(r#"{"index":2,"of":2}"#).unwrap_err();
        assert_eq!(error.to_string(), "there is no share 2 of 2; the first one is 0");
        assert!(read(r#"{"index":0,"of":0}"#).is_err());
    }
}
