//! The variables lab knows, by name.

use super::DefinedVariables;

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// `$1` to `$9`: a group of the regular expression that matched last.
    Capture(usize),
    /// One that the configuration defines, by its slot.
    Defined(usize),
    /// `$arg_NAME`: an argument of the request.
    Argument(String),
    /// `$cookie_NAME`: a cookie of the request.
    Cookie(String),
    /// `$http_NAME`: a field of the request; dashes are underscores in the variable's name.
    HttpField(String),
    /// `$sent_http_NAME`: a field of the answer.
    SentField(String),
    /// `$upstream_http_NAME`: a field of the upstream's answer.
    UpstreamField(String),
    /// `$upstream_cookie_NAME`: a cookie the upstream sets.
    UpstreamCookie(String),
    /// `$args`, `$query_string`: what follows the `?`.
    Args,
    /// `$binary_remote_addr`: the client's address, as 4 or 16 bytes.
    BinaryRemoteAddr,
    /// `$body_bytes_sent`: bytes sent to the client without the head.
    BodyBytesSent,
    /// `$bytes_sent`: all bytes sent to the client.
    BytesSent,
    /// `$connection`: the connection's serial number.
    Connection,
    /// `$connection_requests`: which request of its connection this is, from 1.
    ConnectionRequests,
    /// `$connection_time`: how long the connection has been open, in seconds with milliseconds.
    ConnectionTime,
    /// `$content_length`: the field of the request.
    ContentLength,
    /// `$content_type`: the field of the request.
    ContentType,
    /// `$document_root`: `root` or `alias` of the request.
    DocumentRoot,
    /// `$host`: the host of the request line, else of the Host field, else the server's first name; lower-case and
    /// without a port.
    Host,
    /// `$hostname`: of this machine.
    Hostname,
    /// `$https`: `on` for TLS, which lab does not speak.
    Https,
    /// `$is_args`: `?` if there are arguments.
    IsArgs,
    /// `$msec`: the time in seconds, with milliseconds.
    Msec,
    /// `$nginx_version`: lab's.
    NginxVersion,
    /// `$pid`: of the process.
    Pid,
    /// `$pipe`: `p` if the request had arrived before the one before it was answered, else a dot.
    Pipe,
    /// `$proxy_add_x_forwarded_for`: X-Forwarded-For of the request, and the client's address behind it.
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
    /// `$realip_remote_addr`: the address of the peer, whatever the real ip module made of it.
    RealipRemoteAddr,
    /// `$realip_remote_port`: the port of the peer.
    RealipRemotePort,
    /// `$realpath_root`: `$document_root` with symbolic links resolved.
    RealpathRoot,
    /// `$remote_addr`: the client's address.
    RemoteAddr,
    /// `$remote_port`: the client's port.
    RemotePort,
    /// `$remote_user`: the user name of Basic authentication, which nobody has verified.
    RemoteUser,
    /// `$request`: the request line.
    Request,
    /// `$request_completion`: `OK` if the request was answered to the end.
    RequestCompletion,
    /// `$request_filename`: the file that belongs to the path.
    RequestFilename,
    /// `$request_id`: 32 hexadecimal digits of the request's own.
    RequestId,
    /// `$request_length`: bytes of the request: its head, and what was read of its body.
    RequestLength,
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
    /// `$upstream_addr`: the upstream server that was asked; several are joined with `, `, or with ` : ` where an internal
    /// redirect lies between them.
    UpstreamAddr,
    /// `$upstream_bytes_received`: from the upstream, one for each address.
    UpstreamBytesReceived,
    /// `$upstream_bytes_sent`: to the upstream, one for each address.
    UpstreamBytesSent,
    /// `$upstream_connect_time`: seconds until the connection stood, with milliseconds.
    UpstreamConnectTime,
    /// `$upstream_header_time`: seconds until the answer's head was there, with milliseconds.
    UpstreamHeaderTime,
    /// `$upstream_response_length`: bytes of the answer's body.
    UpstreamResponseLength,
    /// `$upstream_response_time`: seconds until the answer was complete, with milliseconds, one for each address.
    UpstreamResponseTime,
    /// `$upstream_status`: one for each address.
    UpstreamStatus,
    /// `$uri`, `$document_uri`: the path, normalised and as it was rewritten.
    Uri,
}

/// All names but those that end in a name of something else.
const NAMES: &[(&str, Variable)] = &[
    ("args", Variable::Args),
    ("binary_remote_addr", Variable::BinaryRemoteAddr),
    ("body_bytes_sent", Variable::BodyBytesSent),
    ("bytes_sent", Variable::BytesSent),
    ("connection", Variable::Connection),
    ("connection_requests", Variable::ConnectionRequests),
    ("connection_time", Variable::ConnectionTime),
    ("content_length", Variable::ContentLength),
    ("content_type", Variable::ContentType),
    ("document_root", Variable::DocumentRoot),
    ("document_uri", Variable::Uri),
    ("host", Variable::Host),
    ("hostname", Variable::Hostname),
    ("https", Variable::Https),
    ("is_args", Variable::IsArgs),
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
    ("request_completion", Variable::RequestCompletion),
    ("request_filename", Variable::RequestFilename),
    ("request_id", Variable::RequestId),
    ("request_length", Variable::RequestLength),
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
    ("upstream_bytes_received", Variable::UpstreamBytesReceived),
    ("upstream_bytes_sent", Variable::UpstreamBytesSent),
    ("upstream_connect_time", Variable::UpstreamConnectTime),
    ("upstream_header_time", Variable::UpstreamHeaderTime),
    ("upstream_response_length", Variable::UpstreamResponseLength),
    ("upstream_response_time", Variable::UpstreamResponseTime),
    ("upstream_status", Variable::UpstreamStatus),
    ("uri", Variable::Uri),
];

/// A kind of variable that has the name of something else in its own.
type Family = (&'static str, fn(String) -> Variable);

/// What the names of families begin with, longer ones before those they contain.
const FAMILIES: &[Family] = &[
    ("upstream_http_", Variable::UpstreamField),
    ("upstream_cookie_", Variable::UpstreamCookie),
    ("sent_http_", Variable::SentField),
    ("http_", Variable::HttpField),
    ("arg_", Variable::Argument),
    ("cookie_", Variable::Cookie),
];

impl Variable {
    /// The variable of this name, without its `$`. Case does not matter, as in nginx. What the configuration defines
    /// itself comes before families, and cannot have the name of a variable there is.
    #[must_use]
    pub fn named(name: &str, own: &DefinedVariables) -> Option<Variable> {
        Variable::built_in(name).or_else(|| own.slot(name).map(Variable::Defined)).or_else(|| Variable::of_family(name))
    }

    /// The variable of this name that is there without any configuration, families left out.
    pub(crate) fn built_in(name: &str) -> Option<Variable> {
        NAMES.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, variable)| variable.clone())
    }

    fn of_family(name: &str) -> Option<Variable> {
        let name = name.to_ascii_lowercase();
        FAMILIES.iter().find_map(|(prefix, make)| {
            let rest = name.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
            Some(make(rest.to_owned()))
        })
    }

    /// All names there are, for suggestions.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether its value is in the head of an answer, which has to be kept for it.
    pub(super) fn is_in_response_head(&self) -> bool {
        matches!(self, Variable::SentField(_) | Variable::UpstreamField(_) | Variable::UpstreamCookie(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_everything_has_every_variable() {
        let text = include_str!("../../../../tests/it/proxy/good/everything.conf");
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let ends = |rest: &str| !rest.starts_with(is_word);
        let has =
            |name: &str| text.match_indices(&format!("${name}")).any(|(at, found)| ends(&text[at + found.len()..]));
        let missing: Vec<&str> = Variable::names().filter(|name| !has(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for (family, _) in FAMILIES {
            assert!(text.contains(&format!("${family}")), "{family}");
        }
    }
}
