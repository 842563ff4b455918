//! Matches arrivals with free request slots, both first in, first out.
//!
//! Slots take turns so that every connection is used: a server keeps a connection with the worker that accepted it, and
//! reusing the last connection first would leave all but one worker idle at a low rate.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use crate::accounting::ScheduledArrival;

/// Shared by the tasks of one thread.
#[derive(Debug)]
pub(crate) struct Pool(RefCell<State>);

#[derive(Debug)]
struct State {
    waiting: VecDeque<ScheduledArrival>,
    /// Members without an arrival, the longest idle first.
    idle: VecDeque<usize>,
    members: Vec<Member>,
}

#[derive(Debug, Default)]
struct Member {
    assigned: Option<ScheduledArrival>,
    waker: Option<Waker>,
}

impl Pool {
    /// A pool of `members` slots, each of which becomes idle when it first polls.
    pub(crate) fn new(members: usize) -> Pool {
        let members = (0..members).map(|_| Member::default()).collect();
        Pool(RefCell::new(State { waiting: VecDeque::new(), idle: VecDeque::new(), members }))
    }

    /// Assigns an arrival to an idle member; false if it has to wait for one.
    pub(crate) fn assign(&self, arrival: ScheduledArrival) -> bool {
        let mut state = self.0.borrow_mut();
        let Some(member) = state.idle.pop_front() else {
            state.waiting.push_back(arrival);
            return false;
        };
        let member = &mut state.members[member];
        member.assigned = Some(arrival);
        if let Some(waker) = member.waker.take() {
            waker.wake();
        }
        true
    }

    /// The next arrival for `member`, and whether it had to wait; until there is one, the member is idle.
    pub(crate) fn poll_take(&self, member: usize, cx: &Context<'_>) -> Poll<(ScheduledArrival, bool)> {
        let mut state = self.0.borrow_mut();
        if let Some(arrival) = state.members[member].assigned.take() {
            return Poll::Ready((arrival, false));
        }
        let is_idle = state.members[member].waker.is_some();
        if !is_idle {
            if let Some(arrival) = state.waiting.pop_front() {
                return Poll::Ready((arrival, true));
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
    fn pool_is_first_in_first_out() {
        let start = Instant::now();
        let arrival = |ms| ScheduledArrival { at: start + Duration::from_millis(ms), is_measured: true, rate: None };
        let pool = Pool::new(2);
        let cx = Context::from_waker(Waker::noop());
        assert!(!pool.assign(arrival(0)), "no member has polled yet");
        assert!(pool.poll_take(0, &cx) == Poll::Ready((arrival(0), true)));
        assert!(pool.poll_take(1, &cx).is_pending());
        assert!(pool.poll_take(1, &cx).is_pending(), "polled again for another reason, it is idle once");
        assert!(pool.poll_take(0, &cx).is_pending());
        assert!(pool.assign(arrival(1)) && pool.assign(arrival(2)));
        assert!(!pool.assign(arrival(3)) && !pool.assign(arrival(4)));
        assert!(pool.poll_take(0, &cx) == Poll::Ready((arrival(2), false)));
        assert!(pool.poll_take(1, &cx) == Poll::Ready((arrival(1), false)), "the longest idle is first");
        assert!(pool.poll_take(0, &cx) == Poll::Ready((arrival(3), true)));
        assert!(pool.poll_take(1, &cx) == Poll::Ready((arrival(4), true)));
    }
}
