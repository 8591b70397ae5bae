//! What waits for the broker, shared by the loop (which puts in) and the link (which takes out).
//!
//! Bounds: the outbox has its own and drops nothing; the writer of the database takes its work from here too. Of state,
//! basket and telemetry only the newest is kept; each replaces the one before it (that is what they mean, so nothing
//! counts it). Replies: [`MAX_REPLIES`], the oldest is dropped and counted.
//!
//! Lock order: one lock, held for moments, and nothing is called while it is held.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cartvision_wire::telemetry::{OutboxFigures, QueueFigures};
use cartvision_wire::{Basket, Reply, State, Telemetry};
use tokio::sync::Notify;

use crate::figures::Latency;
use crate::outbox::{Outbox, Turn, Work};
use crate::store::{Pending, Position, RowId};

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
    /// By when the writer is to have ended, once it was asked to.
    writing_until: Option<Instant>,
    nobody_subscribed: u64,
    refused: u64,
    delivery: Latency,
}

/// The post office between loop, writer and link.
#[derive(Debug)]
pub(crate) struct Post {
    waiting: Mutex<Waiting>,
    /// Wakes the link.
    pub(super) wake: Notify,
    /// Wakes whoever waits for the outbox to empty.
    delivered: Condvar,
    /// Wakes the writer.
    unwritten: Condvar,
}

impl Post {
    /// With what the database holds already.
    pub(crate) fn new(pending: &Pending) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                outbox: Outbox::of(pending, Instant::now()),
                state: Newest::default(),
                basket: Newest::default(),
                telemetry: None,
                replies: VecDeque::with_capacity(MAX_REPLIES),
                replies_dropped: 0,
                writing_until: None,
                nobody_subscribed: 0,
                refused: 0,
                delivery: Latency::of("delivery"),
            }),
            wake: Notify::new(),
            delivered: Condvar::new(),
            unwritten: Condvar::new(),
        }
    }

    /// The outbox, for as long as the guard lives; the link waits meanwhile.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a turn of the loop recorded is to be written, and then delivered.
    pub(crate) fn put(&self, turn: Turn) {
        self.lock().outbox.put(turn);
        self.unwritten.notify_one();
    }

    /// What was delivered from this position on is to be delivered once more; how much that is, is answered.
    pub(crate) fn ask_again(&self, from: Position, to: Option<ResponseAddress>) {
        self.lock().outbox.ask_again(from, to);
        self.unwritten.notify_one();
    }

    /// Waits for something to write. Marks alone may wait for so long. Nothing when there is none and no more to come.
    pub(crate) fn wait_for_work(&self, marks_wait: Duration) -> Option<(Vec<Work>, Vec<RowId>)> {
        let mut marked: Option<Instant> = None;
        let mut waiting = self.lock();
        loop {
            let ends = waiting.writing_until.is_some();
            match waiting.outbox.unwritten() {
                (0, 0) if ends => return None,
                (0, 0) => {
                    marked = None;
                    waiting = self.unwritten.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
                (0, _) if !ends => {
                    let since = *marked.get_or_insert_with(Instant::now);
                    let left = marks_wait.saturating_sub(since.elapsed());
                    if left.is_zero() {
                        return Some(waiting.outbox.take());
                    }
                    let waited = self.unwritten.wait_timeout(waiting, left);
                    waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => return Some(waiting.outbox.take()),
            }
        }
    }

    /// Waits before a write is tried again; says whether it is too late for that.
    pub(crate) fn wait_to_retry(&self, pause: Duration) -> bool {
        let again = Instant::now() + pause;
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            if waiting.writing_until.is_some_and(|until| now >= until) {
                return true;
            }
            if now >= again {
                return false;
            }
            let until = waiting.writing_until.map_or(again, |until| until.min(again));
            let waited = self.unwritten.wait_timeout(waiting, until - now);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The rows of one turn are written: they may go out, and the basket with them.
    pub(crate) fn written(&self, rows: &[RowId], basket: Option<Basket>, decided: Instant) {
        let mut waiting = self.lock();
        waiting.outbox.written(rows, decided);
        if let Some(basket) = basket {
            waiting.basket.set(basket);
        }
        self.wake.notify_one();
    }

    /// These rows are to be delivered once more.
    pub(crate) fn pending_again(&self, rows: &[RowId]) {
        self.lock().outbox.pending_again(rows);
        self.wake.notify_one();
    }

    /// The writer is to end when all is written, or then.
    pub(crate) fn stop_writing(&self, by: Instant) {
        self.lock().writing_until = Some(by);
        self.unwritten.notify_one();
    }

    pub(crate) fn set_basket(&self, basket: Basket) {
        self.lock().basket.set(basket);
        self.wake.notify_one();
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

    /// Rows were delivered.
    pub(super) fn wake_waiters(&self) {
        self.delivered.notify_all();
        self.unwritten.notify_one();
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
