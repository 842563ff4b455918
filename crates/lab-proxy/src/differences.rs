//! The intended differences between the proxy and nginx. Documentation is generated from this table.
//!
//! [`lab_nginx_conf::compatibility()`] lists the directives that are refused or have no effect.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub topic: &'static str,
    pub nginx: &'static str,
    pub lab: &'static str,
    pub why: &'static str,
}

const fn row(topic: &'static str, nginx: &'static str, lab: &'static str, why: &'static str) -> Difference {
    Difference { topic, nginx, lab, why }
}

/// First requests, then responses, then the configuration. The behaviour of nginx was observed with nginx 1.22.
#[rustfmt::skip]
pub const DIFFERENCES: &[Difference] = &[
    row(
        "fields named by Connection",
        "Passes them on in both directions.",
        "Drops them, and also Proxy-Connection, Trailer and HTTP2-Settings.",
        "RFC 9110 §7.6.1: these fields belong to one hop, and a client must not be able to remove fields that the proxy adds.",
    ),
    row(
        "absolute request target",
        "Sends the client's Host field as $http_host.",
        "Replaces the Host field with the host and port of the target.",
        "RFC 9112 §3.2.2.",
    ),
    row(
        "empty Host in proxy_set_header",
        "Leaves the field out.",
        "Sends an empty Host field to an HTTP/1.1 upstream.",
        "RFC 9112 §3.2: a request without it is refused.",
    ),
    row(
        "OPTIONS *",
        "Refuses it.",
        "Passes it on.",
        "RFC 9112 §3.2.4.",
    ),
    row(
        "Max-Forwards",
        "Passes it on unchanged.",
        "Decrements it for OPTIONS, and responds itself when it is 0.",
        "RFC 9110 §7.6.2.",
    ),
    row(
        "Expect: 100-continue",
        "Responds with 100 itself.",
        "The same with `proxy_request_buffering on`. Without, passes it on to HTTP/1.1 upstreams, and their interim or \
         final response to the client.",
        "RFC 9110 §10.1.1: without buffering, only the upstream knows whether it wants the body.",
    ),
    row(
        "request body without space on the disk",
        "Responds with 500 when the disk is full.",
        "Responds with 507 when the disk is full, or when collected bodies would take more than half of the free space.",
        "One client must not fill the disk (RFC 4918 §11.5).",
    ),
    row(
        "interim responses of an upstream",
        "Drops them.",
        "Passes them on to HTTP/1.1 clients.",
        "RFC 9110 §15.2.",
    ),
    row(
        "white space around field values",
        "Passes some of it on.",
        "Removes it.",
        "RFC 9110 §5.5: it is not part of the value.",
    ),
    row(
        "line breaks in variables",
        "Writes them into fields and request targets.",
        "Replaces them with spaces in fields, and escapes them in targets.",
        "RFC 9110 §5.5: a client could add a field with an escaped line break.",
    ),
    row(
        "LF without CR at the end of a line",
        "Accepts it from clients and upstreams.",
        "Refuses it, unless lab's own `ignore_bare_lf on` accepts it in heads.",
        "RFC 9112 §2.2: request smuggling is possible if only some recipients accept it.",
    ),
    row(
        "HTTP/0.9",
        "Accepts it from clients and upstreams.",
        "Refuses it.",
        "RFC 9112 §2.3.",
    ),
    row(
        "heads that are too large",
        "Responds with 400.",
        "Responds with 431.",
        "RFC 6585 §5.",
    ),
    row(
        "slow heads and bodies",
        "Logs 408 and closes the connection without a response.",
        "Responds with 408.",
        "RFC 9110 §15.5.9.",
    ),
    row(
        "error_page for a malformed request",
        "Fetches the page with the fields received so far.",
        "Fetches the page with a request that has no data from the client.",
        "Malformed data must not reach an upstream.",
    ),
    row(
        "ambiguous responses",
        "Passes some of them on.",
        "Responds with 502 to repeated or malformed lengths, a length together with chunks, and unknown transfer codings.",
        "RFC 9112 §6.3: two recipients could disagree on the end of the response.",
    ),
    row(
        "101 that was not requested",
        "Opens a tunnel.",
        "Responds with 502.",
        "RFC 9110 §7.8.",
    ),
    row(
        "white space before the colon of an upstream's field",
        "Responds with 502.",
        "Removes the white space.",
        "RFC 9112 §5.1.",
    ),
    row(
        "Date of an upstream",
        "Replaces it.",
        "Passes it on.",
        "RFC 9110 §6.6.1: a recipient adds Date only if it is missing.",
    ),
    row(
        "Connection: close to an upstream",
        "Reuses the connection unless the response closes it.",
        "Closes the connection after the response.",
        "RFC 9112 §9.6.",
    ),
    row(
        "extra bytes after a response",
        "Reuses the connection.",
        "Closes the connection.",
        "RFC 9112 §6.3: the bytes could be taken for the next response.",
    ),
    row(
        "204",
        "Passes Content-Length on.",
        "Removes Content-Length.",
        "RFC 9110 §8.6.",
    ),
    row(
        "If-None-Match beside If-Modified-Since",
        "Evaluates both.",
        "Evaluates If-None-Match alone.",
        "RFC 9110 §13.1.3.",
    ),
    row(
        "Range of a HEAD",
        "Responds with 206, as to a GET.",
        "Ignores the field.",
        "RFC 9110 §14.2: ranges are defined for GET only.",
    ),
    row(
        "If-Match beside If-Unmodified-Since",
        "Evaluates both.",
        "Evaluates If-Match alone.",
        "RFC 9110 §13.1.4.",
    ),
    row(
        "subrequests of auth_request, mirror, addition and ssi",
        "Shares its variables with the request, and passes the Content-Length of a body that it does not send.",
        "Has variables of its own, and no Content-Length.",
        "A length without a body would make the upstream wait. auth_request_set copies values.",
    ),
    row(
        "order of the subrequests of addition and ssi",
        "Sends them side by side, while it sends the response.",
        "Sends one after the other, once the response was read to its end.",
        "An application with a single worker is free for them.",
    ),
    row(
        "gzip_comp_level 1",
        "Compresses with zlib.",
        "Compresses with zlib-rs at its level 2: 20 kB of JSON become 3.3 kB instead of 3.6 kB.",
        "Level 1 is nginx's default, and that of zlib-rs has a fixed code: it would leave 4.8 kB.",
    ),
    row(
        "post_action",
        "Logs the request afterwards, with the status of the request that follows it.",
        "Logs the request with the status that the client got.",
        "The log shows what the client saw.",
    ),
    row(
        "names in a proxy_pass with variables",
        "Queries the name servers of resolver.",
        "Uses the system's resolver. Without valid=, it keeps a result for five seconds.",
        "Simplicity. The system does not report how long a result is valid.",
    ),
    row(
        "regular expressions",
        "Uses PCRE, which backtracks.",
        "Matches in linear time. Backtracks for look-around, back-references and the like only, for a bounded number of \
         steps; beyond them the response is 500. $ matches only at the very end.",
        "No request can make a match expensive.",
    ),
    row(
        "add_header of Content-Length, Transfer-Encoding and Connection",
        "Sends it beside its own.",
        "Leaves it out, and warns.",
        "RFC 9112 §6.3: two lengths could disagree on the end of the response.",
    ),
    row(
        "include of a device or of a huge file",
        "Takes a device for an empty file, and reads a file of any size.",
        "Refuses it with its size. A file may have 64 MiB.",
        "The mistake is found, and reading ends.",
    ),
    row(
        "no error_log",
        "Writes to a file that is chosen at build time.",
        "Writes to standard error.",
        "Simplicity.",
    ),
    row(
        "no access_log",
        "Writes to a file that is chosen at build time.",
        "Writes no access log.",
        "Simplicity.",
    ),
    row(
        "tcp_nodelay",
        "Applies the location's value, once a connection is kept or a response is not buffered.",
        "Applies the value of an address's default server to each of its connections.",
        "Responses are written in large pieces, which the option does not delay.",
    ),
    row(
        "buffer sizes that do not fit together",
        "Refuses proxy_busy_buffers_size, proxy_temp_file_write_size and proxy_max_temp_file_size that are smaller than \
         proxy_buffer_size, or larger than proxy_buffers.",
        "Accepts them.",
        "Buffers have no fixed parts.",
    ),
    row(
        "cache: which responses are stored and used",
        "Reads some words of Cache-Control, Expires, Vary and Set-Cookie. Directives of requests have no effect, and \
         Authorization does not matter.",
        "Follows RFC 9111: ages, lifetimes also from Last-Modified, directives with field names, those of requests, \
         Authorization, must-revalidate. Set-Cookie as nginx. With `proxy_cache_rfc off` as nginx.",
        "RFC 9111 §3, §4 and §5.",
    ),
    row(
        "cache: stale responses",
        "Fetches them again, unless proxy_cache_revalidate is on. Uses them where proxy_cache_use_stale says so.",
        "Validates them, and uses them by stale-while-revalidate while a request in the background updates them. Never if \
         must-revalidate or no-cache forbids it. With `proxy_cache_rfc off` as nginx.",
        "RFC 9111 §4.2.4 and §4.3, RFC 5861.",
    ),
    row(
        "cache: 304 to a validation",
        "Renews the lifetime of the stored response.",
        "Brings the fields of the stored response up to date as well. With `proxy_cache_rfc off` as nginx.",
        "RFC 9111 §3.2.",
    ),
    row(
        "cache: POST, PUT, DELETE and unknown methods",
        "Have no effect on stored responses.",
        "Remove those of their target, and of Location and Content-Location on the same host, if they succeed. With \
         `proxy_cache_rfc off` as nginx.",
        "RFC 9111 §4.4.",
    ),
    row(
        "cache: no proxy_cache_key",
        "The key is $scheme$proxy_host$request_uri.",
        "The key is $scheme$proxy_host$http_host$request_uri. With `proxy_cache_rfc off` as nginx.",
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
        "Passes it on without the cache. With `proxy_cache_rfc off` as nginx.",
        "An application may look at the body, which is no part of the key.",
    ),
    row(
        "cache: Age and Content-Length of a stored response",
        "Passes a received Age on, and leaves the length open of content that came in chunks.",
        "Sends the current Age, and the length. With `proxy_cache_rfc off` as nginx.",
        "RFC 9111 §5.1.",
    ),
    row(
        "cache: ranges",
        "Serves ranges of stored responses that have Accept-Ranges, or with proxy_force_ranges.",
        "Serves ranges of all stored responses. With `proxy_cache_rfc off` as nginx.",
        "RFC 9110 §14.2.",
    ),
    row(
        "cache: failures of an upstream",
        "Stores 502 and 504 of its own with proxy_cache_valid.",
        "Does not store them.",
        "The next request may find an upstream that works.",
    ),
    row(
        "cache: subrequests of auth_request, ssi and addition",
        "Pass the cache.",
        "Do not pass the cache.",
        "Not implemented yet.",
    ),
    row(
        "cache: files",
        "Have the format of nginx.",
        "Have a format of lab, at the same paths. use_temp_path has no effect: files are written beside their places. Each program \
         ignores the files of the other.",
        "A file has a checksum and the fields of the response.",
    ),
    row(
        "no client_body_temp_path, no proxy_temp_path",
        "Writes temporary files to folders that are chosen at build time.",
        "Writes temporary files to the system's folder for them.",
        "Simplicity.",
    ),
    row(
        "levels of client_body_temp_path and proxy_temp_path",
        "Distributes files over subfolders.",
        "Creates no subfolders.",
        "Temporary files have no names.",
    ),
    row(
        "a temporary folder whose path is a file",
        "Accepts the configuration. Requests that need the folder fail.",
        "Refuses the configuration.",
        "The mistake is found before a request is lost.",
    ),
    row(
        "HTTP/2: malformed requests",
        "Responds to many with 400, and serves others: with fields of a connection such as Connection and \
         Transfer-Encoding, or with pseudo fields behind other fields.",
        "Resets the stream with PROTOCOL_ERROR. Names and values that are not valid end the connection.",
        "RFC 9113 §8.1.1 and §8.2.",
    ),
    row(
        "HTTP/2: CONNECT, also extended for WebSockets (RFC 8441)",
        "Responds with 400.",
        "Responds with 405. WebSockets need a connection of HTTP/1.1 in both: neither announces the extension, so \
         browsers open one.",
        "RFC 9110 §9.3.6: the method is known.",
    ),
    row(
        "HTTP/2: Host beside :authority",
        "Responds with 400.",
        "Accepts a Host that is the same, and responds with 400 to another.",
        "RFC 9113 §8.3.1.",
    ),
    row(
        "HTTP/2: heads larger than large_client_header_buffers",
        "Closes the connection with ENHANCE_YOUR_CALM.",
        "Responds with 414 or 431. A head far beyond the limit ends the connection as in nginx.",
        "RFC 9113 §10.5.1: the other streams of the connection have done nothing wrong.",
    ),
    row(
        "HTTP/2: trailers of a request",
        "Closes the connection.",
        "Accepts them, and does not pass them on.",
        "RFC 9113 §8.1.",
    ),
    row(
        "HTTP/2: interim responses of an upstream",
        "Takes them for the final response.",
        "Passes them on.",
        "RFC 9110 §15.2.",
    ),
    row(
        "HTTP/2: end of a connection",
        "Announces it with one GOAWAY, and ignores requests behind it.",
        "Announces it twice, and serves what the client sent before it knew. A client that does not confirm the first \
         GOAWAY within a second is not waited for.",
        "RFC 9113 §6.8: no request is lost.",
    ),
    row(
        "HTTP/2: clients that cancel their requests",
        "Serves up to `keepalive_requests` of them. Since 1.25.3 limits new streams for each turn of the event loop.",
        "Ends a connection on which a hundred more requests were cancelled than completed.",
        "CVE-2023-44487.",
    ),
    row(
        "HTTP/2: priorities",
        "Orders responses by the dependencies of their streams.",
        "Ignores dependencies.",
        "RFC 9113 §5.3.2 has deprecated them.",
    ),
    row(
        "HTTP/2: $bytes_sent and $request_length",
        "Count frames, whose fields are compressed.",
        "Count fields and content, without compression and frames.",
        "The values do not depend on earlier requests of the connection.",
    ),
    row(
        "HTTP/2: http2_body_preread_size below 16k",
        "Uses it.",
        "Uses 16k.",
        "A smaller window costs a round trip for every few bytes.",
    ),
    row(
        "no ssl_protocols",
        "Speaks TLS up to version 1.2. Since 1.23.4 also 1.3.",
        "Speaks TLS 1.2 and 1.3, to clients and upstreams. Older versions are never spoken, and a warning names them.",
        "RFC 8996: older versions are deprecated.",
    ),
    row(
        "cipher suites",
        "Has those of OpenSSL.",
        "Has AES-GCM and CHACHA20, in TLS 1.2 with ECDHE. Names and classes of OpenSSL select among them; a warning names \
         words that select none.",
        "RFC 9325 §4: these have forward secrecy and authenticated encryption.",
    ),
    row(
        "ssl_session_ticket_key",
        "Seals tickets with AES-CBC and HMAC.",
        "Seals tickets with AES-GCM, so that nginx cannot open them.",
        "The key is used with one algorithm, which does both.",
    ),
    row(
        "no ssl_session_ticket_key",
        "Uses one random key for as long as a configuration runs.",
        "Replaces the random key whenever `ssl_session_timeout` has passed.",
        "A key that is kept for long endangers all sessions that it has sealed.",
    ),
    row(
        "ssl_early_data",
        "Serves requests before the handshake is complete, and sets $ssl_early_data.",
        "Accepts them, and serves them after the handshake. Tickets refer to a cache.",
        "RFC 8470 §3: a request that is replayed must not take effect twice.",
    ),
    row(
        "ssl_stapling",
        "Asks the responder of the certificate.",
        "Takes responses from `ssl_stapling_file` only, and warns without one.",
        "Simplicity.",
    ),
    row(
        "trusted certificates",
        "Accepts a server's name in its common name, and certificates of version 1.",
        "Accepts names in the subject's alternative names only, and certificates of version 3.",
        "RFC 9525 §2: the common name does not identify a server.",
    ),
    row(
        "certificate of an upstream that is not accepted",
        "Closes the connection after the handshake.",
        "Ends the handshake with an alert.",
        "RFC 8446 §6.2: the upstream learns why.",
    ),
    row(
        "$ssl_session_id",
        "Has the session's identifier.",
        "Is empty.",
        "The TLS library keeps identifiers to itself.",
    ),
    row(
        "$ssl_server_name",
        "Has the name as the client wrote it.",
        "Has the name in lower case.",
        "RFC 6066 §3: case does not matter.",
    ),
    row(
        "listen ... fastopen",
        "Accepts data in the first packet of a connection.",
        "Accepts the parameter without effect.",
        "Clients that use it send the data once more, and their first request takes a round trip more.",
    ),
    row(
        "no pid",
        "Writes to a file that is chosen at build time.",
        "Writes no pid file.",
        "Simplicity.",
    ),
    row(
        "no daemon",
        "Runs in the background.",
        "Runs in the foreground.",
        "Simplicity.",
    ),
    row(
        "no worker_cpu_affinity",
        "Does not pin workers.",
        "Pins each worker to its own core if there are several.",
        "Workers stay on their core under load.",
    ),
    row(
        "worker_connections",
        "Counts connections to clients and to upstreams.",
        "Counts connections to clients.",
        "Simplicity.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sentences() {
        for row in DIFFERENCES {
            assert!(!row.topic.ends_with('.'), "{}", row.topic);
            assert!([row.nginx, row.lab, row.why].iter().all(|text| text.ends_with('.')), "{}", row.topic);
        }
    }
}
