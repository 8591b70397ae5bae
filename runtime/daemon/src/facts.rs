//! What the edges tell the loop.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::broker::BrokerFact;
use crate::engine::EngineFact;
use crate::heat::Reading;
use crate::inference::Inferred;
use crate::store::StoreFact;

/// Facts that may wait. The sender waits at the bound, nothing is dropped: the loop does no I/O and is quick.
const MAX_WAITING: usize = 64;

/// Something the loop has to know.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a picture's detections travel in the queue itself: no heap for a frame"
)]
pub(crate) enum Fact {
    /// From an inference worker, with the ticket under which the work was handed out.
    Inferred { ticket: u64, inferred: Inferred },
    /// From the broker link.
    Broker(BrokerFact),
    /// From the writer of the database.
    Store(StoreFact),
    /// From who builds engines for the GPU.
    Engine(EngineFact),
    /// What temperature and power are.
    Sensed(Reading),
    /// Somebody wants the program to end.
    Stop,
}

/// The loop's one queue.
pub(crate) fn queue() -> (SyncSender<Fact>, Receiver<Fact>) {
    sync_channel(MAX_WAITING)
}
