//! The variables lab knows, by name.

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// `$args`, `$query_string`: what follows the `?`.
    Args,
    /// `$body_bytes_sent`: bytes sent to the client without the head.
    BodyBytesSent,
    /// `$bytes_sent`: all bytes sent to the client.
    BytesSent,
    /// `$connection`: the connection's serial number.
    Connection,
    /// `$connection_requests`: which request of its connection this is, from 1.
    ConnectionRequests,
    /// `$content_length`: the field of the request.
    ContentLength,
    /// `$content_type`: the field of the request.
    ContentType,
    /// `$host`: the host of the request line, else of the Host field, else the server's first name; lower-case and
    /// without a port.
    Host,
    /// `$http_NAME`: a field of the request; dashes are underscores in the variable's name.
    HttpField(String),
    /// `$is_args`: `?` if there are arguments.
    IsArgs,
    /// `$msec`: the time in seconds, with milliseconds.
    Msec,
    /// `$pid`: of the process.
    Pid,
    /// `$proxy_add_x_forwarded_for`: X-Forwarded-For of the request, and the client's address behind it.
    ProxyAddXForwardedFor,
    /// `$proxy_host`: host and port of `proxy_pass`, as written.
    ProxyHost,
    /// `$proxy_port`: the port of `proxy_pass`.
    ProxyPort,
    /// `$remote_addr`: the client's address.
    RemoteAddr,
    /// `$remote_port`: the client's port.
    RemotePort,
    /// `$remote_user`: the user name of Basic authentication, which nobody has verified.
    RemoteUser,
    /// `$request`: the request line.
    Request,
    /// `$request_method`
    RequestMethod,
    /// `$request_time`: seconds since the request's first byte, with milliseconds.
    RequestTime,
    /// `$request_uri`: path and arguments as sent.
    RequestUri,
    /// `$scheme`: `http`.
    Scheme,
    /// `$server_addr`: the address the client connected to.
    ServerAddr,
    /// `$server_name`: the first name of the server that answers.
    ServerName,
    /// `$server_port`: the port the client connected to.
    ServerPort,
    /// `$server_protocol`: the version of the request.
    ServerProtocol,
    /// `$status`: of the answer.
    Status,
    /// `$time_iso8601`: local time.
    TimeIso8601,
    /// `$time_local`: local time as logs have it.
    TimeLocal,
    /// `$upstream_addr`: the upstream server that was asked; several are joined with `, `.
    UpstreamAddr,
    /// `$upstream_response_time`: seconds until the answer was complete, with milliseconds, one for each address.
    UpstreamResponseTime,
    /// `$upstream_status`: one for each address.
    UpstreamStatus,
    /// `$uri`, `$document_uri`: the path, normalised.
    Uri,
}

/// All names but `$http_NAME`.
const NAMES: &[(&str, Variable)] = &[
    ("args", Variable::Args),
    ("query_string", Variable::Args),
    ("body_bytes_sent", Variable::BodyBytesSent),
    ("bytes_sent", Variable::BytesSent),
    ("connection", Variable::Connection),
    ("connection_requests", Variable::ConnectionRequests),
    ("content_length", Variable::ContentLength),
    ("content_type", Variable::ContentType),
    ("host", Variable::Host),
    ("is_args", Variable::IsArgs),
    ("msec", Variable::Msec),
    ("pid", Variable::Pid),
    ("proxy_add_x_forwarded_for", Variable::ProxyAddXForwardedFor),
    ("proxy_host", Variable::ProxyHost),
    ("proxy_port", Variable::ProxyPort),
    ("remote_addr", Variable::RemoteAddr),
    ("remote_port", Variable::RemotePort),
    ("remote_user", Variable::RemoteUser),
    ("request", Variable::Request),
    ("request_method", Variable::RequestMethod),
    ("request_time", Variable::RequestTime),
    ("request_uri", Variable::RequestUri),
    ("scheme", Variable::Scheme),
    ("server_addr", Variable::ServerAddr),
    ("server_name", Variable::ServerName),
    ("server_port", Variable::ServerPort),
    ("server_protocol", Variable::ServerProtocol),
    ("status", Variable::Status),
    ("time_iso8601", Variable::TimeIso8601),
    ("time_local", Variable::TimeLocal),
    ("upstream_addr", Variable::UpstreamAddr),
    ("upstream_response_time", Variable::UpstreamResponseTime),
    ("upstream_status", Variable::UpstreamStatus),
    ("uri", Variable::Uri),
    ("document_uri", Variable::Uri),
];

impl Variable {
    /// The variable of this name, without its `$`. Case does not matter, as in nginx.
    #[must_use]
    pub fn named(name: &str) -> Option<Variable> {
        let name = name.to_ascii_lowercase();
        if let Some(field) = name.strip_prefix("http_").filter(|field| !field.is_empty()) {
            return Some(Variable::HttpField(field.replace('_', "-")));
        }
        NAMES.iter().find(|(own, _)| *own == name).map(|(_, variable)| variable.clone())
    }

    /// All names there are, for suggestions.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}
