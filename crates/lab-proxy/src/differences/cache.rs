//! The cache.

use super::{Difference, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Difference] = &[
    row(
        "cache: which responses are stored and used",
        "Reads some words of Cache-Control, Expires, Vary and Set-Cookie. Directives of requests have no effect, and \
         Authorization does not matter.",
        "Follows RFC 9111: ages, lifetimes also from Last-Modified, directives with field names, those of requests, \
         Authorization, must-revalidate. Set-Cookie as in nginx. With `proxy_cache_rfc off` as in nginx.",
        "RFC 9111 §3, §4 and §5.",
    ),
    row(
        "cache: stale responses",
        "Fetches them again, unless proxy_cache_revalidate is on. Uses them where proxy_cache_use_stale says so.",
        "Validates them, and uses them by stale-while-revalidate while a request in the background updates them. Never if \
         must-revalidate or no-cache forbids it. With `proxy_cache_rfc off` as in nginx.",
        "RFC 9111 §4.2.4 and §4.3, RFC 5861.",
    ),
    row(
        "cache: responses of one key that vary",
        "Keeps any number of them.",
        "Keeps 256. The one that was not used for the longest time makes room.",
        "A client that sends random values of a field must not fill the cache.",
    ),
    row(
        "cache: 304 to a validation",
        "Renews the lifetime of the stored response.",
        "Brings the fields of the stored response up to date as well. If its validators are those of another response, the \
         request is sent again without conditions. With `proxy_cache_rfc off` as in nginx.",
        "RFC 9111 §3.2 and §4.3.4.",
    ),
    row(
        "cache: POST, PUT, DELETE and unknown methods",
        "Have no effect on stored responses.",
        "Remove those of their target, and of Location and Content-Location on the same host, if they succeed. With \
         `proxy_cache_rfc off` as in nginx.",
        "RFC 9111 §4.4.",
    ),
    row(
        "cache: HEAD with proxy_cache_convert_head off",
        "Has no effect on the stored response to a GET.",
        "Brings it up to date, or makes it stale if the content has changed. With `proxy_cache_rfc off` as in nginx.",
        "RFC 9111 §4.3.5.",
    ),
    row(
        "cache: response to a POST that names its own target in Content-Location",
        "Is not stored.",
        "Is stored for later GETs, if its fields give it a lifetime. With `proxy_cache_rfc off` as in nginx.",
        "RFC 9110 §9.3.3.",
    ),
    row(
        "cache: no proxy_cache_key",
        "The key is $scheme$proxy_host$request_uri.",
        "The key is $scheme$proxy_host$http_host$request_uri. With `proxy_cache_rfc off` as in nginx.",
        "An application may build links of the host that a client names, which must not reach others.",
    ),
    row(
        "cache: no uwsgi_cache_key",
        "Gives all requests the same response.",
        "Refuses the configuration.",
        "Different requests need different responses.",
    ),
    row(
        "cache: GET with a body",
        "Uses and stores responses as for any GET.",
        "Passes it on without the cache. With `proxy_cache_rfc off` as in nginx.",
        "An application may look at the body, which is no part of the key.",
    ),
    row(
        "cache: Age and Content-Length of a stored response",
        "Passes a received Age on, and leaves the length open of content that came in chunks.",
        "Sends the current Age, and the length. With `proxy_cache_rfc off` as in nginx.",
        "RFC 9111 §5.1.",
    ),
    row(
        "cache: ranges",
        "Serves ranges of stored responses that have Accept-Ranges, or with proxy_force_ranges.",
        "Serves ranges of all stored responses. With `proxy_cache_rfc off` as in nginx.",
        "RFC 9110 §14.2.",
    ),
    row(
        "cache: failures of an upstream",
        "Stores 502 and 504 of its own with proxy_cache_valid.",
        "Does not store them.",
        "The next request may find an upstream that works.",
    ),
    row(
        "slice: slices that arrive",
        "Sends a slice while it arrives. Closes the connection if it does not match the others.",
        "Fetches a slice as a whole before it sends it, one ahead of the client. A stored one that does not fit is fetched \
         again. Responds with 502 if the first one has another range than the requested one.",
        "A slice of another version, or one that breaks off, is found before a byte of it is sent.",
    ),
    row(
        "cache: files",
        "Have the format of nginx.",
        "Have a format of lab, at the same paths. use_temp_path has no effect: files are written beside their places. Each program \
         ignores the files of the other.",
        "A file has a checksum and the fields of the response.",
    ),
    row(
        "cache: keys_zone",
        "Takes 128 bytes for each response, in memory that the workers share. A full zone removes the oldest ones.",
        "Has as many responses. Each takes 60 to 120 bytes of the memory of the process. Each worker keeps small responses that it has read lately, in at most 2 MiB.",
        "Workers are threads.",
    ),
    row(
        "cache: max_size",
        "Is exceeded until the cache manager has removed files.",
        "Counts files that are being written, and removes others at once: it is exceeded by what each worker writes at a time. A \
         larger response is not stored.",
        "The disk may have no more room.",
    ),
];
