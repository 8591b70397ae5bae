//! What waits for the broker, shared by the loop (which puts in) and the link (which takes out).
//!
//! Bounds: the outbox has its own and drops nothing. Of state, basket and telemetry only the newest is kept; each
//! replaces the one before it (that is what they mean, so nothing counts it). Replies: [`MAX_REPLIES`], the
//! oldest is dropped and counted.
//!
//! Lock order: one lock, held for moments, and nothing is called while it is held.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cartvision_wire::telemetry::{OutboxFigures, QueueFigures};
use cartvision_wire::{Basket, Reply, State, Telemetry};
use tokio::sync::Notify;

use crate::figures::Latency;
use crate::journal::Row;
use crate::outbox::Outbox;

/// Answers that may wait.
const MAX_REPLIES: usize = 64;

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(crate) struct ResponseAddress {
    pub(crate) topic: String,
    pub(crate) correlation: Option<Vec<u8>>,
}

/// Something the newest of which counts.
#[derive(Debug)]
struct Newest<T> {
    value: Option<T>,
    /// How often it changed.
    version: u64,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { value: None, version: 0 }
    }
}

impl<T> Newest<T> {
    fn set(&mut self, value: T) {
        self.value = Some(value);
        self.version += 1;
    }
}

#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) outbox: Outbox,
    state: Newest<State>,
    basket: Newest<Basket>,
    telemetry: Option<Telemetry>,
    replies: VecDeque<(ResponseAddress, Reply)>,
    replies_dropped: u64,
    nobody_subscribed: u64,
    refused: u64,
    delivery: Latency,
}

/// The post office between loop and link.
#[derive(Debug)]
pub(crate) struct Post {
    waiting: Mutex<Waiting>,
    /// Wakes the link.
    pub(super) wake: Notify,
    /// Wakes whoever waits for the outbox to empty.
    delivered: Condvar,
}

impl Post {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                outbox: Outbox::default(),
                state: Newest::default(),
                basket: Newest::default(),
                telemetry: None,
                replies: VecDeque::with_capacity(MAX_REPLIES),
                replies_dropped: 0,
                nobody_subscribed: 0,
                refused: 0,
                delivery: Latency::of("delivery"),
            }),
            wake: Notify::new(),
            delivered: Condvar::new(),
        }
    }

    /// The outbox, for as long as the guard lives; the link waits meanwhile.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits rows, and the basket as of the last of them.
    pub(crate) fn commit(&self, rows: impl Iterator<Item = Row>, basket: impl FnOnce() -> Option<Basket>) {
        let mut waiting = self.lock();
        let now = Instant::now();
        let before = waiting.outbox.depth();
        rows.for_each(|row| waiting.outbox.commit(row, now));
        if waiting.outbox.depth() > before {
            if let Some(basket) = basket() {
                waiting.basket.set(basket);
            }
            self.wake.notify_one();
        }
    }

    pub(crate) fn set_state(&self, state: State) {
        self.lock().state.set(state);
        self.wake.notify_one();
    }

    pub(crate) fn set_telemetry(&self, telemetry: Telemetry) {
        self.lock().telemetry = Some(telemetry);
        self.wake.notify_one();
    }

    pub(crate) fn reply(&self, to: ResponseAddress, reply: Reply) {
        let mut waiting = self.lock();
        if waiting.replies.len() == MAX_REPLIES {
            waiting.replies.pop_front();
            waiting.replies_dropped += 1;
        }
        waiting.replies.push_back((to, reply));
        self.wake.notify_one();
    }

    /// Waits until every row is delivered, or for `patience`; says how many are left.
    pub(crate) fn wait_empty(&self, patience: Duration) -> usize {
        let waiting = self.lock();
        let (waiting, _) = self
            .delivered
            .wait_timeout_while(waiting, patience, |w| w.outbox.depth() > 0)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.outbox.depth()
    }

    /// Waits until there is room for `rows` more, or for `patience`; says whether there is.
    pub(crate) fn wait_room(&self, rows: usize, patience: Duration) -> bool {
        let waiting = self.lock();
        let (waiting, _) = self
            .delivered
            .wait_timeout_while(waiting, patience, |w| w.outbox.room() < rows)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.outbox.room() >= rows
    }

    pub(super) fn wake_waiters(&self) {
        self.delivered.notify_all();
    }

    /// What telemetry says of the outbox, and of the queue of replies.
    pub(crate) fn figures(&self) -> (OutboxFigures, QueueFigures) {
        let waiting = self.lock();
        let outbox = OutboxFigures {
            depth: waiting.outbox.depth() as u64,
            oldest_age_ms: u64::try_from(waiting.outbox.oldest_age(Instant::now()).as_millis())
                .unwrap_or(u64::MAX),
            no_subscriber: waiting.nobody_subscribed,
            refused: waiting.refused,
            delivery: waiting.delivery.figures(),
        };
        let replies = QueueFigures {
            queue: "replies".into(),
            depth: waiting.replies.len() as u64,
            bound: MAX_REPLIES as u64,
            dropped: waiting.replies_dropped,
        };
        (outbox, replies)
    }
}

impl Waiting {
    /// The state, if it changed since version `seen`.
    pub(super) fn state_since(&self, seen: &mut u64) -> Option<State> {
        newer(&self.state, seen)
    }

    /// The basket, if it changed since version `seen`.
    pub(super) fn basket_since(&self, seen: &mut u64) -> Option<Basket> {
        newer(&self.basket, seen)
    }

    /// The state as it stands.
    pub(super) fn state(&self) -> Option<&State> {
        self.state.value.as_ref()
    }

    pub(super) fn take_telemetry(&mut self) -> Option<Telemetry> {
        self.telemetry.take()
    }

    pub(super) fn take_reply(&mut self) -> Option<(ResponseAddress, Reply)> {
        self.replies.pop_front()
    }

    pub(super) fn count_nobody_subscribed(&mut self) {
        self.nobody_subscribed += 1;
    }

    pub(super) fn count_refused(&mut self) {
        self.refused += 1;
    }

    pub(super) fn note_delivery(&mut self, took: Duration) {
        self.delivery.add(took);
    }
}

fn newer<T: Clone>(newest: &Newest<T>, seen: &mut u64) -> Option<T> {
    if newest.version == *seen {
        return None;
    }
    *seen = newest.version;
    newest.value.clone()
}
