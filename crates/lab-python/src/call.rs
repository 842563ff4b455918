//! The call of the application: from a request to a response that is sent, or as far as its client accepts it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab_http::h1::encode::LengthError;
use lab_http::message::extensions::{ConnectionInfo, RawHead};
use lab_net::proxy_protocol::Addresses;
use lab_worker::response::RequestMeta;
use lab_worker::wsgi::environ::{EnvironError, Policy};
use lab_worker::wsgi::response::WsgiResponseHead;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyTuple};
use pyo3::{ffi, intern};

use crate::client_socket::ClientSocket;
use crate::completed_request::LoggedEnviron;
use crate::environ::EnvironBuilder;
use crate::error_log;
use crate::file_wrapper::FileWrapper;
use crate::fork;
use crate::hub::Hub;
use crate::request_body::{BodyFailure, BodyRemainder, RequestBody};
use crate::response::{FileRange, Response, UnsentResponse};
use crate::response_batch::ResponseBatch;
use crate::response_writer::{ResponseWriter, SendLimits, UnsentBytes};
use crate::start_response::{StartResponse, WaitError, not_bytes};
use crate::upgrade;
use crate::wsgi_input::WsgiInput;

/// How long one response may be sent before other greenlets get a turn, if the application and its client never wait.
const TURN: Duration = Duration::from_millis(10);

/// The application of a worker, with everything that all calls share.
pub(crate) struct Application {
    pub(crate) callable: Py<PyAny>,
    pub(crate) environs: EnvironBuilder,
    pub(crate) policy: Policy,
    /// Environ variables that the access log names.
    pub(crate) logged_variables: Vec<String>,
    /// The hub, if calls are greenlets.
    pub(crate) hub: Option<Arc<Hub>>,
    /// Whether the access log needs whole environs.
    pub(crate) logs_environs: bool,
}

/// What all calls of one connection share.
pub(crate) struct ConnectionContext {
    info: ConnectionInfo,
    proxied: Option<Addresses>,
    pub(crate) is_trusted: bool,
    /// Made by the first call, because the event loop may be on a thread that must not wait for the interpreter.
    environ: PyOnceLock<Py<PyDict>>,
}

/// One request that is ready for the application.
pub(crate) struct Call {
    pub(crate) connection: Arc<ConnectionContext>,
    pub(crate) arrived: RawHead,
    pub(crate) body: RequestBody,
    pub(crate) meta: RequestMeta,
    /// Whether client and worker allow another request on the connection.
    pub(crate) keep_alive: bool,
    pub(crate) socket: ClientSocket,
    /// An empty buffer, to reuse its memory.
    pub(crate) buffer: Vec<u8>,
    pub(crate) send_limits: SendLimits,
    /// None to send every response at once.
    pub(crate) batch: Option<ResponseBatch>,
}

/// The result of a call. `unsent` and `file` are the unsent parts of the response, in this order.
pub(crate) struct CallResult {
    pub(crate) outcome: CallOutcome,
    pub(crate) unsent: UnsentBytes,
    pub(crate) file: Option<FileRange>,
    /// Bytes of content in the whole response.
    pub(crate) sent_bytes: u64,
    /// The head, if the response has begun.
    pub(crate) head: Option<WsgiResponseHead>,
    /// What the access log needs of the environ.
    pub(crate) logged_variables: LoggedEnviron,
    /// What became of a body with `Expect: 100-continue`.
    pub(crate) body_remainder: Option<BodyRemainder>,
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// The response is complete, and another request may follow.
    KeepAlive,
    /// The response is complete or was cut off, and the connection must close.
    Close,
    /// The application failed before its response began.
    Failed,
    /// The application was not called.
    Refused(EnvironError),
    /// The application took over the connection and has left it.
    TakenOver,
}

/// Why a response is incomplete.
enum ResponseError {
    /// The application raised, or its response is invalid.
    Raised(PyErr),
    /// The client is gone, or too slow.
    ClientGone,
}

impl ConnectionContext {
    pub(crate) fn new(info: ConnectionInfo, proxied: Option<Addresses>, is_trusted: bool) -> ConnectionContext {
        ConnectionContext { info, proxied, is_trusted, environ: PyOnceLock::new() }
    }

    fn environ(&self, py: Python<'_>, environs: &EnvironBuilder) -> PyResult<&Py<PyDict>> {
        self.environ.get_or_try_init(py, || environs.for_connection(py, &self.info, self.proxied))
    }
}

impl Application {
    /// Calls the application and sends its response as far as the client accepts it. Every exception is logged here; none
    /// is passed on.
    pub(crate) fn call(&self, py: Python<'_>, call: Call) -> CallResult {
        let head = call.arrived.head();
        let valid = match lab_http::h1::request::validate_request(head) {
            Ok(valid) => valid,
            Err(refusal) => return CallResult::refused(refusal.into()),
        };
        let variables = match self.policy.variables(head, &valid.target, call.connection.is_trusted) {
            Ok(variables) => variables,
            Err(error) => return CallResult::refused(error),
        };
        let (expectation, is_reclaimed) = match &call.body {
            RequestBody::Empty => (None, false),
            RequestBody::Received(body) => (None, body.is_in_file()),
            RequestBody::AwaitingContinue(body) => (Some(body.expectation.clone()), true),
        };
        let upgraded = upgrade::requested(head, &call.socket);
        let writer = ResponseWriter::new(call.socket, call.buffer, call.send_limits, call.batch);
        let response = Response::new(call.meta, call.keep_alive, expectation, writer);
        let prepared = (|| {
            let input = Bound::new(py, WsgiInput::new(call.body))?;
            let connection = call.connection.environ(py, &self.environs)?.bind(py);
            let environ = self.environs.for_request(connection, head, &variables, input.clone().into_any())?;
            upgraded.as_ref().map_or(Ok(()), |client| upgrade::offer(&environ, client))?;
            Ok::<_, PyErr>((input, environ, Bound::new(py, StartResponse::new(response, self.hub.clone()))?))
        })();
        let (input, environ, start_response) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                log_exception(py, &call.arrived, &error);
                return CallResult::without_response();
            }
        };
        let responded = self.respond(&environ, &start_response, &call.arrived);
        if fork::is_copy() {
            if let Some(hub) = &self.hub
                && let Err(error) = hub.stop_bystander(py)
            {
                error.display(py);
            }
            fork::end_copy(py, if let Err(ResponseError::Raised(error)) = &responded { Some(error) } else { None });
        }
        let logged_variables = self.logged_variables(&environ);
        let body_remainder = if is_reclaimed { input.get().reclaim(py) } else { None };
        let Some(response) = start_response.get().end(py) else {
            let (method, target) = (call.arrived.method(), call.arrived.target());
            tracing::error!("{method} {target}: the application has ended, and one of its threads is still sending");
            // The response has begun, so no error response can be sent.
            let outcome = CallOutcome::Close;
            return CallResult { outcome, logged_variables, body_remainder, ..CallResult::without_response() };
        };
        if let Err(ResponseError::Raised(error)) = &responded
            && upgraded.is_some()
            && !response.is_committed()
            && upgrade::is_taken_over(py, error)
        {
            return CallResult::new(CallOutcome::TakenOver, response.into_unsent(py).discard());
        }
        let result = conclude(py, responded, response, &call.arrived);
        CallResult { logged_variables, body_remainder, ..result }
    }

    /// Calls the application and sends its iterable, which is closed in any case.
    fn respond(
        &self,
        environ: &Bound<'_, PyDict>,
        start_response: &Bound<'_, StartResponse>,
        arrived: &RawHead,
    ) -> Result<(), ResponseError> {
        let py = environ.py();
        let iterable = self.callable.bind(py).call1((environ, start_response))?;
        if fork::is_copy() {
            return Ok(());
        }
        if let Ok(list) = iterable.cast_exact::<PyList>() {
            // A list is complete and has no close method.
            return send_all(py, start_response.get(), || list.iter());
        }
        if let Ok(tuple) = iterable.cast_exact::<PyTuple>() {
            return send_all(py, start_response.get(), || tuple.iter());
        }
        let sent = match iterable.cast_exact::<FileWrapper>() {
            Ok(wrapper) => send_file(start_response.get(), wrapper),
            Err(_) => send_each(start_response.get(), &iterable),
        };
        if let Err(error) = close(&iterable) {
            log_exception(py, arrived, &error);
        }
        sent
    }

    fn logged_variables(&self, environ: &Bound<'_, PyDict>) -> LoggedEnviron {
        let value = |name: &String| {
            let found = environ.iter().find(|(key, _)| key.to_string().eq_ignore_ascii_case(name))?;
            Some((name.clone(), found.1.to_string()))
        };
        LoggedEnviron {
            variables: self.logged_variables.iter().filter_map(value).collect(),
            whole: self.logs_environs.then(|| environ.clone().unbind()),
        }
    }
}

/// Sends content that is complete.
fn send_all<'py, I>(py: Python<'py>, start_response: &StartResponse, items: impl Fn() -> I) -> Result<(), ResponseError>
where
    I: Iterator<Item = Bound<'py, PyAny>>,
{
    let mut size = 0;
    for item in items() {
        size += content(&item)?.as_bytes().len() as u64;
    }
    start_response.with(py, |response| {
        if !response.is_started() {
            return Err(ResponseError::Raised(not_started()));
        }
        response.commit(Some(size));
        let mut items = items().peekable();
        while let Some(item) = items.next() {
            let content = content(&item)?;
            if items.peek().is_some() { response.push(content.as_bytes())? } else { response.push_last(content)? }
        }
        Ok(response.send()?)
    })?
}

/// Sends content as it is produced. PEP 3333 requires each piece to be sent before the next one is requested.
fn send_each(start_response: &StartResponse, iterable: &Bound<'_, PyAny>) -> Result<(), ResponseError> {
    let py = iterable.py();
    let is_only_one = known_length(iterable)? == Some(1);
    let mut pieces: Bound<'_, PyIterator> = iterable.try_iter()?;
    let mut turn = start_response.hub().map(|hub| (hub, Instant::now()));
    for piece in &mut pieces {
        let piece = piece?;
        if fork::is_copy() {
            return Ok(());
        }
        let piece = content(&piece)?.as_bytes();
        // PEP 3333: the head must not be sent before the first content that is not empty; until then the application may
        // replace it.
        if piece.is_empty() && !start_response.with(py, |response| response.is_committed())? {
            continue;
        }
        let (is_backlogged, is_complete) = start_response.with(py, |response| {
            if !response.is_started() {
                return Err(ResponseError::Raised(not_started()));
            }
            response.commit(is_only_one.then_some(piece.len() as u64));
            response.push(piece)?;
            response.send()?;
            Ok((response.is_backlogged(), response.is_bodyless() || response.is_too_long()))
        })??;
        if is_backlogged {
            start_response.wait(py)?;
        }
        // Content that is not sent may be endless.
        if is_complete {
            return Ok(());
        }
        if let Some((hub, began)) = &mut turn
            && began.elapsed() > TURN
        {
            hub.give_way(py)?;
            *began = Instant::now();
        }
    }
    if start_response.with(py, |response| response.is_started())? {
        Ok(())
    } else {
        Err(ResponseError::Raised(not_started()))
    }
}

/// Leaves a file to the event loop. An object that is not a plain file is read like any iterable.
fn send_file(start_response: &StartResponse, wrapper: &Bound<'_, FileWrapper>) -> Result<(), ResponseError> {
    let py = wrapper.py();
    let is_ready = start_response.with(py, |response| response.is_started() && !response.is_committed())?;
    let range = if is_ready { wrapper.get().file_range(py) } else { None };
    match range {
        Some(range) => Ok(start_response.with(py, |response| response.set_file(range))??),
        None => send_each(start_response, wrapper.as_any()),
    }
}

/// Completes the response, and decides what the event loop does next.
fn conclude(
    py: Python<'_>,
    responded: Result<(), ResponseError>,
    mut response: Response,
    arrived: &RawHead,
) -> CallResult {
    let outcome = match responded {
        Ok(()) => match response.finish() {
            Ok(()) => CallOutcome::KeepAlive,
            // The client got as much as was announced, so the next response begins where it expects it.
            Err(LengthError::TooLong) => {
                let (method, target) = (arrived.method(), arrived.target());
                tracing::error!("{method} {target}: the response is longer than its Content-Length, and was cut");
                CallOutcome::KeepAlive
            }
            Err(LengthError::TooShort(_)) => {
                let (method, target) = (arrived.method(), arrived.target());
                tracing::error!("{method} {target}: the response is shorter than its Content-Length");
                CallOutcome::Close
            }
        },
        Err(ResponseError::Raised(error)) => {
            log_exception(py, arrived, &error);
            if response.is_committed() { CallOutcome::Close } else { CallOutcome::Failed }
        }
        Err(ResponseError::ClientGone) => {
            tracing::debug!("{} {}: the client is gone", arrived.method(), arrived.target());
            return CallResult::new(CallOutcome::Close, response.into_unsent(py).discard());
        }
    };
    let unsent = response.into_unsent(py);
    let must_close = outcome == CallOutcome::KeepAlive && !unsent.keep_alive;
    CallResult::new(if must_close { CallOutcome::Close } else { outcome }, unsent)
}

impl CallResult {
    fn new(outcome: CallOutcome, unsent: UnsentResponse) -> CallResult {
        CallResult {
            outcome,
            unsent: unsent.bytes,
            file: unsent.file,
            sent_bytes: unsent.sent_bytes,
            head: unsent.head,
            logged_variables: LoggedEnviron::default(),
            body_remainder: None,
        }
    }

    /// A failure before the response began, of the application or of this crate.
    pub(crate) fn without_response() -> CallResult {
        CallResult {
            outcome: CallOutcome::Failed,
            unsent: UnsentBytes::default(),
            file: None,
            sent_bytes: 0,
            head: None,
            logged_variables: LoggedEnviron::default(),
            body_remainder: None,
        }
    }

    fn refused(error: EnvironError) -> CallResult {
        CallResult { outcome: CallOutcome::Refused(error), ..CallResult::without_response() }
    }

    /// Why the body could not be read, if it could not.
    pub(crate) fn body_failure(&self) -> Option<BodyFailure> {
        if let Some(BodyRemainder::Failed(failure)) = &self.body_remainder { Some(*failure) } else { None }
    }
}

/// Logs an exception of the application with its traceback.
fn log_exception(py: Python<'_>, arrived: &RawHead, error: &PyErr) {
    error_log::exception(py, &format!("{} {}: the application raised", arrived.method(), arrived.target()), error);
}

fn content<'a, 'py>(item: &'a Bound<'py, PyAny>) -> Result<&'a Bound<'py, PyBytes>, ResponseError> {
    item.cast::<PyBytes>().map_err(|_| ResponseError::Raised(not_bytes("the application's iterable has", item)))
}

fn not_started() -> PyErr {
    PyRuntimeError::new_err("the application has content to send and did not call start_response")
}

/// Calls `close`, if there is one (PEP 3333: "it must be called, whether the request was completed or not").
fn close(iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    match iterable.getattr_opt(intern!(iterable.py(), "close"))? {
        Some(close) => close.call0().map(|_| ()),
        None => Ok(()),
    }
}

/// The length of an iterable, if it has one. Looking at the slots of its type is cheaper than `len()`, which raises an
/// exception for a generator.
fn known_length(iterable: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    // SAFETY: a type lives as long as its objects, and the slots of a ready type are final.
    let has_length = unsafe {
        let slots = |object: *mut ffi::PyObject| {
            let object_type = ffi::Py_TYPE(object);
            ((*object_type).tp_as_sequence, (*object_type).tp_as_mapping)
        };
        let (sequence, mapping) = slots(iterable.as_ptr());
        (!sequence.is_null() && (*sequence).sq_length.is_some())
            || (!mapping.is_null() && (*mapping).mp_length.is_some())
    };
    if has_length { iterable.len().map(Some) } else { Ok(None) }
}

impl From<PyErr> for ResponseError {
    fn from(error: PyErr) -> ResponseError {
        ResponseError::Raised(error)
    }
}

impl From<WaitError> for ResponseError {
    fn from(error: WaitError) -> ResponseError {
        match error {
            WaitError::Client(error) => error.into(),
            WaitError::Raised(error) => error.into(),
        }
    }
}

impl From<io::Error> for ResponseError {
    fn from(_: io::Error) -> ResponseError {
        ResponseError::ClientGone
    }
}
