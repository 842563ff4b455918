//! The request, with the attributes of Flask's `request`.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Extensions, Method};
use serde::de::DeserializeOwned;

use crate::app_context::AppContext;
use crate::cookie;
use crate::environ::{Environ, latin1};
use crate::exception::{HttpException, abort};
use crate::headers_report::{ReceivedRequest, RequestView};
use crate::multi_dict::MultiDict;
use crate::routing::{BuildError, PathValue, UrlValues};
use crate::url;
use lab_http::message::extensions::RawHead;

/// The limit of an urlencoded form, in bytes: the default of `MAX_FORM_MEMORY_SIZE`, which Flask applies to the fields of
/// multipart forms only.
const MAX_FORM_BYTES: usize = 500_000;

/// The request that a handler serves. Clones are cheap and share the same request.
#[derive(Debug, Clone)]
pub struct Request(Arc<Inner>);

/// A request before its body is read.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) context: Arc<AppContext>,
    pub(super) parts: Parts,
    pub(super) environ: Environ,
    /// The decoded path, if it differs from the one in the URI.
    pub(super) path: Option<String>,
    /// The index of the rule that matched, and its converted values.
    pub(super) matched: Option<(usize, Vec<PathValue>)>,
}

#[derive(Debug)]
pub(super) enum RequestBody {
    Read(Bytes),
    TooLarge,
    Disconnected,
}

#[derive(Debug)]
struct Inner {
    head: RequestHead,
    body: RequestBody,
    args: OnceLock<MultiDict>,
    form: OnceLock<MultiDict>,
    cookies: OnceLock<MultiDict>,
}

impl RequestHead {
    pub(super) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_else(|| self.parts.uri.path())
    }

    pub(super) fn with_body(self, body: RequestBody) -> Request {
        Request(Arc::new(Inner {
            head: self,
            body,
            args: OnceLock::new(),
            form: OnceLock::new(),
            cookies: OnceLock::new(),
        }))
    }
}

impl Request {
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.head.parts.method
    }

    /// The parameters of the query string.
    #[must_use]
    pub fn args(&self) -> &MultiDict {
        self.0.args.get_or_init(|| MultiDict::parse(self.query_string().as_bytes()))
    }

    /// The fields of an urlencoded form; empty if the body is something else.
    ///
    /// # Errors
    /// 413 above 500 000 bytes, 415 for `multipart/form-data`, which lab does not support, and the errors of
    /// [`Request::get_data`].
    pub fn form(&self) -> Result<&MultiDict, HttpException> {
        match self.mimetype().as_str() {
            "application/x-www-form-urlencoded" => {
                let data = self.get_data()?;
                if data.len() > MAX_FORM_BYTES {
                    return Err(abort(413));
                }
                Ok(self.0.form.get_or_init(|| MultiDict::parse(data)))
            }
            "multipart/form-data" => Err(abort(415)),
            _ => Ok(self.0.form.get_or_init(MultiDict::default)),
        }
    }

    /// The body, which is read before the handler runs, if a rule matches.
    ///
    /// # Errors
    /// 413 if it is larger than the app's `max_content_length`, 400 if the client did not send all of it.
    pub fn get_data(&self) -> Result<&Bytes, HttpException> {
        match &self.0.body {
            RequestBody::Read(bytes) => Ok(bytes),
            RequestBody::TooLarge => Err(abort(413)),
            RequestBody::Disconnected => Err(abort(400)),
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// 415 if the media type is not JSON, 400 if the body is not a valid `T`, and the errors of [`Request::get_data`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpException> {
        let mimetype = self.mimetype();
        if mimetype != "application/json" && !(mimetype.starts_with("application/") && mimetype.ends_with("+json")) {
            return Err(abort(415));
        }
        serde_json::from_slice(self.get_data()?).map_err(|_| abort(400))
    }

    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.head.parts.headers
    }

    /// A header field as in WSGI: its lines joined with commas.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let lines = self.headers().get_all(HeaderName::from_bytes(name.as_bytes()).ok()?);
        let mut lines = lines.iter().map(|line| latin1(line.as_bytes()));
        let first = lines.next()?;
        Some(lines.fold(first, |joined, line| Cow::Owned(format!("{joined},{line}"))))
    }

    /// The request line and the header lines as received: in their order, with duplicates and the original case of
    /// names.
    ///
    /// If the host of the app does not supply them, they are rebuilt from the parsed request: grouped by name, in lower
    /// case.
    #[must_use]
    pub fn received(&self) -> ReceivedRequest {
        if let Some(head) = self.extensions().get::<RawHead>() {
            return head.into();
        }
        let parts = &self.0.head.parts;
        let headers =
            self.headers().iter().map(|(name, value)| (name.to_string(), latin1(value.as_bytes()).into_owned()));
        ReceivedRequest {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            version: format!("{:?}", parts.version),
            headers: headers.collect(),
        }
    }

    /// The cookies of the request. Each Cookie line is parsed separately; Flask parses the lines that its server
    /// joined.
    #[must_use]
    pub fn cookies(&self) -> &MultiDict {
        self.0.cookies.get_or_init(|| {
            let mut cookies = Vec::new();
            for line in self.headers().get_all(COOKIE) {
                cookie::parse(&latin1(line.as_bytes()), &mut cookies);
            }
            cookies.into()
        })
    }

    /// The media type of the body in lower case, without parameters. Empty if there is none.
    #[must_use]
    pub fn mimetype(&self) -> String {
        let content_type = self.headers().get(CONTENT_TYPE).map(|value| latin1(value.as_bytes())).unwrap_or_default();
        content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The client's address, as set by trusted middleware. `None` if the host does not know it.
    #[must_use]
    pub fn remote_addr(&self) -> Option<Cow<'_, str>> {
        self.environ().remote_addr()
    }

    /// `http`, `https`, or the value of a trusted proxy.
    #[must_use]
    pub fn scheme(&self) -> Cow<'_, str> {
        self.environ().scheme()
    }

    /// The requested host, with its port unless it is the scheme's default. Empty if the host is invalid.
    #[must_use]
    pub fn host(&self) -> Cow<'_, str> {
        self.environ().host()
    }

    /// The prefix at which the app is mounted, without a trailing slash.
    #[must_use]
    pub fn root_path(&self) -> Cow<'_, str> {
        self.environ().root_path()
    }

    /// The decoded path below the root path, with one leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.head.path()
    }

    /// The path before percent-decoding.
    #[must_use]
    pub fn raw_path(&self) -> &str {
        self.0.head.parts.uri.path()
    }

    /// The query string before percent-decoding, without the `?`.
    #[must_use]
    pub fn query_string(&self) -> &str {
        self.0.head.parts.uri.query().unwrap_or_default()
    }

    /// Scheme, host and root path, with a trailing slash.
    #[must_use]
    pub fn url_root(&self) -> String {
        self.environ().with_url_parts(|parts| parts.url_root())
    }

    /// The URL without its query string.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.environ().with_url_parts(|parts| parts.base_url(self.path()))
    }

    /// The URL as an IRI, as in Flask.
    #[must_use]
    pub fn url(&self) -> String {
        self.environ().with_url_parts(|parts| parts.url(self.path(), self.query_string()))
    }

    #[must_use]
    pub fn environ(&self) -> &Environ {
        &self.0.head.environ
    }

    #[must_use]
    pub fn view(&self) -> RequestView {
        self.environ().view(self.path(), self.query_string())
    }

    /// Data that the host and the middleware attach to the request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.head.parts.extensions
    }

    /// The endpoint of the rule that matched.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        let (index, _) = self.0.head.matched.as_ref()?;
        Some(self.0.head.context.rules.endpoint(*index))
    }

    /// The variables of the rule that matched, in its order.
    pub fn view_args(&self) -> impl Iterator<Item = (&str, &PathValue)> {
        let matched = self.0.head.matched.iter();
        matched.flat_map(|(index, values)| self.0.head.context.rules.variable_names(*index).zip(values))
    }

    /// The path of an endpoint below the root path. Values that its rule does not name become the query string.
    ///
    /// # Errors
    /// The endpoint is unknown, or the values do not fill its rule.
    pub fn url_for(&self, endpoint: &str, values: &UrlValues<'_>) -> Result<String, BuildError> {
        let path = self.0.head.context.rules.build(endpoint, values)?;
        Ok(match self.root_path() {
            root if root.is_empty() => path,
            root => format!("{root}{path}"),
        })
    }

    /// An absolute URL: `url_for(…, _external=True)`.
    ///
    /// # Errors
    /// As [`Request::url_for`].
    pub fn url_for_external(&self, endpoint: &str, values: &UrlValues<'_>) -> Result<String, BuildError> {
        let path = self.url_for(endpoint, values)?;
        let scheme = if matches!(&*self.scheme(), "https" | "wss") { "https" } else { "http" };
        Ok(format!("{scheme}://{}{path}", self.host().to_ascii_lowercase()))
    }

    /// The target of a slash redirect: an absolute URL of a decoded path, with the request's query string.
    pub(super) fn url_of_path(&self, path: &str) -> String {
        let (scheme, host) = (self.scheme(), self.host().to_ascii_lowercase());
        let query = self.query_string();
        let question_mark = if query.is_empty() { "" } else { "?" };
        format!("{scheme}://{host}{}{}{question_mark}{query}", self.root_path(), url::quote(path, url::PATH))
    }

    pub(super) fn context(&self) -> &AppContext {
        &self.0.head.context
    }

    pub(super) fn matched(&self) -> Option<&(usize, Vec<PathValue>)> {
        self.0.head.matched.as_ref()
    }
}
