//! What was recorded and is still to be delivered, and what was delivered and may be asked for again.
//!
//! This is the seam for the durable outbox: [`Outbox::commit`] is where "decided" becomes "kept". Today it keeps
//! in memory: a row survives the broker, not the process.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cartvision_core::MAX_EFFECTS;
use cartvision_wire::{Epoch, Sequence};

use crate::journal::Row;

/// Rows that may wait for their first delivery. At the bound the cart stops deciding; a row is never dropped.
pub(crate) const MAX_PENDING: usize = 10_000;
/// Rows that one picture or one command can record at most, and some for what cannot be helped (a camera is lost, a
/// session ends with the program); with less room than this the cart neither decides nor obeys.
pub(crate) const ROOM: usize = 2 * MAX_EFFECTS;
/// Rows kept in all, for `events/replay`. Beyond it the oldest delivered ones are forgotten.
const MAX_KEPT: usize = 20_000;

#[derive(Debug)]
struct Kept {
    row: Row,
    committed: Instant,
    delivery: Delivery,
}

/// ```text
/// Due ──delivered──► Done ◄──asked for, delivered──► Again
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// Nobody has it yet.
    Due,
    /// The broker has it.
    Done,
    /// The broker had it, and is to get it once more.
    Again,
}

/// The rows of one epoch, in order and without a gap.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    rows: VecDeque<Kept>,
    /// Rows that are [`Delivery::Due`]: they alone count for the bound.
    due: usize,
    /// Rows that are [`Delivery::Again`].
    again: usize,
    /// How often delivered rows were made pending again.
    asked_again: u64,
}

/// No row of this position is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownPosition;

impl Outbox {
    /// Keeps a row until it is delivered, and some time longer.
    pub(crate) fn commit(&mut self, row: Row, now: Instant) {
        self.rows.push_back(Kept { row, committed: now, delivery: Delivery::Due });
        self.due += 1;
        while self.rows.len() > MAX_KEPT && self.rows.front().is_some_and(|k| k.delivery == Delivery::Done) {
            self.rows.pop_front();
        }
    }

    /// Rows that can still be committed before the bound.
    pub(crate) fn room(&self) -> usize {
        MAX_PENDING.saturating_sub(self.due)
    }

    /// Rows to be delivered.
    pub(crate) fn depth(&self) -> usize {
        self.due + self.again
    }

    /// How long the oldest row that nobody has yet has waited.
    pub(crate) fn oldest_age(&self, now: Instant) -> Duration {
        let oldest = self.rows.iter().find(|k| k.delivery == Delivery::Due);
        oldest.map_or(Duration::ZERO, |k| now.saturating_duration_since(k.committed))
    }

    /// The first row to be delivered after `after`.
    pub(crate) fn next_after(&self, after: Option<Sequence>) -> Option<&Row> {
        let from = after.map_or(0, |s| self.index(s).map_or(0, |i| i + 1));
        self.rows.range(from.min(self.rows.len())..).find(|k| k.delivery != Delivery::Done).map(|k| &k.row)
    }

    /// The broker has this row. Gives how long that took, if this is its first delivery.
    pub(crate) fn delivered(&mut self, sequence: Sequence, now: Instant) -> Option<Duration> {
        let index = self.index(sequence)?;
        let kept = self.rows.get_mut(index)?;
        match std::mem::replace(&mut kept.delivery, Delivery::Done) {
            Delivery::Due => {
                self.due -= 1;
                Some(now.saturating_duration_since(kept.committed))
            }
            Delivery::Again => {
                self.again -= 1;
                None
            }
            Delivery::Done => None,
        }
    }

    /// Makes every kept row from this position on pending again; says how many there are.
    pub(crate) fn send_again(&mut self, epoch: Epoch, from: Sequence) -> Result<usize, UnknownPosition> {
        let index = self.index(from).filter(|i| *i < self.rows.len()).ok_or(UnknownPosition)?;
        if self.rows[index].row.epoch != epoch {
            return Err(UnknownPosition);
        }
        let again = self.rows.range_mut(index..);
        let count = again.len();
        for kept in again.filter(|k| k.delivery == Delivery::Done) {
            kept.delivery = Delivery::Again;
            self.again += 1;
        }
        self.asked_again += 1;
        Ok(count)
    }

    /// Changes whenever delivered rows are pending again, so that whoever delivers starts over.
    pub(crate) fn asked_again(&self) -> u64 {
        self.asked_again
    }

    /// Where the row of this sequence lies, if not before the first.
    fn index(&self, sequence: Sequence) -> Option<usize> {
        let first = self.rows.front()?.row.sequence.get();
        sequence.get().checked_sub(first).and_then(|i| usize::try_from(i).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use cartvision_wire::event::{LogOpened, LogReason};
    use cartvision_wire::{Clock, EventData, UtcTime};

    fn filled(rows: usize) -> (Outbox, Epoch) {
        let (mut journal, _) = Journal::replayed("cart".parse().unwrap(), UtcTime::EPOCH, b"");
        let mut outbox = Outbox::default();
        let mut epoch = None;
        for _ in 0..rows {
            let data = EventData::LogOpened(LogOpened {
                previous_epoch: None,
                last_sequence: None,
                reason: LogReason::New,
                clock: Clock { synced: false, uncertainty_ms: None },
            });
            let row = journal.record(None, UtcTime::EPOCH, data).unwrap();
            epoch = Some(row.epoch);
            outbox.commit(row, Instant::now());
        }
        (outbox, epoch.unwrap())
    }

    fn order(outbox: &Outbox) -> Vec<u64> {
        let mut after = None;
        std::iter::from_fn(|| {
            after = Some(outbox.next_after(after)?.sequence);
            after.map(Sequence::get)
        })
        .collect()
    }

    fn sequence(n: u64) -> Sequence {
        Sequence::new(n).unwrap()
    }

    #[test]
    fn rows_stay_pending_until_delivered() {
        let (mut outbox, _) = filled(4);
        assert!(outbox.delivered(sequence(2), Instant::now()).is_some());
        assert!(outbox.delivered(sequence(2), Instant::now()).is_none(), "delivered once");
        assert!(outbox.delivered(sequence(9), Instant::now()).is_none(), "never recorded");
        assert_eq!(order(&outbox), [1, 3, 4]);
        assert_eq!(outbox.depth(), 3);
        assert_eq!(outbox.room(), MAX_PENDING - 3);
    }

    #[test]
    fn delivered_rows_can_be_sent_again() {
        let (mut outbox, epoch) = filled(4);
        for n in 1..=4 {
            outbox.delivered(sequence(n), Instant::now());
        }
        assert_eq!(outbox.send_again(epoch, sequence(3)), Ok(2));
        assert_eq!(order(&outbox), [3, 4]);
        assert_eq!((outbox.depth(), outbox.room()), (2, MAX_PENDING), "what was delivered takes no room");
        outbox.delivered(sequence(3), Instant::now());
        assert_eq!((outbox.depth(), outbox.room()), (1, MAX_PENDING));
        assert_eq!(outbox.send_again(epoch, sequence(5)), Err(UnknownPosition));
        assert_eq!(outbox.send_again(Epoch(uuid::Uuid::nil()), sequence(1)), Err(UnknownPosition));
    }

    #[test]
    fn only_delivered_rows_are_forgotten() {
        let (mut outbox, _) = filled(3);
        for n in 1..=2 {
            outbox.delivered(sequence(n), Instant::now());
        }
        let row = outbox.rows[0].row.clone();
        for n in 4..=(MAX_KEPT as u64 + 2) {
            outbox.commit(Row { sequence: sequence(n), ..row.clone() }, Instant::now());
        }
        assert_eq!(outbox.next_after(None).map(|r| r.sequence.get()), Some(3));
        assert_eq!(outbox.rows.len(), MAX_KEPT);
    }
}
