//! The open loop: one thread's share of the arrivals, each begun at its instant whatever the stack does.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use crate::line::Line;
use crate::pool::Pool;
use crate::protocol::{Arrival, OpenPlan};
use crate::recorder::Window;
use crate::seconds::Board;
use crate::tally::{Call, Counted, Due, Tally};
use crate::target::Target;
use crate::timer::Timer;

/// How many overdue arrivals are begun in a row before those under way get their turn.
const ROW: u32 = 16;

/// Which part of the whole is one thread's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// The thread's number, from 0.
    pub(super) thread: usize,
    /// How many threads there are.
    pub(super) threads: usize,
}

impl Share {
    /// This thread's part of `whole`, so that the parts of all threads add up to it.
    pub(super) fn of(self, whole: u32) -> usize {
        let whole = whole as usize;
        whole / self.threads + usize::from(self.thread < whole % self.threads)
    }
}

/// What the tasks of one thread share.
#[derive(Debug)]
struct Thread {
    target: Arc<Target>,
    tally: RefCell<Tally>,
    /// Arrivals under way or waiting.
    open: Cell<usize>,
    /// Told when the last of them has ended.
    all_ended: Notify,
    /// No request is begun after this instant, so that the ledger can be closed.
    last_begin: Instant,
}

/// Sees to one thread's share of the arrivals, and returns when each of them has ended.
///
/// # Errors
/// There is no timer to be had.
pub(super) async fn run(
    plan: &OpenPlan,
    target: Arc<Target>,
    share: Share,
    window: Window,
    board: Arc<Board>,
) -> io::Result<Counted> {
    let timer = Timer::new(plan.timer)?;
    let start = window.closes - plan.schedule.length();
    let within = plan.schedule.within(window.opens - start, window.closes - start);
    let rates: Vec<_> = within.into_iter().map(|(begins, stretch)| (start + begins, stretch)).collect();
    let thread = Rc::new(Thread {
        last_begin: window.closes + target.timeout,
        target,
        tally: RefCell::new(Tally::new(window, board, &rates)),
        open: Cell::new(0),
        all_ended: Notify::new(),
    });
    let (calls, pool) = match plan.arrival {
        Arrival::Session { calls } => (calls.get(), None),
        Arrival::Pooled { connections } => {
            let lines = Line::over(&thread.target, share.of(connections.get()));
            let pool = Rc::new(Pool::new(lines.len()));
            for (member, line) in lines.into_iter().enumerate() {
                tokio::task::spawn_local(serve_pool(thread.clone(), pool.clone(), member, line));
            }
            (1, Some(pool))
        }
    };
    let most_open = share.of(plan.most_open.get());
    let mut overdue = 0;
    for offset in plan.schedule.share(share.thread, share.threads) {
        let at = start + offset;
        if Instant::now() < at {
            overdue = 0;
            timer.until(at).await?;
        } else {
            overdue += 1;
            if overdue % ROW == 0 {
                tokio::task::yield_now().await;
            }
        }
        let due = thread.tally.borrow_mut().scheduled(at, calls.into());
        if thread.open.get() >= most_open {
            thread.tally.borrow_mut().shed(due, calls.into());
            continue;
        }
        thread.open.set(thread.open.get() + 1);
        match &pool {
            None => _ = tokio::task::spawn_local(session(thread.clone(), due, calls)),
            Some(pool) => {
                if !pool.hand_over(due) {
                    // Every connection is busy: from here on it is the stack that is waited for.
                    thread.tally.borrow_mut().lag(due, Instant::now().saturating_duration_since(at));
                }
            }
        }
    }
    while thread.open.get() > 0 {
        thread.all_ended.notified().await;
    }
    let counted = thread.tally.borrow_mut().finish();
    Ok(counted)
}

impl Thread {
    fn arrival_ended(&self) {
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0 {
            self.all_ended.notify_one();
        }
    }

    /// Asks over `line`, and records what came of it; false if the request failed and took the connection with it.
    async fn call(&self, line: &mut Line, due: Due, is_first: bool, began: Instant) -> bool {
        let asked = line.ask(&self.target, began).await;
        let ended = Instant::now();
        let mut tally = self.tally.borrow_mut();
        if let (Some(sent), Some(time)) = (asked.sent, asked.connected) {
            tally.connected(due, sent, time);
        }
        tally.ended(&Call { due, is_first, sent: asked.sent, began, ended }, asked.outcome);
        asked.is_complete
    }
}

/// A client's visit: one connection, `calls` requests. Where the server closes the connection after a complete answer,
/// it goes on over a new one; where a request fails, it is over.
async fn session(thread: Rc<Thread>, due: Due, calls: u32) {
    let mut line = Line::new(&thread.target);
    let mut began = Instant::now();
    thread.tally.borrow_mut().lag(due, began.saturating_duration_since(due.at));
    for number in 0..calls {
        let left = u64::from(calls - number);
        if began > thread.last_begin {
            let mut tally = thread.tally.borrow_mut();
            match number {
                0 => tally.given_up(due, left, began),
                _ => tally.unsent(due, left),
            }
            break;
        }
        if !thread.call(&mut line, due, number == 0, began).await {
            thread.tally.borrow_mut().unsent(due, left - 1);
            break;
        }
        began = Instant::now();
    }
    thread.arrival_ended();
}

/// One line of the pool: takes one arrival after the other, the one that waited longest first.
async fn serve_pool(thread: Rc<Thread>, pool: Rc<Pool>, member: usize, mut line: Line) {
    loop {
        let (due, has_waited) = std::future::poll_fn(|cx| {
            let taken = pool.poll_take(member, cx);
            if taken.is_pending() {
                line.poll_spoilt(cx);
            }
            taken
        })
        .await;
        let began = Instant::now();
        if has_waited && began.saturating_duration_since(due.at) > thread.target.timeout {
            thread.tally.borrow_mut().given_up(due, 1, began);
        } else {
            if !has_waited {
                thread.tally.borrow_mut().lag(due, began.saturating_duration_since(due.at));
            }
            thread.call(&mut line, due, true, began).await;
        }
        thread.arrival_ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (whole, threads) in [(7, 3), (3, 3), (64, 1), (100, 8)] {
            let shares: Vec<_> = (0..threads).map(|thread| Share { thread, threads }.of(whole)).collect();
            assert_eq!(shares.iter().sum::<usize>(), whole as usize);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
        }
    }
}
