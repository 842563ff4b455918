//! Who gets which arrival: connections that are free, in turn, and arrivals that wait for one, in order.
//!
//! Connections take turns, so that each of them is used: a server keeps a connection with the worker that accepted it,
//! and the last one used first would leave all but one worker idle at a low rate.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use crate::tally::Due;

/// Shared by the tasks of one thread.
#[derive(Debug)]
pub(super) struct Pool(RefCell<State>);

#[derive(Debug)]
struct State {
    waiting: VecDeque<Due>,
    /// Members without work, the longest idle first.
    idle: VecDeque<usize>,
    members: Vec<Member>,
}

#[derive(Debug, Default)]
struct Member {
    handed: Option<Due>,
    waker: Option<Waker>,
}

impl Pool {
    /// Of so many connections, none of them idle before it asks.
    pub(super) fn new(members: usize) -> Pool {
        let members = (0..members).map(|_| Member::default()).collect();
        Pool(RefCell::new(State { waiting: VecDeque::new(), idle: VecDeque::new(), members }))
    }

    /// Gives an arrival to an idle member; false if it has to wait for one.
    pub(super) fn hand_over(&self, due: Due) -> bool {
        let mut state = self.0.borrow_mut();
        let Some(member) = state.idle.pop_front() else {
            state.waiting.push_back(due);
            return false;
        };
        let member = &mut state.members[member];
        member.handed = Some(due);
        if let Some(waker) = member.waker.take() {
            waker.wake();
        }
        true
    }

    /// The next arrival for `member`, and whether it had to wait; the member is idle until there is one.
    pub(super) fn poll_take(&self, member: usize, cx: &Context<'_>) -> Poll<(Due, bool)> {
        let mut state = self.0.borrow_mut();
        if let Some(due) = state.members[member].handed.take() {
            return Poll::Ready((due, false));
        }
        let is_idle = state.members[member].waker.is_some();
        if !is_idle {
            if let Some(due) = state.waiting.pop_front() {
                return Poll::Ready((due, true));
            }
            state.idle.push_back(member);
        }
        state.members[member].waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn members_take_turns_and_arrivals_keep_their_order() {
        let start = Instant::now();
        let due = |ms| Due { at: start + Duration::from_millis(ms), is_measured: true, rate: None };
        let pool = Pool::new(2);
        let cx = Context::from_waker(Waker::noop());
        assert!(!pool.hand_over(due(0)), "nobody is there yet");
        assert!(pool.poll_take(0, &cx) == Poll::Ready((due(0), true)));
        assert!(pool.poll_take(1, &cx).is_pending());
        assert!(pool.poll_take(1, &cx).is_pending(), "polled again for another reason, it is idle once");
        assert!(pool.poll_take(0, &cx).is_pending());
        assert!(pool.hand_over(due(1)) && pool.hand_over(due(2)));
        assert!(!pool.hand_over(due(3)) && !pool.hand_over(due(4)));
        assert!(pool.poll_take(0, &cx) == Poll::Ready((due(2), false)));
        assert!(pool.poll_take(1, &cx) == Poll::Ready((due(1), false)), "the longest idle is first");
        assert!(pool.poll_take(0, &cx) == Poll::Ready((due(3), true)));
        assert!(pool.poll_take(1, &cx) == Poll::Ready((due(4), true)));
    }
}
