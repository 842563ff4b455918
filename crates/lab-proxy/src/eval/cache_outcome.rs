//! What the cache has done for a request, as variables and the request to the upstream read it.

use lab_http::ResponseHead;

use crate::variables::CacheVariable;

/// What the cache did for a request, and what it needs from the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOutcome {
    /// None before a stored response was looked for.
    pub status: Option<CacheStatus>,
    pub key: Vec<u8>,
    /// `ETag` of the stored response that is validated; empty if none is.
    pub tag: Vec<u8>,
    /// `Last-Modified` of the stored response that is validated; empty if none is.
    pub modified: Vec<u8>,
    /// Whether the response may be stored. The request then goes out without the client's conditions and ranges, and is
    /// not cancelled when the client leaves.
    pub is_storable: bool,
    /// Whether a HEAD is sent as a GET.
    pub converts_head: bool,
    /// Whether a fresh response is stored that the client does not accept.
    pub is_fresh_refused: bool,
}

/// `$upstream_cache_status`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    Miss,
    Bypass,
    Expired,
    Stale,
    Updating,
    Revalidated,
    Hit,
}

impl CacheStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CacheStatus::Miss => "MISS",
            CacheStatus::Bypass => "BYPASS",
            CacheStatus::Expired => "EXPIRED",
            CacheStatus::Stale => "STALE",
            CacheStatus::Updating => "UPDATING",
            CacheStatus::Revalidated => "REVALIDATED",
            CacheStatus::Hit => "HIT",
        }
    }
}

impl CacheOutcome {
    /// The outcome of a request with this key, before a stored response was looked for.
    #[must_use]
    pub fn new(key: &[u8]) -> CacheOutcome {
        CacheOutcome {
            status: None,
            key: key.to_vec(),
            tag: Vec::new(),
            modified: Vec::new(),
            is_storable: false,
            converts_head: false,
            is_fresh_refused: false,
        }
    }

    /// Has a stored response validated by what its fields say, if there is anything.
    pub fn validate(&mut self, stored: &ResponseHead) {
        if matches!(stored.status, 200 | 206) {
            let field = |name| stored.headers.get(name).unwrap_or_default().to_vec();
            (self.tag, self.modified) = (field("etag"), field("last-modified"));
        }
    }

    /// Has the request sent without conditions from now on.
    pub fn forget_validators(&mut self) {
        self.tag.clear();
        self.modified.clear();
    }

    /// Whether the request to the upstream validates a stored response.
    #[must_use]
    pub fn is_validation(&self) -> bool {
        self.is_storable && !(self.tag.is_empty() && self.modified.is_empty())
    }

    /// The value of a variable. As in nginx, an empty one is missing.
    pub(super) fn value(&self, variable: CacheVariable) -> Option<&[u8]> {
        let value = match variable {
            // as in nginx: as long as the stored response is being validated
            CacheVariable::Etag | CacheVariable::LastModified if self.status != Some(CacheStatus::Expired) => {
                return None;
            }
            CacheVariable::Etag => &self.tag,
            CacheVariable::Key => &self.key,
            CacheVariable::LastModified => &self.modified,
            CacheVariable::Status => return self.status.map(|status| status.as_str().as_bytes()),
        };
        Some(value.as_slice()).filter(|value| !value.is_empty())
    }
}
