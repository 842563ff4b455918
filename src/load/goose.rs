//! The closed loop, on goose: each user asks, waits for the whole answer, and asks again at once.
//!
//! goose launches the users and loops over their transaction; requests go through its own request path. Its clock
//! and its counts are not used: it takes the time when the answer's head arrives, counts in whole seconds, and knows
//! no classes of errors. Everything it would print or write is off.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::goose::GooseAttack;
use ::goose::client::GooseClientBuilder;
use ::goose::config::GooseConfiguration;
use ::goose::goose::GooseResponse;
use ::goose::prelude::{GooseError, GooseMethod, GooseRequest, GooseUser, Scenario, Transaction};
use reqwest::{Client, Url};
use tokio::sync::Notify;

use super::exchange::{ConnectWatch, client_builder, exchange};
use super::recorder::{Outcome, Recorder};

/// What the users do, and what becomes of it.
#[derive(Debug)]
pub struct ClosedLoop {
    url: Url,
    timeout: Duration,
    users: Vec<User>,
    /// Where every request ends up.
    pub recorder: Recorder,
    started: AtomicUsize,
    all_started: Notify,
}

/// One user has one client and with it one kept-alive connection, as a browser has.
#[derive(Debug)]
struct User {
    client: Client,
    watch: ConnectWatch,
}

impl ClosedLoop {
    /// `users` users of `url`, none of them started. To be run on a runtime of one thread.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(url: Url, users: usize, timeout: Duration) -> Result<ClosedLoop, reqwest::Error> {
        let user = |_| {
            let watch = ConnectWatch::default();
            Ok(User { client: client_builder(&watch).build()?, watch })
        };
        Ok(ClosedLoop {
            url,
            timeout,
            users: (0..users).map(user).collect::<Result<_, reqwest::Error>>()?,
            recorder: Recorder::default(),
            started: AtomicUsize::new(0),
            all_started: Notify::new(),
        })
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
        let watch = &self.user(user).watch;
        let started = Instant::now();
        self.recorder.started(started);
        let outcome = exchange(send(&self.url, user), watch, self.timeout).await;
        let failed = matches!(outcome, Outcome::Failed { .. });
        self.recorder.ended(started, Instant::now(), outcome);
        if failed {
            // A refused connection fails without ever waiting; without a break such a user would keep the thread
            // to itself, and the clock from ever ending the window.
            tokio::task::yield_now().await;
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

async fn send(url: &Url, user: &mut GooseUser) -> Result<reqwest::Response, Box<dyn Error + Send + Sync>> {
    let request = GooseRequest::builder()
        .method(GooseMethod::Get)
        .path(url.path())
        .set_request_builder(user.client.get(url.clone()))
        .build();
    let GooseResponse { response, .. } = user.request(request).await?;
    Ok(response?)
}
