//! Which responses may be stored (RFC 9111 §3).

use lab_http::Headers;

use super::control::{FieldScope, RequestControl, ResponseControl};
use super::terms::LifetimeSource;

/// A request, as far as it decides whether its response may be stored.
#[derive(Debug, Clone, Copy)]
pub struct StorageRequest<'r> {
    pub fields: &'r Headers,
    pub control: &'r RequestControl,
    /// Whether its key names the range of a part, so that a part is stored as it is.
    pub is_for_part: bool,
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageRefusal {
    /// `no-store` of the request or of the response.
    NoStore,
    /// `private`
    Private,
    /// The response belongs to the credentials of its request.
    Authorization,
    /// A part of a representation, or no final response.
    Partial,
    /// A status with `must-understand` whose meaning for caches is not known here.
    NotUnderstood,
    /// `Vary: *`, which no other request matches.
    VaryAny,
    /// Neither a lifetime nor a validator makes it useful.
    NotUseful,
}

/// Decides whether a response with this status and these fields may be stored.
///
/// # Errors
/// Why it may not.
pub fn check(
    request: StorageRequest<'_>,
    status: u16,
    fields: &Headers,
    control: &ResponseControl,
    source: LifetimeSource,
) -> Result<(), StorageRefusal> {
    if status < 200 || status == 304 || (status == 206 && !request.is_for_part) {
        return Err(StorageRefusal::Partial);
    }
    if control.must_understand && !is_understood(status) {
        return Err(StorageRefusal::NotUnderstood);
    }
    // a cache that understands the status ignores the no-store beside must-understand (RFC 9111 §5.2.2.3)
    if request.control.no_store || (control.no_store && !control.must_understand) {
        return Err(StorageRefusal::NoStore);
    }
    if control.private == FieldScope::Whole {
        return Err(StorageRefusal::Private);
    }
    let is_shareable = control.public || control.must_revalidate || control.s_maxage.is_some();
    if request.fields.contains("authorization") && !is_shareable {
        return Err(StorageRefusal::Authorization);
    }
    if fields.list("vary").any(|name| name == b"*") {
        return Err(StorageRefusal::VaryAny);
    }
    if source == LifetimeSource::None && !has_validator(status, fields) {
        return Err(StorageRefusal::NotUseful);
    }
    Ok(())
}

/// Whether a stored response can be validated, which makes it useful without a lifetime.
fn has_validator(status: u16, fields: &Headers) -> bool {
    matches!(status, 200 | 206) && (fields.contains("etag") || fields.contains("last-modified"))
}

/// Whether this cache knows what a status means for caches (RFC 9110 §15).
fn is_understood(status: u16) -> bool {
    matches!(status, 200..=206 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(status: u16, request: &[(&str, &str)], response: &[(&str, &str)]) -> Result<(), StorageRefusal> {
        let request: Headers = request.iter().copied().collect();
        let fields: Headers = response.iter().copied().collect();
        let control = ResponseControl::parse(&fields);
        let source = if control.max_age.or(control.s_maxage).is_some() || fields.contains("expires") {
            LifetimeSource::Explicit
        } else {
            LifetimeSource::None
        };
        let control_of_request = RequestControl::parse(&request);
        let request = StorageRequest { fields: &request, control: &control_of_request, is_for_part: false };
        check(request, status, &fields, &control, source)
    }

    #[test]
    fn responses_are_stored_or_refused() {
        use StorageRefusal::{Authorization, NoStore, NotUnderstood, NotUseful, Partial, Private, VaryAny};
        let control = |value| [("Cache-Control", value)];
        for (status, request, value, expected) in [
            (200, None, "max-age=1", Ok(())),
            (599, None, "max-age=1", Ok(())),
            (404, None, "max-age=1", Ok(())),
            (206, None, "max-age=1", Err(Partial)),
            (304, None, "max-age=1", Err(Partial)),
            (200, None, "no-store, max-age=1", Err(NoStore)),
            (200, None, "NO-STORE", Err(NoStore)),
            (200, None, "private, max-age=1", Err(Private)),
            (200, None, "private=\"set-cookie\", max-age=1", Ok(())),
            (200, None, "no-cache, max-age=1", Ok(())),
            (200, None, "public", Err(NotUseful)),
            (200, Some(("Cache-Control", "no-store")), "max-age=1", Err(NoStore)),
            (200, Some(("Authorization", "x")), "max-age=1", Err(Authorization)),
            (200, Some(("Authorization", "x")), "max-age=1, public", Ok(())),
            (200, Some(("Authorization", "x")), "max-age=1, must-revalidate", Ok(())),
            (200, Some(("Authorization", "x")), "s-maxage=1", Ok(())),
            (200, Some(("Authorization", "x")), "max-age=1, proxy-revalidate", Err(Authorization)),
            (200, None, "no-store, must-understand, max-age=1", Ok(())),
            (499, None, "no-store, must-understand, max-age=1", Err(NotUnderstood)),
            (499, None, "must-understand, max-age=1", Err(NotUnderstood)),
        ] {
            let request: Vec<(&str, &str)> = request.into_iter().collect();
            assert_eq!(stored(status, &request, &control(value)), expected, "{status} {request:?} {value}");
        }
        for vary in ["*", "foo, *", "*, foo", ", *"] {
            let response = [("Cache-Control", "max-age=1"), ("Vary", vary)];
            assert_eq!(stored(200, &[], &response), Err(VaryAny), "{vary}");
        }
    }

    #[test]
    fn validator_makes_a_stale_response_useful() {
        assert_eq!(stored(200, &[], &[("ETag", "\"a\"")]), Ok(()));
        assert_eq!(stored(200, &[], &[("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")]), Ok(()));
        assert_eq!(stored(404, &[], &[("ETag", "\"a\"")]), Err(StorageRefusal::NotUseful));
    }
}
