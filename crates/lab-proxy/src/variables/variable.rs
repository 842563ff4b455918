//! The variables that lab supports, by name.

use super::DefinedVariables;
use super::groups::{CacheVariable, ConnectionCount, TlsVariable};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// `$1` to `$9`: a group of the regular expression that matched last.
    Capture(usize),
    /// A variable of the configuration, by its slot.
    Defined(usize),
    /// `$arg_NAME`: an argument of the request.
    Argument(String),
    /// `$cookie_NAME`: a cookie of the request.
    Cookie(String),
    /// `$http_NAME`: a field of the request; dashes are underscores in the variable's name.
    HttpField(String),
    /// `$sent_http_NAME`: a field of the response.
    SentField(String),
    /// `$upstream_http_NAME`: a field of the upstream's response.
    UpstreamField(String),
    /// `$upstream_cookie_NAME`: a cookie that the upstream sets.
    UpstreamCookie(String),
    /// `$args`, `$query_string`: the part after the `?`.
    Args,
    /// `$binary_remote_addr`: the client's address, as 4 or 16 bytes.
    BinaryRemoteAddr,
    /// `$body_bytes_sent`: bytes sent to the client without the head.
    BodyBytesSent,
    /// `$bytes_sent`: all bytes sent to the client.
    BytesSent,
    /// `$gzip_ratio`, `$brotli_ratio`, `$zstd_ratio`: how many times smaller a content coding made the response.
    CompressionRatio(&'static str),
    /// `$connection`: the connection's serial number.
    Connection,
    /// `$connection_requests`: the number of the request on its connection, from 1.
    ConnectionRequests,
    /// `$connection_time`: the age of the connection, in seconds with milliseconds.
    ConnectionTime,
    ConnectionCount(ConnectionCount),
    /// `$content_length`: the field of the request.
    ContentLength,
    /// `$content_type`: the field of the request.
    ContentType,
    /// `$date_gmt`: the time in GMT, in the default format of server side includes.
    DateGmt,
    /// `$date_local`: the same in local time.
    DateLocal,
    /// `$document_root`: `root` or `alias` of the request.
    DocumentRoot,
    /// `$host`: the host of the request line, or of the Host field, or the server's first name; lower-case, without a
    /// port.
    Host,
    /// `$hostname`: the name of this machine.
    Hostname,
    /// `$http2`: `h2` or, without TLS, `h2c`; nothing for other versions.
    Http2,
    /// `$https`: `on` for TLS.
    Https,
    /// `$invalid_referer`: `1` if `valid_referers` does not allow the Referer of the request.
    InvalidReferer,
    /// `$is_args`: `?` if there are arguments.
    IsArgs,
    /// `$limit_conn_status`: what `limit_conn` did.
    LimitConnStatus,
    /// `$limit_rate`: the limit of the response in bytes per second, which `set` may change.
    LimitRate,
    /// `$limit_req_status`: what `limit_req` did.
    LimitReqStatus,
    /// `$msec`: the time in seconds, with milliseconds.
    Msec,
    /// `$nginx_version`: the version of lab.
    NginxVersion,
    /// `$pid`: the process id.
    Pid,
    /// `$pipe`: `p` if the request arrived before the response to the previous one, otherwise a dot.
    Pipe,
    /// `$proxy_add_x_forwarded_for`: X-Forwarded-For of the request, with the client's address appended.
    ProxyAddXForwardedFor,
    /// `$proxy_host`: host and port of `proxy_pass`, as written.
    ProxyHost,
    /// `$proxy_port`: the port of `proxy_pass`.
    ProxyPort,
    /// `$proxy_protocol_addr`: the client's address as the PROXY protocol announced it.
    ProxyProtocolAddr,
    /// `$proxy_protocol_port`: its port.
    ProxyProtocolPort,
    /// `$proxy_protocol_server_addr`: the address the client connected to, as announced.
    ProxyProtocolServerAddr,
    /// `$proxy_protocol_server_port`: its port.
    ProxyProtocolServerPort,
    /// `$proxy_protocol_tlv_…`: an extension of the PROXY header, by its name or as `0x01`.
    ProxyProtocolExtension(String),
    /// `$realip_remote_addr`: the address of the peer, even if the real ip module replaced it.
    RealipRemoteAddr,
    /// `$realip_remote_port`: the port of the peer.
    RealipRemotePort,
    /// `$realpath_root`: `$document_root` with symbolic links resolved.
    RealpathRoot,
    /// `$remote_addr`: the client's address.
    RemoteAddr,
    /// `$remote_port`: the client's port.
    RemotePort,
    /// `$remote_user`: the user name of Basic authentication, unverified.
    RemoteUser,
    /// `$request`: the request line.
    Request,
    /// `$request_body`: the body of the request, if it was collected in memory.
    RequestBody,
    /// `$request_body_file`: the file that the body of the request was collected in.
    RequestBodyFile,
    /// `$request_completion`: `OK` if the whole response was sent.
    RequestCompletion,
    /// `$request_filename`: the file that belongs to the path.
    RequestFilename,
    /// `$request_id`: 32 hexadecimal digits, unique to the request.
    RequestId,
    /// `$request_length`: bytes of the request: its head and the part of its body that was read.
    RequestLength,
    /// `$request_method`
    RequestMethod,
    /// `$request_time`: seconds since the request's first byte, with milliseconds.
    RequestTime,
    /// `$request_uri`: path and arguments as sent.
    RequestUri,
    /// `$scheme`: `http` or `https`.
    Scheme,
    /// `$secure_link`: whether the link of the request is valid, or what it protects.
    SecureLink,
    /// `$secure_link_expires`: when the link expires.
    SecureLinkExpires,
    /// `$server_addr`: the address the client connected to.
    ServerAddr,
    /// `$server_name`: the first name of the server.
    ServerName,
    /// `$server_port`: the port the client connected to.
    ServerPort,
    /// `$server_protocol`: the version of the request.
    ServerProtocol,
    /// `$slice_range`: the range of a slice, for the `Range` of the request to the upstream.
    SliceRange,
    /// `$ssl_…`: the TLS session of the client.
    Tls(TlsVariable),
    /// `$status`: the status of the response.
    Status,
    /// `$time_iso8601`: local time.
    TimeIso8601,
    /// `$time_local`: local time in the format of access logs.
    TimeLocal,
    /// `$uid_got`: the identifier of `userid` that the request has.
    UidGot,
    /// `$uid_set`: the identifier of `userid` that the response sets.
    UidSet,
    /// `$upstream_addr`: the address of the upstream server. Several are joined with `, `, or with ` : ` after an internal
    /// redirect.
    UpstreamAddr,
    /// `$upstream_bytes_received`: from the upstream, one for each address.
    UpstreamBytesReceived,
    /// `$upstream_bytes_sent`: to the upstream, one for each address.
    UpstreamBytesSent,
    /// `$upstream_cache_…`: what the cache has done.
    UpstreamCache(CacheVariable),
    /// `$upstream_connect_time`: seconds until the connection was open, with milliseconds.
    UpstreamConnectTime,
    /// `$upstream_header_time`: seconds until the head of the response was complete, with milliseconds.
    UpstreamHeaderTime,
    /// `$upstream_response_length`: bytes of the response's body.
    UpstreamResponseLength,
    /// `$upstream_response_time`: seconds until the response was complete, with milliseconds, one for each address.
    UpstreamResponseTime,
    /// `$upstream_status`: one for each address.
    UpstreamStatus,
    /// `$uri`, `$document_uri`, `$fastcgi_script_name`: the path, normalised and possibly rewritten.
    Uri,
}

/// The names of all variables outside of families.
const NAMES: &[(&str, Variable)] = &[
    ("args", Variable::Args),
    ("binary_remote_addr", Variable::BinaryRemoteAddr),
    ("body_bytes_sent", Variable::BodyBytesSent),
    ("brotli_ratio", Variable::CompressionRatio("br")),
    ("bytes_sent", Variable::BytesSent),
    ("connection", Variable::Connection),
    ("connection_requests", Variable::ConnectionRequests),
    ("connection_time", Variable::ConnectionTime),
    ("connections_active", Variable::ConnectionCount(ConnectionCount::Active)),
    ("connections_reading", Variable::ConnectionCount(ConnectionCount::Reading)),
    ("connections_waiting", Variable::ConnectionCount(ConnectionCount::Waiting)),
    ("connections_writing", Variable::ConnectionCount(ConnectionCount::Writing)),
    ("content_length", Variable::ContentLength),
    ("content_type", Variable::ContentType),
    ("date_gmt", Variable::DateGmt),
    ("date_local", Variable::DateLocal),
    ("document_root", Variable::DocumentRoot),
    ("document_uri", Variable::Uri),
    ("fastcgi_script_name", Variable::Uri),
    ("gzip_ratio", Variable::CompressionRatio("gzip")),
    ("host", Variable::Host),
    ("hostname", Variable::Hostname),
    ("http2", Variable::Http2),
    ("https", Variable::Https),
    ("invalid_referer", Variable::InvalidReferer),
    ("is_args", Variable::IsArgs),
    ("limit_conn_status", Variable::LimitConnStatus),
    ("limit_rate", Variable::LimitRate),
    ("limit_req_status", Variable::LimitReqStatus),
    ("msec", Variable::Msec),
    ("nginx_version", Variable::NginxVersion),
    ("pid", Variable::Pid),
    ("pipe", Variable::Pipe),
    ("proxy_add_x_forwarded_for", Variable::ProxyAddXForwardedFor),
    ("proxy_host", Variable::ProxyHost),
    ("proxy_port", Variable::ProxyPort),
    ("proxy_protocol_addr", Variable::ProxyProtocolAddr),
    ("proxy_protocol_port", Variable::ProxyProtocolPort),
    ("proxy_protocol_server_addr", Variable::ProxyProtocolServerAddr),
    ("proxy_protocol_server_port", Variable::ProxyProtocolServerPort),
    ("query_string", Variable::Args),
    ("realip_remote_addr", Variable::RealipRemoteAddr),
    ("realip_remote_port", Variable::RealipRemotePort),
    ("realpath_root", Variable::RealpathRoot),
    ("remote_addr", Variable::RemoteAddr),
    ("remote_port", Variable::RemotePort),
    ("remote_user", Variable::RemoteUser),
    ("request", Variable::Request),
    ("request_body", Variable::RequestBody),
    ("request_body_file", Variable::RequestBodyFile),
    ("request_completion", Variable::RequestCompletion),
    ("request_filename", Variable::RequestFilename),
    ("request_id", Variable::RequestId),
    ("request_length", Variable::RequestLength),
    ("request_method", Variable::RequestMethod),
    ("request_time", Variable::RequestTime),
    ("request_uri", Variable::RequestUri),
    ("scheme", Variable::Scheme),
    ("secure_link", Variable::SecureLink),
    ("secure_link_expires", Variable::SecureLinkExpires),
    ("server_addr", Variable::ServerAddr),
    ("server_name", Variable::ServerName),
    ("server_port", Variable::ServerPort),
    ("server_protocol", Variable::ServerProtocol),
    ("slice_range", Variable::SliceRange),
    ("ssl_alpn_protocol", Variable::Tls(TlsVariable::AlpnProtocol)),
    ("ssl_cipher", Variable::Tls(TlsVariable::Cipher)),
    ("ssl_ciphers", Variable::Tls(TlsVariable::Ciphers)),
    ("ssl_client_cert", Variable::Tls(TlsVariable::ClientCertificate)),
    ("ssl_client_escaped_cert", Variable::Tls(TlsVariable::ClientCertificateEscaped)),
    ("ssl_client_fingerprint", Variable::Tls(TlsVariable::ClientFingerprint)),
    ("ssl_client_i_dn", Variable::Tls(TlsVariable::ClientIssuer)),
    ("ssl_client_i_dn_legacy", Variable::Tls(TlsVariable::ClientIssuerLegacy)),
    ("ssl_client_raw_cert", Variable::Tls(TlsVariable::ClientCertificateRaw)),
    ("ssl_client_s_dn", Variable::Tls(TlsVariable::ClientSubject)),
    ("ssl_client_s_dn_legacy", Variable::Tls(TlsVariable::ClientSubjectLegacy)),
    ("ssl_client_serial", Variable::Tls(TlsVariable::ClientSerial)),
    ("ssl_client_v_end", Variable::Tls(TlsVariable::ClientValidUntil)),
    ("ssl_client_v_remain", Variable::Tls(TlsVariable::ClientValidDays)),
    ("ssl_client_v_start", Variable::Tls(TlsVariable::ClientValidFrom)),
    ("ssl_client_verify", Variable::Tls(TlsVariable::ClientVerify)),
    ("ssl_curve", Variable::Tls(TlsVariable::Curve)),
    ("ssl_curves", Variable::Tls(TlsVariable::Curves)),
    ("ssl_early_data", Variable::Tls(TlsVariable::EarlyData)),
    ("ssl_protocol", Variable::Tls(TlsVariable::Protocol)),
    ("ssl_server_name", Variable::Tls(TlsVariable::ServerName)),
    ("ssl_session_id", Variable::Tls(TlsVariable::SessionId)),
    ("ssl_session_reused", Variable::Tls(TlsVariable::SessionReused)),
    ("status", Variable::Status),
    ("time_iso8601", Variable::TimeIso8601),
    ("time_local", Variable::TimeLocal),
    ("uid_got", Variable::UidGot),
    ("uid_set", Variable::UidSet),
    ("upstream_addr", Variable::UpstreamAddr),
    ("upstream_bytes_received", Variable::UpstreamBytesReceived),
    ("upstream_bytes_sent", Variable::UpstreamBytesSent),
    ("upstream_cache_etag", Variable::UpstreamCache(CacheVariable::Etag)),
    ("upstream_cache_key", Variable::UpstreamCache(CacheVariable::Key)),
    ("upstream_cache_last_modified", Variable::UpstreamCache(CacheVariable::LastModified)),
    ("upstream_cache_status", Variable::UpstreamCache(CacheVariable::Status)),
    ("upstream_connect_time", Variable::UpstreamConnectTime),
    ("upstream_header_time", Variable::UpstreamHeaderTime),
    ("upstream_response_length", Variable::UpstreamResponseLength),
    ("upstream_response_time", Variable::UpstreamResponseTime),
    ("upstream_status", Variable::UpstreamStatus),
    ("uri", Variable::Uri),
    ("zstd_ratio", Variable::CompressionRatio("zstd")),
];

/// A prefix, and the variable for the rest of the name.
type Family = (&'static str, fn(String) -> Variable);

/// A longer prefix comes before one that it contains.
const FAMILIES: &[Family] = &[
    ("upstream_http_", Variable::UpstreamField),
    ("upstream_cookie_", Variable::UpstreamCookie),
    ("sent_http_", Variable::SentField),
    ("http_", Variable::HttpField),
    ("proxy_protocol_tlv_", Variable::ProxyProtocolExtension),
    ("arg_", Variable::Argument),
    ("cookie_", Variable::Cookie),
];

impl Variable {
    /// The variable with this name, without its `$`. As in nginx, case does not matter. A variable of the configuration
    /// takes precedence over families, and cannot have the name of a built-in one.
    #[must_use]
    pub fn from_name(name: &str, defined: &DefinedVariables) -> Option<Variable> {
        Variable::built_in(name)
            .or_else(|| defined.slot(name).map(Variable::Defined))
            .or_else(|| Variable::from_family(name))
    }

    /// The built-in variable with this name, outside of families.
    pub(crate) fn built_in(name: &str) -> Option<Variable> {
        NAMES.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, variable)| variable.clone())
    }

    fn from_family(name: &str) -> Option<Variable> {
        let name = name.to_ascii_lowercase();
        FAMILIES.iter().find_map(|(prefix, make)| {
            let rest = name.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
            Some(make(rest.to_owned()))
        })
    }

    /// All names outside of families.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether the value is the body of the request, which must be kept for it.
    pub(super) fn is_request_body(&self) -> bool {
        matches!(self, Variable::RequestBody)
    }

    /// Whether the value comes from the head of a response, which must be kept for it.
    pub(super) fn is_in_response_head(&self) -> bool {
        matches!(self, Variable::SentField(_) | Variable::UpstreamField(_) | Variable::UpstreamCookie(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_configuration_has_every_variable() {
        let text = include_str!("../../../../tests/it/proxy/good/everything.conf");
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let ends = |rest: &str| !rest.starts_with(is_word);
        let has =
            |name: &str| text.match_indices(&format!("${name}")).any(|(at, found)| ends(&text[at + found.len()..]));
        // the file is for nginx 1.22 as well
        let later = ["upstream_cache_key"];
        let missing: Vec<&str> = Variable::names().filter(|name| !has(name) && !later.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for (family, _) in FAMILIES {
            assert!(text.contains(&format!("${family}")), "{family}");
        }
    }
}
