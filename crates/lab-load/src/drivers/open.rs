//! The open loop: one thread's share of the arrivals. Each begins at its scheduled instant, independently of the stack.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use crate::accounting::{Call, ScheduledArrival, SecondsTable, Tally, ThreadCounts, Window};
use crate::client::pool::Pool;
use crate::client::request_slot::RequestSlot;
use crate::client::target::Target;
use crate::timer::Timer;
use crate::wire::{Arrival, OpenPlan, Share};

/// The number of overdue arrivals that begin before other tasks may run.
const OVERDUE_BATCH: u32 = 16;

/// The state that the tasks of one thread share.
#[derive(Debug)]
struct ThreadState {
    target: Arc<Target>,
    tally: RefCell<Tally>,
    /// Arrivals under way or waiting.
    open: Cell<usize>,
    /// Notified when the last of them has ended.
    all_ended: Notify,
    /// No request begins after this instant, so that the ledger can be closed.
    last_start: Instant,
}

/// Drives the arrivals and connections of one of the driver's threads, and returns when each of them has ended.
///
/// # Errors
/// The system has no timer left.
pub(super) async fn run(
    plan: &OpenPlan,
    target: Arc<Target>,
    share: Share,
    window: Window,
    table: Arc<SecondsTable>,
) -> io::Result<ThreadCounts> {
    let timer = Timer::new(plan.timer)?;
    let start = window.closes - plan.schedule.length();
    let within = plan.schedule.within(window.opens - start, window.closes - start);
    let rates: Vec<_> = within.into_iter().map(|(begins, stage)| (start + begins, stage)).collect();
    let thread = Rc::new(ThreadState {
        last_start: window.closes + target.timeout,
        target,
        tally: RefCell::new(Tally::new(window, table, &rates)),
        open: Cell::new(0),
        all_ended: Notify::new(),
    });
    let (calls, pool) = match plan.arrival {
        Arrival::Session { calls } => (calls.get(), None),
        Arrival::Pooled { connections } => {
            let slots = RequestSlot::for_connections(&thread.target, share.part(connections.get()) as usize);
            let pool = Rc::new(Pool::new(slots.len()));
            for (member, slot) in slots.into_iter().enumerate() {
                tokio::task::spawn_local(serve_pool(thread.clone(), pool.clone(), member, slot));
            }
            (1, Some(pool))
        }
    };
    let max_open = share.part(plan.max_open.get()) as usize;
    let mut overdue = 0;
    for offset in plan.schedule.instants_of_thread(share) {
        let at = start + offset;
        if Instant::now() < at {
            overdue = 0;
            timer.until(at).await?;
        } else {
            overdue += 1;
            if overdue % OVERDUE_BATCH == 0 {
                tokio::task::yield_now().await;
            }
        }
        let arrival = thread.tally.borrow_mut().scheduled(at, calls.into());
        if thread.open.get() >= max_open {
            thread.tally.borrow_mut().shed(arrival, calls.into());
            continue;
        }
        thread.open.set(thread.open.get() + 1);
        match &pool {
            None => _ = tokio::task::spawn_local(session(thread.clone(), arrival, calls)),
            Some(pool) => {
                if !pool.assign(arrival) {
                    // Every connection is busy: from here on the wait is the stack's, not the driver's.
                    thread.tally.borrow_mut().lag(arrival, Instant::now().saturating_duration_since(at));
                }
            }
        }
    }
    while thread.open.get() > 0 {
        thread.all_ended.notified().await;
    }
    let counts = thread.tally.borrow_mut().finish();
    Ok(counts)
}

impl ThreadState {
    fn arrival_ended(&self) {
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0 {
            self.all_ended.notify_one();
        }
    }

    /// Sends a request over `slot` and counts it; false if it failed and took the connection with it.
    async fn call(&self, slot: &mut RequestSlot, arrival: ScheduledArrival, is_first: bool, began: Instant) -> bool {
        let result = slot.send(&self.target, began).await;
        let ended = Instant::now();
        let mut tally = self.tally.borrow_mut();
        if let (Some(sent), Some(time)) = (result.sent, result.connected) {
            tally.connected(arrival, sent, time);
        }
        tally.ended(&Call { arrival, is_first, sent: result.sent, began, ended }, result.outcome);
        result.is_complete
    }
}

/// A session: one connection, `calls` requests. If the server closes the connection after a complete response, the
/// session continues over a new one; a failed request ends it.
async fn session(thread: Rc<ThreadState>, arrival: ScheduledArrival, calls: u32) {
    let mut slot = RequestSlot::new(&thread.target);
    let mut began = Instant::now();
    thread.tally.borrow_mut().lag(arrival, began.saturating_duration_since(arrival.at));
    for number in 0..calls {
        let left = u64::from(calls - number);
        if began > thread.last_start {
            let mut tally = thread.tally.borrow_mut();
            match number {
                0 => tally.given_up(arrival, left, began),
                _ => tally.unsent(arrival, left),
            }
            break;
        }
        if !thread.call(&mut slot, arrival, number == 0, began).await {
            thread.tally.borrow_mut().unsent(arrival, left - 1);
            break;
        }
        began = Instant::now();
    }
    thread.arrival_ended();
}

/// One slot of the pool: serves one arrival after the other, the longest waiting first.
async fn serve_pool(thread: Rc<ThreadState>, pool: Rc<Pool>, member: usize, mut slot: RequestSlot) {
    loop {
        let (arrival, has_waited) = std::future::poll_fn(|cx| {
            let taken = pool.poll_take(member, cx);
            if taken.is_pending() {
                slot.poll_closed(cx);
            }
            taken
        })
        .await;
        let began = Instant::now();
        if has_waited && began.saturating_duration_since(arrival.at) > thread.target.timeout {
            thread.tally.borrow_mut().given_up(arrival, 1, began);
        } else {
            if !has_waited {
                thread.tally.borrow_mut().lag(arrival, began.saturating_duration_since(arrival.at));
            }
            thread.call(&mut slot, arrival, true, began).await;
        }
        thread.arrival_ended();
    }
}
