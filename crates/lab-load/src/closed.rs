//! lab's own closed loop: each connection asks, waits for the whole answer, and asks again at once; over HTTP/2 each of
//! its streams does.
//!
//! For what goose cannot tell: the capacity of a stack that is faster than goose. Counted by the same recorder, so that
//! the two can be held against each other.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::line::Line;
use crate::recorder::{Outcome, Recorder, Window};
use crate::target::Target;

/// Drives `connections` connections until the window closes; returns how many were opened.
pub(super) async fn run(target: Arc<Target>, connections: usize, window: Window, recorder: Rc<Recorder>) -> u64 {
    recorder.set_window(window);
    let opened = Rc::new(Cell::new(0));
    for line in Line::over(&target, connections) {
        tokio::task::spawn_local(ask_again_and_again(line, target.clone(), recorder.clone(), opened.clone()));
    }
    tokio::time::sleep_until(window.closes.into()).await;
    opened.get()
}

async fn ask_again_and_again(mut line: Line, target: Arc<Target>, recorder: Rc<Recorder>, opened: Rc<Cell<u64>>) {
    let mut began = Instant::now();
    loop {
        recorder.started(began);
        let asked = line.ask(&target, began).await;
        if asked.connected.is_some() {
            opened.set(opened.get() + 1);
        }
        let failed = matches!(asked.outcome, Outcome::Failed { .. });
        let ended = Instant::now();
        recorder.ended(began, ended, asked.outcome);
        began = ended;
        if failed {
            // A refused connection fails without ever waiting, and would keep the thread to itself.
            tokio::task::yield_now().await;
        }
    }
}
