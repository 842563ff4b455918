//! The request, as Flask's `request` shows it.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Extensions, Method};
use serde::de::DeserializeOwned;

use crate::application::Shared;
use crate::cookie;
use crate::environ::{Environ, latin1};
use crate::exception::{HttpException, abort};
use crate::multi_dict::MultiDict;
use crate::routing::{BuildError, PathValue, UrlValues};
use crate::url;
use crate::view::{Arrived, Seen};
use lab_http::extensions::ArrivedHead;

/// How large an urlencoded form may be, in bytes: Flask's `MAX_FORM_MEMORY_SIZE`.
const MAX_FORM_BYTES: usize = 500_000;

/// The request that a handler answers. A handle: cloning it is cheap, and clones are the same request.
#[derive(Debug, Clone)]
pub struct Request(Arc<Inner>);

/// A request before its body was read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) shared: Arc<Shared>,
    pub(super) parts: Parts,
    pub(super) environ: Environ,
    /// The decoded path, if it is not the one in the URI.
    pub(super) path: Option<String>,
    /// The index of the rule that matched, and what its converters made of the path.
    pub(super) matched: Option<(usize, Vec<PathValue>)>,
}

/// What became of the request's body.
#[derive(Debug)]
pub(super) enum Data {
    Read(Bytes),
    TooLarge,
    Disconnected,
}

#[derive(Debug)]
struct Inner {
    draft: Draft,
    data: Data,
    args: OnceLock<MultiDict>,
    form: OnceLock<MultiDict>,
    cookies: OnceLock<MultiDict>,
}

impl Draft {
    pub(super) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_else(|| self.parts.uri.path())
    }

    pub(super) fn finish(self, data: Data) -> Request {
        Request(Arc::new(Inner {
            draft: self,
            data,
            args: OnceLock::new(),
            form: OnceLock::new(),
            cookies: OnceLock::new(),
        }))
    }
}

impl Request {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.draft.parts.method
    }

    /// The query string's parameters.
    #[must_use]
    pub fn args(&self) -> &MultiDict {
        self.0.args.get_or_init(|| MultiDict::parse(self.query_string().as_bytes()))
    }

    /// The fields of an urlencoded form; empty if the body is something else.
    ///
    /// # Errors
    /// 413 above 500 000 bytes, what [`Request::get_data`] says, and 415 for `multipart/form-data`, which this
    /// framework does not read.
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

    /// The body. It was read before the handler was called, if a rule matched.
    ///
    /// # Errors
    /// 413 if it is larger than the app's `max_content_length`, 400 if the client did not send all of it.
    pub fn get_data(&self) -> Result<&Bytes, HttpException> {
        match &self.0.data {
            Data::Read(bytes) => Ok(bytes),
            Data::TooLarge => Err(abort(413)),
            Data::Disconnected => Err(abort(400)),
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// 415 if its media type is not JSON, 400 if it cannot be read as a `T`, and what [`Request::get_data`] says.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpException> {
        let mimetype = self.mimetype();
        if mimetype != "application/json" && !(mimetype.starts_with("application/") && mimetype.ends_with("+json")) {
            return Err(abort(415));
        }
        serde_json::from_slice(self.get_data()?).map_err(|_| abort(400))
    }

    /// The header fields, by name; lines of one name in order.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.draft.parts.headers
    }

    /// A header field as WSGI shows it: its lines joined with commas.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let lines = self.headers().get_all(HeaderName::from_bytes(name.as_bytes()).ok()?);
        let mut lines = lines.iter().map(|line| latin1(line.as_bytes()));
        let first = lines.next()?;
        Some(lines.fold(first, |joined, line| Cow::Owned(format!("{joined},{line}"))))
    }

    /// The request line and the header lines as they arrived: in order, with duplicates and the case of names.
    ///
    /// Where the host of the app does not tell, they are put together from what it does: lines grouped by name, and
    /// names in lower case.
    #[must_use]
    pub fn arrived(&self) -> Arrived {
        if let Some(head) = self.extensions().get::<ArrivedHead>() {
            return head.into();
        }
        let parts = &self.0.draft.parts;
        let headers =
            self.headers().iter().map(|(name, value)| (name.to_string(), latin1(value.as_bytes()).into_owned()));
        Arrived {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            version: format!("{:?}", parts.version),
            headers: headers.collect(),
        }
    }

    /// The cookies that the client sent.
    ///
    /// Each Cookie line is read for itself; Flask sees what its server joined.
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

    /// The media type of the body, in lower case and without parameters; empty if there is none.
    #[must_use]
    pub fn mimetype(&self) -> String {
        let content_type = self.headers().get(CONTENT_TYPE).map(|value| latin1(value.as_bytes())).unwrap_or_default();
        content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The client's address, as the last trusted middleware has it; `None` if the host does not know it.
    #[must_use]
    pub fn remote_addr(&self) -> Option<Cow<'_, str>> {
        self.environ().remote_addr()
    }

    /// `http`, `https`, or whatever a trusted proxy said.
    #[must_use]
    pub fn scheme(&self) -> Cow<'_, str> {
        self.environ().scheme()
    }

    /// The host that was asked for, with its port unless that is the scheme's own; empty if it is no valid host.
    #[must_use]
    pub fn host(&self) -> Cow<'_, str> {
        self.environ().host()
    }

    /// Where the app is mounted, without a slash at the end.
    #[must_use]
    pub fn root_path(&self) -> Cow<'_, str> {
        self.environ().root_path()
    }

    /// The decoded path below the root path, with one slash in front.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.draft.path()
    }

    /// The path as it was sent, percent-encoding included.
    #[must_use]
    pub fn path_as_sent(&self) -> &str {
        self.0.draft.parts.uri.path()
    }

    /// What stands behind the `?`, as it was sent.
    #[must_use]
    pub fn query_string(&self) -> &str {
        self.0.draft.parts.uri.query().unwrap_or_default()
    }

    /// Scheme, host and root path, ending with a slash.
    #[must_use]
    pub fn url_root(&self) -> String {
        self.environ().with_url_parts(|parts| parts.url_root())
    }

    /// The URL without its query string.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.environ().with_url_parts(|parts| parts.base_url(self.path()))
    }

    /// The URL, readable: an IRI, as in Flask.
    #[must_use]
    pub fn url(&self) -> String {
        self.environ().with_url_parts(|parts| parts.url(self.path(), self.query_string()))
    }

    /// The keys that middleware may have changed, and what they were before.
    #[must_use]
    pub fn environ(&self) -> &Environ {
        &self.0.draft.environ
    }

    /// What the app sees of this request, in the words of the checks.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.environ().seen(self.path(), self.query_string())
    }

    /// What the host and the middleware put beside the request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.draft.parts.extensions
    }

    /// The endpoint of the rule that matched.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        let (index, _) = self.0.draft.matched.as_ref()?;
        Some(self.0.draft.shared.rules.endpoint(*index))
    }

    /// The variables of the rule that matched, in its order.
    pub fn view_args(&self) -> impl Iterator<Item = (&str, &PathValue)> {
        let matched = self.0.draft.matched.iter();
        matched.flat_map(|(index, values)| self.0.draft.shared.rules.variable_names(*index).zip(values))
    }

    /// The path of an endpoint, below the root path; values that its rule does not name become the query string.
    ///
    /// # Errors
    /// An unknown endpoint, or values that do not fill its rule.
    pub fn url_for(&self, endpoint: &str, values: &UrlValues<'_>) -> Result<String, BuildError> {
        let path = self.0.draft.shared.rules.build(endpoint, values)?;
        Ok(match self.root_path() {
            root if root.is_empty() => path,
            root => format!("{root}{path}"),
        })
    }

    /// The same with scheme and host: `url_for(…, _external=True)`.
    ///
    /// # Errors
    /// As [`Request::url_for`].
    pub fn url_for_external(&self, endpoint: &str, values: &UrlValues<'_>) -> Result<String, BuildError> {
        let path = self.url_for(endpoint, values)?;
        let scheme = if matches!(&*self.scheme(), "https" | "wss") { "https" } else { "http" };
        Ok(format!("{scheme}://{}{path}", self.host().to_ascii_lowercase()))
    }

    /// The absolute URL of a decoded path of this app with this request's query string: where a slash redirect goes.
    pub(super) fn url_of_path(&self, path: &str) -> String {
        let (scheme, host) = (self.scheme(), self.host().to_ascii_lowercase());
        let query = self.query_string();
        let question_mark = if query.is_empty() { "" } else { "?" };
        format!("{scheme}://{host}{}{}{question_mark}{query}", self.root_path(), url::quote(path, url::PATH))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0.draft.shared
    }

    pub(super) fn matched(&self) -> Option<&(usize, Vec<PathValue>)> {
        self.0.draft.matched.as_ref()
    }
}
