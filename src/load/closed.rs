//! lab's own closed loop: each connection asks, waits for the whole answer, and asks again at once.
//!
//! For what goose cannot tell: the capacity of a stack that is faster than goose. Counted by the same recorder, so that
//! the two can be held against each other.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::connection::{After, Connection, Target};
use super::recorder::{Outcome, Recorder, Window};

/// Drives `connections` connections until the window closes; returns how many were opened.
pub(super) async fn run(target: Arc<Target>, connections: usize, window: Window, recorder: Rc<Recorder>) -> u64 {
    recorder.set_window(window);
    let opened = Rc::new(Cell::new(0));
    for _ in 0..connections {
        tokio::task::spawn_local(ask_again_and_again(target.clone(), recorder.clone(), opened.clone()));
    }
    tokio::time::sleep_until(window.closes.into()).await;
    opened.get()
}

async fn ask_again_and_again(target: Arc<Target>, recorder: Rc<Recorder>, opened: Rc<Cell<u64>>) {
    let mut connection = None;
    let mut began = Instant::now();
    loop {
        recorder.started(began);
        let outcome = ask(&target, &mut connection, began, &opened).await;
        let failed = matches!(outcome, Outcome::Failed { .. });
        let ended = Instant::now();
        recorder.ended(began, ended, outcome);
        began = ended;
        if failed {
            // A refused connection fails without ever waiting, and would keep the thread to itself.
            tokio::task::yield_now().await;
        }
    }
}

async fn ask(target: &Target, connection: &mut Option<Connection>, began: Instant, opened: &Cell<u64>) -> Outcome {
    let mut open = match connection.take() {
        Some(open) => open,
        None => match Connection::open(target, began).await {
            Ok(open) => {
                opened.set(opened.get() + 1);
                open
            }
            Err(outcome) => return outcome,
        },
    };
    let exchanged = open.ask(&target.request, began).await;
    if exchanged.after == After::Reusable {
        *connection = Some(open);
    }
    exchanged.outcome
}
