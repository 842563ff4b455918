//! Whether responses come from a cache, judged by the requests that reach the server meanwhile. Pure.
//!
//! Fields such as `X-Cache` say what a proxy believes. A request that does not reach the server is a fact.

use std::time::Instant;

use crate::scenario::model::{CacheExpectation, CacheStatus};

/// A response at the client.
#[derive(Debug, Clone, Copy)]
pub struct ClientResponse {
    pub status: u16,
    /// When its request was sent.
    pub sent: Instant,
    pub ended: Instant,
}

/// A request that reached the server.
#[derive(Debug, Clone, Copy)]
pub struct ServerRequest {
    pub arrived: Instant,
    /// The response that was passed on to the proxy; none if there was none.
    pub response: Option<ServerResponse>,
}

/// A response of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerResponse {
    pub status: u16,
    pub passed_on: Instant,
}

/// The cache status of each response. A request at the server belongs to the request of the client that was sent last
/// before it.
#[must_use]
pub fn cache_statuses(responses: &[ClientResponse], requests: &[ServerRequest]) -> Vec<CacheStatus> {
    let ends = responses.iter().skip(1).map(|next| Some(next.sent)).chain([None]);
    let status = |(response, end): (&ClientResponse, Option<Instant>)| {
        let is_own =
            |request: &&ServerRequest| request.arrived >= response.sent && end.is_none_or(|end| request.arrived < end);
        requests.iter().rfind(is_own).map_or(CacheStatus::Hit, |request| cache_status(response, request))
    };
    responses.iter().zip(ends).map(status).collect()
}

/// The status of a response whose request led to a request at the server.
fn cache_status(response: &ClientResponse, request: &ServerRequest) -> CacheStatus {
    match request.response {
        Some(ServerResponse { status: 304, passed_on }) if response.status != 304 && passed_on < response.ended => {
            CacheStatus::Revalidated
        }
        // the client had its response before the server's arrived
        Some(ServerResponse { passed_on, .. }) if passed_on >= response.ended => CacheStatus::Stale,
        Some(ServerResponse { status: 500.., .. }) if response.status < 500 => CacheStatus::Stale,
        Some(_) => CacheStatus::Miss,
        // the proxy says itself that there is no response
        None if matches!(response.status, 502 | 504) => CacheStatus::Miss,
        None => CacheStatus::Stale,
    }
}

/// Compares statuses with an expectation. Returns both in words, and whether they agree.
#[must_use]
pub(super) fn compare(expected: &CacheExpectation, observed: Option<&[CacheStatus]>) -> (String, String, bool) {
    let words = |statuses: &[CacheStatus]| {
        let names: Vec<&str> = statuses.iter().map(|status| status.name()).collect();
        names.join(" then ")
    };
    let expected_words = match expected {
        CacheExpectation::Last(status) => status.name().to_owned(),
        CacheExpectation::Each(statuses) => words(statuses),
    };
    let Some(observed) = observed else {
        return (expected_words, "unknown: the requests to the server were not recorded".to_owned(), false);
    };
    match expected {
        CacheExpectation::Last(status) => {
            let last = observed.last();
            let shown = last.map_or("no response", |status| status.name());
            (expected_words, shown.to_owned(), last == Some(status))
        }
        CacheExpectation::Each(statuses) => (expected_words, words(observed), statuses == observed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The status of one response, which was sent at 10 ms and ended at 20 ms.
    fn status(status: u16, request: Option<(u64, Option<(u16, u64)>)>) -> CacheStatus {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let response = ClientResponse { status, sent: at(10), ended: at(20) };
        let request = request.map(|(arrived, response)| ServerRequest {
            arrived: at(arrived),
            response: response.map(|(status, passed_on)| ServerResponse { status, passed_on: at(passed_on) }),
        });
        cache_statuses(&[response], request.as_slice())[0]
    }

    #[test]
    fn requests_at_the_server_decide() {
        for (client, request, expected) in [
            (200, None, CacheStatus::Hit),
            // of an earlier request
            (200, Some((5, Some((200, 8)))), CacheStatus::Hit),
            (200, Some((12, Some((200, 15)))), CacheStatus::Miss),
            (404, Some((12, Some((404, 15)))), CacheStatus::Miss),
            (304, Some((12, Some((304, 15)))), CacheStatus::Miss),
            (500, Some((12, Some((500, 15)))), CacheStatus::Miss),
            (502, Some((12, None)), CacheStatus::Miss),
            (200, Some((12, Some((304, 15)))), CacheStatus::Revalidated),
            (200, Some((12, Some((503, 15)))), CacheStatus::Stale),
            (200, Some((12, None)), CacheStatus::Stale),
            // an update, which the client did not wait for
            (200, Some((12, Some((200, 40)))), CacheStatus::Stale),
            (200, Some((30, Some((304, 50)))), CacheStatus::Stale),
        ] {
            assert_eq!(status(client, request), expected, "{client} {request:?}");
        }
    }

    #[test]
    fn requests_belong_to_the_response_before_them() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let response = |sent: u64| ClientResponse { status: 200, sent: at(sent), ended: at(sent + 5) };
        let request = |arrived: u64| {
            let response = Some(ServerResponse { status: 200, passed_on: at(arrived + 1) });
            ServerRequest { arrived: at(arrived), response }
        };
        let found = cache_statuses(&[response(10), response(100), response(200)], &[request(12), request(210)]);
        assert_eq!(found, [CacheStatus::Miss, CacheStatus::Hit, CacheStatus::Stale]);
    }

    #[test]
    fn last_or_all_statuses_are_compared() {
        use CacheStatus::{Hit, Miss};
        let last = CacheExpectation::Last(Hit);
        let each = CacheExpectation::Each(vec![Miss, Hit]);
        let words = |expected: &str, observed: &str, agrees| (expected.to_owned(), observed.to_owned(), agrees);
        assert_eq!(compare(&last, Some(&[Hit, Miss])), words("hit", "miss", false));
        assert_eq!(compare(&last, Some(&[Miss, Hit])), words("hit", "hit", true));
        assert_eq!(compare(&each, Some(&[Miss, Miss])), words("miss then hit", "miss then miss", false));
        assert_eq!(compare(&each, Some(&[Miss, Hit])), words("miss then hit", "miss then hit", true));
        assert!(!compare(&last, None).2);
    }
}
