//! Who is to be woken when a worker quits: every connection, once, however often it waits.

use std::cell::{Cell, RefCell};
use std::task::Waker;

/// The wakers of a worker's connections.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    places: RefCell<Vec<Option<Waker>>>,
    /// Places that were given back.
    free: RefCell<Vec<usize>>,
    taken: Cell<usize>,
}

impl Roll {
    /// Takes a place, for [`sign`](Roll::sign).
    pub(crate) fn take(&self) -> usize {
        self.taken.set(self.taken.get() + 1);
        self.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut places = self.places.borrow_mut();
            places.push(None);
            places.len() - 1
        })
    }

    /// Has whoever waits with this waker woken by [`call`](Roll::call).
    pub(crate) fn sign(&self, place: usize, waker: &Waker) {
        let own = &mut self.places.borrow_mut()[place];
        if !own.as_ref().is_some_and(|own| own.will_wake(waker)) {
            *own = Some(waker.clone());
        }
    }

    /// Gives a place back.
    pub(crate) fn leave(&self, place: usize) {
        self.taken.set(self.taken.get() - 1);
        self.places.borrow_mut()[place] = None;
        self.free.borrow_mut().push(place);
    }

    /// How many places are taken.
    pub(crate) fn count(&self) -> usize {
        self.taken.get()
    }

    /// Wakes everybody.
    pub(crate) fn call(&self) {
        for waker in self.places.borrow().iter().flatten() {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_again_and_only_who_is_there_is_woken() {
        let roll = Roll::default();
        let (one, two) = (roll.take(), roll.take());
        assert_eq!((one, two, roll.count()), (0, 1, 2));
        roll.sign(two, Waker::noop());
        roll.leave(one);
        assert_eq!((roll.take(), roll.count()), (0, 2));
        roll.leave(two);
        roll.call();
        assert_eq!(roll.count(), 1);
    }
}
