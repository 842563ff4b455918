//! lab's own closed loop: each connection sends a request, waits for the whole response, and sends the next at once;
//! over HTTP/2 each of its streams does.
//!
//! It measures what goose cannot: the capacity of a stack that is faster than goose. The same recorder counts for both,
//! so their results are comparable.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::accounting::{Recorder, Window};
use crate::client::request_slot::RequestSlot;
use crate::client::target::Target;

/// Drives `connections` connections until the window closes; returns the number of connections opened.
pub(super) async fn run(target: Arc<Target>, connections: usize, window: Window, recorder: Rc<Recorder>) -> u64 {
    recorder.set_window(window);
    let opened = Rc::new(Cell::new(0));
    for slot in RequestSlot::for_connections(&target, connections) {
        tokio::task::spawn_local(send_repeatedly(slot, target.clone(), recorder.clone(), opened.clone()));
    }
    tokio::time::sleep_until(window.closes.into()).await;
    opened.get()
}

async fn send_repeatedly(mut slot: RequestSlot, target: Arc<Target>, recorder: Rc<Recorder>, opened: Rc<Cell<u64>>) {
    let mut began = Instant::now();
    loop {
        recorder.started(began);
        let result = slot.send(&target, began).await;
        if result.connected.is_some() {
            opened.set(opened.get() + 1);
        }
        let failed = !result.outcome.is_ok();
        let ended = Instant::now();
        recorder.ended(began, ended, result.outcome);
        began = ended;
        if failed {
            // A refused connection fails without ever awaiting, and would block the thread.
            tokio::task::yield_now().await;
        }
    }
}
