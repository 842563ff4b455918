//! Connections that wait for a request, and which of them gives way when a worker has as many connections as it may have.
//!
//! The longest idle one does: first those of which nothing has arrived, then those that send a head slowly. A connection
//! with a complete request never does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use lab_net::deadline::{last_look, now_or_pending};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// What an idle connection waits for, those that give way first in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdleStage {
    /// The first byte of a request.
    Silent,
    /// The rest of a TLS handshake, a PROXY header or a request's head.
    Partial,
}

/// This connection has to give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted;

/// The connections of one worker.
#[derive(Debug, Clone, Default)]
pub struct IdleConnections(Rc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    slots: RefCell<BTreeMap<u64, Rc<Slot>>>,
    next_id: Cell<u64>,
    /// The number of waits so far, which orders them.
    waits: Cell<u64>,
    idle: Cell<usize>,
    /// Notified when the first connection becomes idle, and when the last one becomes busy.
    changed: Notify,
    /// Notified when a chosen connection stays open, because a request has arrived.
    stayed: Notify,
}

#[derive(Debug, Default)]
struct Slot {
    /// Since which wait it is idle; None while it is busy, and once it was chosen.
    idle_since: Cell<Option<(IdleStage, u64)>>,
    is_evicted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// One connection's entry.
#[derive(Debug)]
pub struct IdleSlot {
    registry: Rc<Registry>,
    id: u64,
    slot: Rc<Slot>,
}

/// Ends a wait, even one that is dropped.
struct Waiting<'s>(&'s IdleSlot);

impl IdleConnections {
    /// Adds a connection.
    #[must_use]
    pub fn register(&self) -> IdleSlot {
        let id = self.0.next_id.replace(self.0.next_id.get() + 1);
        let slot = Rc::new(Slot::default());
        self.0.slots.borrow_mut().insert(id, Rc::clone(&slot));
        IdleSlot { registry: Rc::clone(&self.0), id, slot }
    }

    /// Waits until a connection is idle.
    pub(crate) async fn wait_for_any(&self) {
        self.wait_until(|idle| idle > 0).await;
    }

    /// Waits until none is.
    pub(crate) async fn wait_for_none(&self) {
        self.wait_until(|idle| idle == 0).await;
    }

    async fn wait_until(&self, is_reached: impl Fn(usize) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            if is_reached(self.0.idle.get()) {
                return;
            }
            changed.await;
        }
    }

    /// Waits for one of the permits of open connections. If there is none, idle connections give way, one after the other.
    /// None once the semaphore is closed.
    pub(crate) async fn make_room(&self, open: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let mut permit = pin!(open.acquire_owned());
        if let Poll::Ready(permit) = now_or_pending(permit.as_mut()).await {
            return permit.ok();
        }
        loop {
            let stayed = self.0.stayed.notified();
            let is_chosen = self.evict();
            tokio::select! {
                biased;
                permit = permit.as_mut() => return permit.ok(),
                () = stayed, if is_chosen => {}
                () = self.wait_for_any(), if !is_chosen => {}
            }
        }
    }

    /// Chooses the connection that gives way. False if none is idle.
    fn evict(&self) -> bool {
        let slots = self.0.slots.borrow();
        let longest =
            slots.values().filter_map(|slot| Some((slot.idle_since.get()?, slot))).min_by_key(|(since, _)| *since);
        if let Some((_, slot)) = longest {
            slot.idle_since.set(None);
            slot.is_evicted.set(true);
            self.0.idle.set(self.0.idle.get() - 1);
            if let Some(waker) = slot.waker.borrow_mut().take() {
                waker.wake();
            }
        }
        longest.is_some()
    }
}

impl IdleSlot {
    /// Whether no other connection is registered.
    pub(crate) fn is_alone(&self) -> bool {
        self.registry.slots.borrow().len() == 1
    }

    /// Awaits something that comes before a complete request.
    ///
    /// # Errors
    /// The connection has to give way.
    pub(crate) async fn while_idle<F: Future>(
        &self,
        stage: IdleStage,
        // By reference, because an async function moves a future that it takes.
        mut wait: Pin<&mut F>,
    ) -> Result<F::Output, Evicted> {
        // Most requests on a busy connection are there already.
        if let Poll::Ready(found) = now_or_pending(wait.as_mut()).await {
            return Ok(found);
        }
        let waiting = Waiting::new(self, stage);
        let found = poll_fn(|cx| {
            if let Poll::Ready(found) = wait.as_mut().poll(cx) {
                return Poll::Ready(Ok(found));
            }
            if self.slot.is_evicted.get() {
                return Poll::Ready(Err(Evicted));
            }
            let mut waker = self.slot.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        drop(waiting);
        let found = match found {
            Ok(found) => Poll::Ready(found),
            Err(Evicted) => last_look(wait).await,
        };
        let was_chosen = self.slot.is_evicted.replace(false);
        match found {
            Poll::Ready(found) => {
                if was_chosen {
                    self.registry.stayed.notify_waiters();
                }
                Ok(found)
            }
            Poll::Pending => Err(Evicted),
        }
    }
}

impl Drop for IdleSlot {
    fn drop(&mut self) {
        self.registry.slots.borrow_mut().remove(&self.id);
    }
}

impl<'s> Waiting<'s> {
    fn new(slot: &'s IdleSlot, stage: IdleStage) -> Waiting<'s> {
        let registry = &slot.registry;
        let number = registry.waits.replace(registry.waits.get() + 1);
        slot.slot.idle_since.set(Some((stage, number)));
        registry.idle.set(registry.idle.get() + 1);
        if registry.idle.get() == 1 {
            registry.changed.notify_waiters();
        }
        Waiting(slot)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let registry = &self.0.registry;
        // Not if it was chosen.
        if self.0.slot.idle_since.take().is_some() {
            registry.idle.set(registry.idle.get() - 1);
            if registry.idle.get() == 0 {
                registry.changed.notify_waiters();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    #[test]
    fn longest_idle_connection_gives_way() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (idle, evicted) = (IdleConnections::default(), Rc::new(RefCell::new(Vec::new())));
            let open = Arc::new(Semaphore::new(3));
            let wait = |name: &'static str, stage| {
                let (slot, evicted) = (idle.register(), Rc::clone(&evicted));
                let permit = Arc::clone(&open).try_acquire_owned().unwrap();
                spawn_local(async move {
                    assert_eq!(slot.while_idle(stage, pin!(pending::<()>())).await, Err(Evicted));
                    evicted.borrow_mut().push(name);
                    drop(permit);
                })
            };
            wait("partial", IdleStage::Partial);
            wait("first", IdleStage::Silent);
            wait("second", IdleStage::Silent);
            yield_now().await;
            let mut permits = Vec::new();
            for _ in 0..3 {
                permits.push(idle.make_room(Arc::clone(&open)).await.unwrap());
            }
            assert_eq!(*evicted.borrow(), ["first", "second", "partial"]);
            idle.wait_for_none().await;
        });
    }

    #[test]
    fn connection_with_a_request_stays() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let idle = IdleConnections::default();
            let open = Arc::new(Semaphore::new(2));
            let arrived = Rc::new(Cell::new(false));
            let (busy, silent) = (idle.register(), idle.register());
            let permits = [open.clone().try_acquire_owned().unwrap(), open.clone().try_acquire_owned().unwrap()];
            let [busy_permit, silent_permit] = permits;
            let request = Rc::clone(&arrived);
            let busy = spawn_local(async move {
                let wait = poll_fn(|_| if request.get() { Poll::Ready(()) } else { Poll::Pending });
                let found = busy.while_idle(IdleStage::Silent, pin!(wait)).await;
                (found, busy_permit)
            });
            spawn_local(async move {
                assert_eq!(silent.while_idle(IdleStage::Silent, pin!(pending::<()>())).await, Err(Evicted));
                drop(silent_permit);
            });
            yield_now().await;
            let chosen = spawn_local({
                let (idle, open) = (idle.clone(), open.clone());
                async move { idle.make_room(open).await.is_some() }
            });
            arrived.set(true);
            assert!(chosen.await.unwrap());
            assert_eq!(busy.await.unwrap().0, Ok(()));
        });
    }
}
