//! The call of the application: from an environ to a response that has left, or is ready to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lab_http::encode::LengthError;
use lab_http::extensions::ArrivedHead;
use lab_worker::response::Asked;
use lab_worker::wsgi::environ::{EnvironError, Policy};
use lab_worker::wsgi::response::Started;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyTuple};
use pyo3::{ffi, intern};

use crate::body::{Body, Failure, Remains};
use crate::environ::Environs;
use crate::file_wrapper::FileWrapper;
use crate::input::Input;
use crate::outbox::{Outbox, Ticket};
use crate::outlet::{Outlet, Socket};
use crate::response::{FilePart, Response, Rest};
use crate::start_response::{StartResponse, not_bytes};

/// What all calls of one worker share.
pub(crate) struct Application {
    pub(crate) callable: Py<PyAny>,
    pub(crate) environs: Environs,
    pub(crate) policy: Policy,
    /// Variables of the environ that the access log wants.
    pub(crate) recorded: Vec<String>,
}

/// What all calls on one connection share.
pub(crate) struct Client {
    pub(crate) environ: Py<PyDict>,
    pub(crate) is_trusted: bool,
}

/// One request, ready to be called with.
pub(crate) struct Job {
    pub(crate) client: Arc<Client>,
    pub(crate) arrived: ArrivedHead,
    pub(crate) body: Body,
    pub(crate) asked: Asked,
    /// Whether another request may follow, as far as the client and the worker are concerned.
    pub(crate) persistent: bool,
    pub(crate) socket: Socket,
    /// Empty; its memory is used.
    pub(crate) buffer: Vec<u8>,
    /// How long the client may not read.
    pub(crate) patience: Duration,
    /// Where quick answers wait for each other, if they do.
    pub(crate) outbox: Option<Outbox>,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    /// For an answer that waits to be sent with others.
    pub(crate) ticket: Option<Ticket>,
    /// Bytes still to be written behind that.
    pub(crate) buffer: Vec<u8>,
    pub(crate) file: Option<FilePart>,
    /// Bytes of content.
    pub(crate) sent: u64,
    /// The head that was sent.
    pub(crate) head: Option<Started>,
    /// The variables of the environ that the access log wants.
    pub(crate) recorded: Vec<(String, String)>,
    /// What is left of a body that its client was to be asked for.
    pub(crate) remains: Option<Remains>,
}

/// How a call ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The response is complete, and another request may follow.
    Persist,
    /// The response is as complete as it gets, and the connection ends with it.
    Close,
    /// There is no response, because the application failed.
    Failed,
    /// The application was not called.
    Refused(EnvironError),
}

/// Why a response was not completed.
enum Broken {
    /// The application raised, or gave what is no response.
    Raised(PyErr),
    /// The client is gone, or too slow.
    Gone,
}

impl Application {
    /// Calls the application, and sends what it answers as far as the client takes it. Whatever the application does,
    /// it ends here: every exception is logged, and none is passed on.
    pub(crate) fn call(&self, py: Python<'_>, job: Job) -> Outcome {
        let head = job.arrived.head();
        let judged = match lab_http::connection::judge_request(head) {
            Ok(judged) => judged,
            Err(refusal) => return Outcome::refused(refusal.into()),
        };
        let variables = match self.policy.variables(head, &judged.target, job.client.is_trusted) {
            Ok(variables) => variables,
            Err(error) => return Outcome::refused(error),
        };
        let expectation = if let Body::Unasked(unasked) = &job.body { Some(unasked.expectation.clone()) } else { None };
        let awaits_body = expectation.is_some();
        let outlet = Outlet::new(job.socket, job.buffer, job.patience, job.outbox);
        let response = Response::new(job.asked, job.persistent, expectation, outlet);
        let prepared = (|| {
            let input = Bound::new(py, Input::new(job.body))?;
            let connection = job.client.environ.bind(py);
            let environ = self.environs.of_request(connection, head, &variables, input.clone().into_any())?;
            Ok::<_, PyErr>((input, environ, Bound::new(py, StartResponse::new(response))?))
        })();
        let (input, environ, start_response) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                report(py, &job.arrived, &error);
                return Outcome::without_response();
            }
        };
        let answered = self.answer(&environ, &start_response, &job.arrived);
        let recorded = self.record(&environ);
        let remains = if awaits_body { input.get().reclaim(py) } else { None };
        let Some(response) = start_response.get().end(py) else {
            let (method, target) = (job.arrived.method(), job.arrived.target());
            tracing::error!("{method} {target}: the application has ended, and a thread of it is still sending");
            // Nothing can be said any more: a response is on its way.
            return Outcome { ending: Ending::Close, recorded, remains, ..Outcome::without_response() };
        };
        let outcome = conclude(py, answered, response, &job.arrived);
        Outcome { recorded, remains, ..outcome }
    }

    /// Calls the application and sends its iterable, which is closed in any case.
    fn answer(
        &self,
        environ: &Bound<'_, PyDict>,
        start_response: &Bound<'_, StartResponse>,
        arrived: &ArrivedHead,
    ) -> Result<(), Broken> {
        let py = environ.py();
        let iterable = self.callable.bind(py).call1((environ, start_response))?;
        if let Ok(list) = iterable.cast_exact::<PyList>() {
            // Nothing is produced any more, and there is nothing to close.
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
            report(py, arrived, &error);
        }
        sent
    }

    fn record(&self, environ: &Bound<'_, PyDict>) -> Vec<(String, String)> {
        let value = |name: &String| {
            let found = environ.iter().find(|(key, _)| key.to_string().eq_ignore_ascii_case(name))?;
            Some((name.clone(), found.1.to_string()))
        };
        self.recorded.iter().filter_map(value).collect()
    }
}

/// Sends content that is all there.
fn send_all<'py, I>(py: Python<'py>, start_response: &StartResponse, items: impl Fn() -> I) -> Result<(), Broken>
where
    I: Iterator<Item = Bound<'py, PyAny>>,
{
    let mut size = 0;
    for item in items() {
        size += content(&item)?.as_bytes().len() as u64;
    }
    start_response.with(py, |response| {
        if !response.is_started() {
            return Err(Broken::Raised(not_started()));
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

/// Sends content as it is produced: each piece before the next is asked for.
fn send_each(start_response: &StartResponse, iterable: &Bound<'_, PyAny>) -> Result<(), Broken> {
    let py = iterable.py();
    let is_only_one = known_length(iterable)? == Some(1);
    let mut pieces: Bound<'_, PyIterator> = iterable.try_iter()?;
    for piece in &mut pieces {
        let piece = piece?;
        let piece = content(&piece)?.as_bytes();
        // The head waits for the first content: until then the application may change it.
        if piece.is_empty() && !start_response.with(py, |response| response.is_committed())? {
            continue;
        }
        let (is_backlogged, is_bodyless) = start_response.with(py, |response| {
            if !response.is_started() {
                return Err(Broken::Raised(not_started()));
            }
            response.commit(is_only_one.then_some(piece.len() as u64));
            response.push(piece)?;
            response.send()?;
            Ok((response.is_backlogged(), response.is_bodyless()))
        })??;
        if is_backlogged {
            start_response.wait(py)?;
        }
        // Nothing of it is sent, and it may be endless.
        if is_bodyless {
            return Ok(());
        }
    }
    if start_response.with(py, |response| response.is_started())? { Ok(()) } else { Err(Broken::Raised(not_started())) }
}

/// Leaves a file to the loop to send; one that is none is read like any iterable.
fn send_file(start_response: &StartResponse, wrapper: &Bound<'_, FileWrapper>) -> Result<(), Broken> {
    let py = wrapper.py();
    let is_ready = start_response.with(py, |response| response.is_started() && !response.is_committed())?;
    let part = if is_ready { wrapper.get().file_part(py) } else { None };
    match part {
        Some(part) => Ok(start_response.with(py, |response| response.push_file(part))??),
        None => send_each(start_response, wrapper.as_any()),
    }
}

/// Turns what the application left behind into what the loop is to do.
fn conclude(py: Python<'_>, answered: Result<(), Broken>, mut response: Response, arrived: &ArrivedHead) -> Outcome {
    let ending = match answered {
        Ok(()) => match response.finish() {
            Ok(()) => Ending::Persist,
            Err(error) => {
                let says = if matches!(error, LengthError::TooLong) { "longer" } else { "shorter" };
                tracing::error!(
                    "{} {}: the response is {says} than its Content-Length",
                    arrived.method(),
                    arrived.target()
                );
                Ending::Close
            }
        },
        Err(Broken::Raised(error)) => {
            report(py, arrived, &error);
            if response.is_committed() { Ending::Close } else { Ending::Failed }
        }
        Err(Broken::Gone) => {
            tracing::debug!("{} {}: the client is gone", arrived.method(), arrived.target());
            return Outcome { ending: Ending::Close, ..Outcome::new(response.into_rest().without_bytes()) };
        }
    };
    let rest = response.into_rest();
    let ending = if ending == Ending::Persist && !rest.persistent { Ending::Close } else { ending };
    Outcome { ending, ..Outcome::new(rest) }
}

impl Outcome {
    fn new(rest: Rest) -> Outcome {
        Outcome {
            ending: Ending::Failed,
            ticket: rest.ticket,
            buffer: rest.buffer,
            file: rest.file,
            sent: rest.sent,
            head: rest.head,
            recorded: Vec::new(),
            remains: None,
        }
    }

    /// The application, or what stands between it and its caller, failed before it could answer.
    pub(crate) fn without_response() -> Outcome {
        Outcome {
            ending: Ending::Failed,
            ticket: None,
            buffer: Vec::new(),
            file: None,
            sent: 0,
            head: None,
            recorded: Vec::new(),
            remains: None,
        }
    }

    fn refused(error: EnvironError) -> Outcome {
        Outcome { ending: Ending::Refused(error), ..Outcome::without_response() }
    }

    /// What was wrong about the body, if it could not be read.
    pub(crate) fn body_failure(&self) -> Option<Failure> {
        if let Some(Remains::Failed(failure)) = &self.remains { Some(*failure) } else { None }
    }
}

/// Logs what the application raised, with its traceback.
fn report(py: Python<'_>, arrived: &ArrivedHead, error: &PyErr) {
    tracing::error!("{} {}: the application raised", arrived.method(), arrived.target());
    error.display(py);
}

fn content<'a, 'py>(item: &'a Bound<'py, PyAny>) -> Result<&'a Bound<'py, PyBytes>, Broken> {
    item.cast::<PyBytes>().map_err(|_| Broken::Raised(not_bytes("the application's iterable has", item)))
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

/// The length of an iterable that has one.
fn known_length(iterable: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    // SAFETY: a type lives as long as its objects, and its slots are filled when it is ready.
    let has_length = unsafe {
        let slots = |object: *mut ffi::PyObject| {
            let of_type = ffi::Py_TYPE(object);
            ((*of_type).tp_as_sequence, (*of_type).tp_as_mapping)
        };
        let (sequence, mapping) = slots(iterable.as_ptr());
        (!sequence.is_null() && (*sequence).sq_length.is_some())
            || (!mapping.is_null() && (*mapping).mp_length.is_some())
    };
    if has_length { iterable.len().map(Some) } else { Ok(None) }
}

impl From<PyErr> for Broken {
    fn from(error: PyErr) -> Broken {
        Broken::Raised(error)
    }
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Broken {
        Broken::Gone
    }
}
