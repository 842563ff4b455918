//! Directives and their values.

use super::{Difference, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Difference] = &[
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
        "bytes of a configuration that are not UTF-8",
        "Accepts them.",
        "Accepts them in comments, and refuses them elsewhere with their line.",
        "Arguments are texts.",
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
];
