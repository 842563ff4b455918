//! The closed loop, on goose: each user asks, waits for the whole answer, and asks again at once; or goes on a journey
//! of several requests, over and over.
//!
//! goose launches the users and loops over their transaction; requests go through its own request path. Its clock
//! and its counts are not used: it takes the time when the answer's head arrives, counts in whole seconds, and knows
//! no classes of errors. Everything it would print or write is off.

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

use crate::exchange::{ConnectWatch, client_builder, exchange, judged_exchange};
use crate::journey::{Step, Text, Values};
use crate::ledger::ErrorClass;
use crate::protocol::StepOutcome;
use crate::recorder::{Outcome, Recorder, Window};

/// What the users do, and what becomes of it.
#[derive(Debug)]
pub struct ClosedLoop {
    url: Url,
    timeout: Duration,
    users: Vec<User>,
    steps: Vec<Step>,
    /// Where every request ends up.
    pub recorder: Recorder,
    /// Where those of each step end up as well.
    step_recorders: Vec<Recorder>,
    pauses: Mutex<Pauses>,
    started: AtomicUsize,
    all_started: Notify,
}

/// One user has one client and with it one kept-alive connection, as a browser has.
#[derive(Debug)]
struct User {
    client: Client,
    watch: ConnectWatch,
    /// Held for the time of a look, never across a wait; one user is one task.
    progress: Mutex<Progress>,
}

/// The time behind requests; a pause lasts a little longer than it was asked for.
#[derive(Debug, Default)]
struct Pauses {
    requests: u32,
    sum: Duration,
}

/// Where a user is on its journey.
#[derive(Debug, Clone, Default)]
struct Progress {
    step: usize,
    /// How often the step has been asked in a row.
    times: u32,
    values: Values,
}

impl ClosedLoop {
    /// `users` users of `url`, none of them started, who go through `steps` if there are any, each with a client that
    /// `adapt` has made fit for it. To be run on a runtime of one thread.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(
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
    pub fn set_window(&self, window: Window) {
        self.recorder.set_window(window);
        self.step_recorders.iter().for_each(|recorder| recorder.set_window(window));
    }

    /// What each step came to; to be asked for after the window has closed.
    #[must_use]
    pub fn step_outcomes(&self) -> Vec<StepOutcome> {
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

    /// Mean pause behind a request of a journey.
    #[must_use]
    pub fn mean_pause(&self) -> Duration {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.sum.checked_div(pauses.requests).unwrap_or_default()
    }

    /// Lets the users loose for `lasting` or a little more; ends earlier when the future is dropped, which cuts the
    /// requests under way. The durations of goose are whole seconds, so the caller ends the window by its own clock.
    ///
    /// # Errors
    /// goose refuses its configuration or cannot run.
    pub async fn attack(self: Arc<Self>, lasting: Duration) -> Result<(), Box<GooseError>> {
        // goose logs a warning for every failed request, and no option of its own stops it. The first logger of a
        // process stays; if there is one already, somebody else has decided.
        let _ = log::set_logger(&Silence);
        let scenario = Scenario::new("lab")
            .register_transaction(self.clone().start_transaction())
            .register_transaction(self.clone().request_transaction());
        // One client for all of them, because every user gets another one at once.
        let shared_client = GooseClientBuilder::new().without_cookies();
        GooseAttack::initialize_with_config(self.configuration(lasting)?)?
            .set_client_builder_without_cookies(shared_client)?
            .register_scenario(scenario)
            .execute()
            .await?;
        Ok(())
    }

    /// Waits until every user has started. Until then the load is not the one that was asked for.
    pub async fn all_started(&self) {
        self.all_started.notified().await;
    }

    /// How many users have started.
    #[must_use]
    pub fn started(&self) -> usize {
        self.started.load(Ordering::Relaxed)
    }

    /// Connections opened so far: one for each user, and one more for each that the server closed.
    #[must_use]
    pub fn connections_opened(&self) -> u64 {
        self.users.iter().map(|user| user.watch.opened()).sum()
    }

    fn configuration(&self, lasting: Duration) -> Result<GooseConfiguration, Box<GooseError>> {
        let users = self.users.len().to_string();
        // goose launches users one after another, at a rate per second: all of them within a millisecond.
        let increase_rate = (self.users.len() * 1000).to_string();
        let run_time = (lasting.as_secs() + 1).to_string();
        let origin = self.url.origin().ascii_serialization();
        let mut arguments = vec!["--host", &origin, "--users", &users];
        arguments.extend(["--increase-rate", &increase_rate, "--run-time", &run_time]);
        arguments.extend(["--no-metrics", "--no-print-metrics", "--no-telnet", "--no-gzip", "--quiet"]);
        Ok(GooseConfiguration::parse_args_default(&arguments)?)
    }

    fn user(&self, user: &GooseUser) -> &User {
        // goose numbers its users from 0 in the order in which they are launched.
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
        let failed = if self.steps.is_empty() { self.ask_url(user).await } else { self.go_on(user).await };
        if failed {
            // A refused connection fails without ever waiting; without a break such a user would keep the thread
            // to itself, and the clock from ever ending the window.
            tokio::task::yield_now().await;
        }
    }

    /// The one request of a load without steps; true if it failed.
    async fn ask_url(&self, user: &mut GooseUser) -> bool {
        let watch = &self.user(user).watch;
        let started = Instant::now();
        self.recorder.started(started);
        let request = user.client.get(self.url.clone());
        let outcome = exchange(send(self.url.path(), GooseMethod::Get, request, user), watch, self.timeout).await;
        let failed = matches!(outcome, Outcome::Failed { .. });
        self.recorder.ended(started, Instant::now(), outcome);
        failed
    }

    /// The next request of a user's journey, and the pause behind it; true if it failed.
    async fn go_on(&self, user: &mut GooseUser) -> bool {
        let me = self.user(user);
        let mut progress = me.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (step, recorder) = (&self.steps[progress.step], &self.step_recorders[progress.step]);
        let request = self.request_of(step, &progress.values, user);
        let started = Instant::now();
        self.recorder.started(started);
        recorder.started(started);
        let outcome = match request {
            Ok((path, method, request)) => {
                let send = send(&path, method, request, user);
                let values = &mut progress.values;
                judged_exchange(send, &me.watch, self.timeout, step.wants_body(), |answer| step.judge(answer, values))
                    .await
            }
            Err(outcome) => outcome,
        };
        let failed = matches!(outcome, Outcome::Failed { .. });
        let ended = Instant::now();
        recorder.ended(started, ended, outcome.clone());
        self.recorder.ended(started, ended, outcome);
        progress.move_on(&self.steps, failed);
        *me.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        if !step.think.is_zero() {
            tokio::time::sleep(step.think).await;
        }
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.requests = pauses.requests.saturating_add(1);
        pauses.sum += ended.elapsed();
        failed
    }

    /// A step's request, or the failure of its not being one.
    fn request_of(
        &self,
        step: &Step,
        values: &Values,
        user: &GooseUser,
    ) -> Result<(String, GooseMethod, RequestBuilder), Outcome> {
        let impossible = |detail: String| Outcome::Failed { class: ErrorClass::ClientOther, detail: Some(detail) };
        let fill = |text: &Text| {
            text.fill(values).map_err(|name| impossible(format!("step `{}`: no value `{name}`", step.name)))
        };
        let path = fill(&step.target)?;
        let joined = self.url.join(&path).ok().filter(|url| url.origin() == self.url.origin());
        // An answer's value may lead anywhere; where it leads away from the stack, it is the answer that is wrong.
        let url = joined.ok_or(Outcome::Failed { class: ErrorClass::CheckFailed, detail: None })?;
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
    /// To the next request; to the first one, with nothing remembered, after the last or a failed one.
    fn move_on(&mut self, steps: &[Step], failed: bool) {
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

/// A logger that says nothing.
struct Silence;

impl log::Log for Silence {
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
