//! The wakers of the tasks that a worker wakes when it quits. Each connection keeps one slot for all its waits.

use std::cell::{Cell, RefCell};
use std::task::Waker;

/// One waker for each open connection of a worker.
#[derive(Debug, Default)]
pub(crate) struct WakerSet {
    slots: RefCell<Vec<Option<Waker>>>,
    /// Released slots.
    free: RefCell<Vec<usize>>,
    reserved: Cell<usize>,
}

impl WakerSet {
    /// Reserves a slot until [`release`](WakerSet::release).
    pub(crate) fn reserve(&self) -> usize {
        self.reserved.set(self.reserved.get() + 1);
        self.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut slots = self.slots.borrow_mut();
            slots.push(None);
            slots.len() - 1
        })
    }

    /// Stores the waker that [`wake_all`](WakerSet::wake_all) wakes.
    pub(crate) fn register(&self, slot: usize, waker: &Waker) {
        let own = &mut self.slots.borrow_mut()[slot];
        if !own.as_ref().is_some_and(|own| own.will_wake(waker)) {
            *own = Some(waker.clone());
        }
    }

    pub(crate) fn release(&self, slot: usize) {
        self.reserved.set(self.reserved.get() - 1);
        self.slots.borrow_mut()[slot] = None;
        self.free.borrow_mut().push(slot);
    }

    /// The number of reserved slots.
    pub(crate) fn count(&self) -> usize {
        self.reserved.get()
    }

    pub(crate) fn wake_all(&self) {
        for waker in self.slots.borrow().iter().flatten() {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_slots_are_reused() {
        let set = WakerSet::default();
        let (one, two) = (set.reserve(), set.reserve());
        assert_eq!((one, two, set.count()), (0, 1, 2));
        set.register(two, Waker::noop());
        set.release(one);
        assert_eq!((set.reserve(), set.count()), (0, 2));
        set.release(two);
        set.wake_all();
        assert_eq!(set.count(), 1);
    }
}
