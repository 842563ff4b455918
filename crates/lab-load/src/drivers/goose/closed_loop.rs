//! The users of the closed loop: each sends a request, waits for the whole response, and sends the next at once; or
//! repeats a journey of several requests.
//!
//! goose launches the users and loops over their transaction; requests take its own request path. Its clock and its
//! counts are not used: it stops the clock at the response's head, counts in whole seconds, and does not classify
//! errors. All of its output is disabled.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::goose::GooseAttack;
use ::goose::client::GooseClientBuilder;
use ::goose::config::GooseConfiguration;
use ::goose::goose::GooseResponse;
use ::goose::prelude::{GooseError, GooseMethod, GooseRequest, GooseUser, Scenario, Transaction};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Url};
use tokio::sync::Notify;

use super::connect_watch::ConnectWatch;
use super::exchange::{client_builder, evaluated_exchange, exchange};
use crate::accounting::{Recorder, RequestOutcome, Window};
use crate::wire::{ErrorClass, Step, StepOutcome, StepText, Values};

/// The users, what they do, and the recorders of their requests.
#[derive(Debug)]
pub(super) struct ClosedLoop {
    url: Url,
    timeout: Duration,
    users: Vec<User>,
    steps: Vec<Step>,
    /// Records every request.
    pub(super) recorder: Recorder,
    /// Record the requests of each step as well.
    step_recorders: Vec<Recorder>,
    pauses: Mutex<Pauses>,
    started: AtomicUsize,
    all_started: Notify,
}

/// A user with a client of its own and so one kept-alive connection, as in a browser.
#[derive(Debug)]
struct User {
    client: Client,
    watch: ConnectWatch,
    /// Never held across an await; one user is one task.
    progress: Mutex<Progress>,
}

/// The pauses after requests as measured; a timer makes each a little longer than planned.
#[derive(Debug, Default)]
struct Pauses {
    requests: u32,
    sum: Duration,
}

/// A user's position on its journey.
#[derive(Debug, Clone, Default)]
struct Progress {
    step: usize,
    /// How often the step has been sent in a row.
    times: u32,
    values: Values,
}

impl ClosedLoop {
    /// `users` users of `url` who have not started. Each goes through `steps`, if there are any, with a client that
    /// `adapt` configures. To be run on a single-threaded runtime.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub(super) fn new(
        url: Url,
        users: usize,
        steps: Vec<Step>,
        timeout: Duration,
        adapt: impl Fn(ClientBuilder) -> ClientBuilder,
    ) -> Result<ClosedLoop, reqwest::Error> {
        let user = |_| {
            let watch = ConnectWatch::default();
            Ok(User { client: adapt(client_builder(&watch)).build()?, watch, progress: Mutex::default() })
        };
        Ok(ClosedLoop {
            url,
            timeout,
            users: (0..users).map(user).collect::<Result<_, reqwest::Error>>()?,
            step_recorders: steps.iter().map(|_| Recorder::default()).collect(),
            steps,
            pauses: Mutex::default(),
            recorder: Recorder::default(),
            started: AtomicUsize::new(0),
            all_started: Notify::new(),
        })
    }

    /// Sets the window, which must not have opened yet.
    pub(super) fn set_window(&self, window: Window) {
        self.recorder.set_window(window);
        self.step_recorders.iter().for_each(|recorder| recorder.set_window(window));
    }

    /// The outcome of each step, once the window has closed.
    pub(super) fn step_outcomes(&self) -> Vec<StepOutcome> {
        let counted = self.steps.iter().zip(&self.step_recorders).filter_map(|(step, recorder)| {
            let (ledger, _) = recorder.ledger()?;
            Some(StepOutcome {
                name: step.name.clone(),
                ok: ledger.ok,
                failed: ledger.failures(),
                service_time_us: ledger.service_time_us,
            })
        });
        counted.collect()
    }

    /// Mean pause after a request of a journey.
    pub(super) fn mean_pause(&self) -> Duration {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.sum.checked_div(pauses.requests).unwrap_or_default()
    }

    /// Runs the users for `duration` or a little longer. Dropping the future ends them earlier and cancels the requests
    /// under way. goose's durations are whole seconds, so the caller ends the window by its own clock.
    ///
    /// # Errors
    /// goose refuses its configuration or cannot run.
    pub(super) async fn attack(self: Arc<Self>, duration: Duration) -> Result<(), Box<GooseError>> {
        // goose logs a warning for every failed request, and has no option to stop it. A process keeps its first
        // logger; if there already is one, it takes precedence.
        let _ = log::set_logger(&NullLogger);
        let scenario = Scenario::new("lab")
            .register_transaction(self.clone().start_transaction())
            .register_transaction(self.clone().request_transaction());
        // One client for all users, because each user replaces it at once with its own.
        let shared_client = GooseClientBuilder::new().without_cookies();
        GooseAttack::initialize_with_config(self.configuration(duration)?)?
            .set_client_builder_without_cookies(shared_client)?
            .register_scenario(scenario)
            .execute()
            .await?;
        Ok(())
    }

    /// Waits until every user has started. Until then the load is not the planned one.
    pub(super) async fn all_started(&self) {
        self.all_started.notified().await;
    }

    /// The number of users that have started.
    pub(super) fn started(&self) -> usize {
        self.started.load(Ordering::Relaxed)
    }

    /// Connections opened so far: one for each user, and one more for each that the server closed.
    pub(super) fn connections_opened(&self) -> u64 {
        self.users.iter().map(|user| user.watch.opened()).sum()
    }

    fn configuration(&self, duration: Duration) -> Result<GooseConfiguration, Box<GooseError>> {
        let users = self.users.len().to_string();
        // goose launches users one after another at a rate per second; this rate starts all within a millisecond.
        let increase_rate = (self.users.len() * 1000).to_string();
        let run_time = (duration.as_secs() + 1).to_string();
        let origin = self.url.origin().ascii_serialization();
        let mut arguments = vec!["--host", &origin, "--users", &users];
        arguments.extend(["--increase-rate", &increase_rate, "--run-time", &run_time]);
        arguments.extend(["--no-metrics", "--no-print-metrics", "--no-telnet", "--no-gzip", "--quiet"]);
        Ok(GooseConfiguration::parse_args_default(&arguments)?)
    }

    fn user(&self, user: &GooseUser) -> &User {
        // goose numbers its users from 0 in launch order.
        &self.users[user.weighted_users_index % self.users.len()]
    }

    /// Gives each user its own client instead of the one goose built for it.
    fn start_transaction(self: Arc<Self>) -> Transaction {
        let start = move |user: &mut GooseUser| {
            user.client = self.user(user).client.clone();
            if self.started.fetch_add(1, Ordering::Relaxed) + 1 == self.users.len() {
                self.all_started.notify_one();
            }
        };
        Transaction::new(Arc::new(move |user| {
            start(user);
            Box::pin(async { Ok(()) })
        }))
        .set_on_start()
    }

    fn request_transaction(self: Arc<Self>) -> Transaction {
        Transaction::new(Arc::new(move |user| {
            let closed_loop = self.clone();
            Box::pin(async move {
                closed_loop.request(user).await;
                Ok(())
            })
        }))
    }

    async fn request(&self, user: &mut GooseUser) {
        let failed = if self.steps.is_empty() { self.request_url(user).await } else { self.request_step(user).await };
        if failed {
            // A refused connection fails without ever awaiting. Without this yield such a user would block the thread,
            // and the timer could never end the window.
            tokio::task::yield_now().await;
        }
    }

    /// The one request of a load without steps; true if it failed.
    async fn request_url(&self, user: &mut GooseUser) -> bool {
        let watch = &self.user(user).watch;
        let started = Instant::now();
        self.recorder.started(started);
        let request = user.client.get(self.url.clone());
        let outcome = exchange(send(self.url.path(), GooseMethod::Get, request, user), watch, self.timeout).await;
        let failed = !outcome.is_ok();
        self.recorder.ended(started, Instant::now(), outcome);
        failed
    }

    /// The next request of a user's journey, and the pause after it; true if it failed.
    async fn request_step(&self, user: &mut GooseUser) -> bool {
        let me = self.user(user);
        let mut progress = me.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (step, recorder) = (&self.steps[progress.step], &self.step_recorders[progress.step]);
        let request = self.build_request(step, &progress.values, user);
        let started = Instant::now();
        self.recorder.started(started);
        recorder.started(started);
        let outcome = match request {
            Ok((path, method, request)) => {
                let send = send(&path, method, request, user);
                let values = &mut progress.values;
                let evaluate = |response: &_| step.evaluate(response, values);
                evaluated_exchange(send, &me.watch, self.timeout, step.wants_body(), evaluate).await
            }
            Err(outcome) => outcome,
        };
        let failed = !outcome.is_ok();
        let ended = Instant::now();
        recorder.ended(started, ended, outcome.clone());
        self.recorder.ended(started, ended, outcome);
        progress.advance(&self.steps, failed);
        *me.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        if !step.think.is_zero() {
            tokio::time::sleep(step.think).await;
        }
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.requests = pauses.requests.saturating_add(1);
        pauses.sum += ended.elapsed();
        failed
    }

    /// A step's request, or the failure to build one.
    fn build_request(
        &self,
        step: &Step,
        values: &Values,
        user: &GooseUser,
    ) -> Result<(String, GooseMethod, RequestBuilder), RequestOutcome> {
        let impossible =
            |detail: String| RequestOutcome::Failed { class: ErrorClass::ClientOther, detail: Some(detail) };
        let fill = |text: &StepText| {
            text.fill(values).map_err(|name| impossible(format!("step `{}`: no value `{name}`", step.name)))
        };
        let path = fill(&step.target)?;
        let joined = self.url.join(&path).ok().filter(|url| url.origin() == self.url.origin());
        // A value from a response may point anywhere; if it points away from the stack, the response is wrong.
        let url = joined.ok_or(RequestOutcome::failed(ErrorClass::CheckFailed))?;
        let (method, goose_method) = match step.method.as_str() {
            "GET" => (Method::GET, GooseMethod::Get),
            "POST" => (Method::POST, GooseMethod::Post),
            "PUT" => (Method::PUT, GooseMethod::Put),
            "PATCH" => (Method::PATCH, GooseMethod::Patch),
            "DELETE" => (Method::DELETE, GooseMethod::Delete),
            "HEAD" => (Method::HEAD, GooseMethod::Head),
            other => return Err(impossible(format!("step `{}`: no method `{other}`", step.name))),
        };
        let mut request = user.client.request(method, url);
        for (name, value) in &step.headers {
            request = request.header(name, fill(value)?);
        }
        let body = fill(&step.body)?;
        if !body.is_empty() {
            request = request.body(body);
        }
        Ok((path, goose_method, request))
    }
}

impl Progress {
    /// Moves to the next request; after the last or a failed one to the first, without any values.
    fn advance(&mut self, steps: &[Step], failed: bool) {
        self.times += 1;
        if !failed && self.times < steps[self.step].times.get() {
            return;
        }
        self.times = 0;
        self.step += 1;
        if failed || self.step == steps.len() {
            *self = Progress::default();
        }
    }
}

struct NullLogger;

impl log::Log for NullLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

async fn send(
    path: &str,
    method: GooseMethod,
    request: RequestBuilder,
    user: &mut GooseUser,
) -> Result<reqwest::Response, Box<dyn Error + Send + Sync>> {
    let request = GooseRequest::builder().method(method).path(path).set_request_builder(request).build();
    let GooseResponse { response, .. } = user.request(request).await?;
    Ok(response?)
}
