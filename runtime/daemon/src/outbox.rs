//! What the loop has recorded and the [store](crate::store) has not written yet; and which rows of the store are still
//! to be delivered. The rows themselves lie in the database.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cartvision_core::MAX_EFFECTS;
use cartvision_wire::{Basket, Reply};

use crate::broker::ResponseAddress;
use crate::journal::Row;
use crate::store::{Pending, Position, RowId};

/// Rows that may wait for their first delivery, those included that are not written yet. At the bound the cart stops
/// deciding; a row is never dropped.
pub(crate) const MAX_PENDING: usize = 10_000;
/// Rows that one picture or one command can record at most, and some for what cannot be helped (a camera is lost, a
/// session ends with the program); with less room than this the cart neither decides nor obeys.
pub(crate) const ROOM: usize = 2 * MAX_EFFECTS;

/// What one turn of the loop recorded: written together.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) rows: Vec<Row>,
    /// The basket as of the last row: published once that is written.
    pub(crate) basket: Option<Basket>,
    /// The cart's state as of the last row.
    pub(crate) state: String,
    /// Answers to the command that it was: given once it is written, so that "done" is done.
    pub(crate) reply: Option<(ResponseAddress, Reply)>,
    pub(crate) decided: Instant,
}

/// What the writer is to do, in order.
#[derive(Debug)]
pub(crate) enum Work {
    Turn(Turn),
    /// Deliver once more what was delivered from this position on, and answer how many that is.
    SendAgain {
        from: Position,
        to: Option<ResponseAddress>,
    },
}

/// A row that is written, and that nobody has yet or that the writer has not heard of as delivered.
#[derive(Clone, Copy, Debug)]
struct Due {
    row: RowId,
    /// Rows of an earlier process: when this one started.
    decided: Instant,
    delivered: bool,
}

/// ```text
/// Turn ──written──► due ──delivered──► marks ──written──► (done) ──asked for──► again ──delivered──► marks …
/// ```
#[derive(Debug)]
pub(crate) struct Outbox {
    work: VecDeque<Work>,
    /// Rows in `work`, or in the writer's hands.
    unwritten: usize,
    /// Ascending.
    due: VecDeque<Due>,
    /// Of them those that nobody has yet.
    waiting: usize,
    /// Ascending; they take no room.
    again: VecDeque<RowId>,
    /// Delivered, and not written as that.
    marks: Vec<RowId>,
    /// How often delivered rows were made pending again.
    asked_again: u64,
    /// Whether the last write failed.
    failing: bool,
}

impl Outbox {
    /// As the store was left.
    pub(crate) fn of(pending: &Pending, now: Instant) -> Self {
        let due = |row: &RowId| Due { row: *row, decided: now, delivered: false };
        Self {
            work: VecDeque::new(),
            unwritten: 0,
            due: pending.due.iter().map(due).collect(),
            waiting: pending.due.len(),
            again: pending.again.iter().copied().collect(),
            marks: Vec::new(),
            asked_again: 0,
            failing: false,
        }
    }

    /// Keeps a turn for the writer.
    pub(crate) fn put(&mut self, turn: Turn) {
        self.unwritten += turn.rows.len();
        self.work.push_back(Work::Turn(turn));
    }

    /// Keeps a request for the writer.
    pub(crate) fn ask_again(&mut self, from: Position, to: Option<ResponseAddress>) {
        self.work.push_back(Work::SendAgain { from, to });
    }

    /// All that is to be written.
    pub(crate) fn take(&mut self) -> (Vec<Work>, Vec<RowId>) {
        (self.work.drain(..).collect(), std::mem::take(&mut self.marks))
    }

    /// What a writer could do at once, and what it may leave for a while.
    pub(crate) fn unwritten(&self) -> (usize, usize) {
        (self.work.len(), self.marks.len())
    }

    /// These rows of one turn are written.
    pub(crate) fn written(&mut self, rows: &[RowId], decided: Instant) {
        self.unwritten -= rows.len();
        self.waiting += rows.len();
        self.due.extend(rows.iter().map(|row| Due { row: *row, decided, delivered: false }));
    }

    /// These are to be delivered once more.
    pub(crate) fn pending_again(&mut self, rows: &[RowId]) {
        self.again.extend(rows);
        self.again.make_contiguous().sort_unstable();
        self.asked_again += 1;
    }

    /// Whether the writer can write.
    pub(crate) fn set_failing(&mut self, failing: bool) {
        self.failing = failing;
    }

    /// Rows that can still be recorded before the bound; none while they could not be written.
    pub(crate) fn room(&self) -> usize {
        if self.failing {
            return 0;
        }
        MAX_PENDING.saturating_sub(self.waiting + self.unwritten)
    }

    /// Rows to be delivered.
    pub(crate) fn depth(&self) -> usize {
        self.waiting + self.unwritten + self.again.len()
    }

    /// How long the oldest row that nobody has yet has waited, in this process.
    pub(crate) fn oldest_age(&self, now: Instant) -> Duration {
        let oldest = self.due.iter().find(|due| !due.delivered);
        oldest.map_or(Duration::ZERO, |due| now.saturating_duration_since(due.decided))
    }

    /// The first row to be delivered after `after`.
    pub(crate) fn next_after(&self, after: Option<RowId>) -> Option<RowId> {
        let from = |row: RowId| after.is_none_or(|after| row > after);
        let start = self.due.partition_point(|due| !from(due.row));
        let due = self.due.range(start..).find(|due| !due.delivered).map(|due| due.row);
        let start = self.again.partition_point(|row| !from(*row));
        let again = self.again.get(start).copied();
        due.into_iter().chain(again).min()
    }

    /// The broker has this row. Gives how long that took, if this is its first delivery.
    pub(crate) fn delivered(&mut self, row: RowId, now: Instant) -> Option<Duration> {
        if let Ok(at) = self.again.binary_search(&row) {
            self.again.remove(at);
            self.marks.push(row);
            return None;
        }
        let at = self.due.binary_search_by_key(&row, |due| due.row).ok()?;
        let due = self.due.get_mut(at).filter(|due| !due.delivered)?;
        due.delivered = true;
        let took = now.saturating_duration_since(due.decided);
        self.waiting -= 1;
        self.marks.push(row);
        while self.due.front().is_some_and(|due| due.delivered) {
            self.due.pop_front();
        }
        Some(took)
    }

    /// Changes whenever delivered rows are pending again, so that whoever delivers starts over.
    pub(crate) fn asked_again(&self) -> u64 {
        self.asked_again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(numbers: impl IntoIterator<Item = i64>) -> Vec<RowId> {
        numbers.into_iter().map(RowId).collect()
    }

    fn outbox(due: &[i64], again: &[i64]) -> Outbox {
        let pending = Pending { due: rows(due.iter().copied()), again: rows(again.iter().copied()) };
        Outbox::of(&pending, Instant::now())
    }

    fn order(outbox: &Outbox) -> Vec<RowId> {
        let mut after = None;
        std::iter::from_fn(|| {
            after = Some(outbox.next_after(after)?);
            after
        })
        .collect()
    }

    #[test]
    fn rows_stay_pending_until_delivered() {
        let mut outbox = outbox(&[1, 2, 3, 4], &[]);
        assert!(outbox.delivered(RowId(2), Instant::now()).is_some());
        assert!(outbox.delivered(RowId(2), Instant::now()).is_none(), "delivered once");
        assert!(outbox.delivered(RowId(9), Instant::now()).is_none(), "never recorded");
        assert_eq!(order(&outbox), rows([1, 3, 4]));
        assert_eq!((outbox.depth(), outbox.room()), (3, MAX_PENDING - 3));
        assert_eq!(outbox.take().1, rows([2]));
    }

    #[test]
    fn what_is_not_written_takes_room_and_is_not_sent() {
        let mut outbox = outbox(&[], &[]);
        let row = || {
            let mut journal = crate::journal::Journal::replayed(
                "cart".parse().unwrap(),
                cartvision_wire::UtcTime::EPOCH,
                b"",
            );
            let clock = cartvision_wire::Clock { synced: false, uncertainty_ms: None };
            let settled = cartvision_wire::event::SessionSettled { media_time_ms: 0, clock };
            let data = cartvision_wire::EventData::SessionSettled(settled);
            journal.record(None, cartvision_wire::UtcTime::EPOCH, data).unwrap()
        };
        let decided = Instant::now();
        let turn =
            Turn { rows: vec![row(), row()], basket: None, state: String::new(), reply: None, decided };
        outbox.put(turn);
        assert_eq!((outbox.depth(), outbox.room(), outbox.next_after(None)), (2, MAX_PENDING - 2, None));
        let (work, _) = outbox.take();
        assert_eq!((work.len(), outbox.depth(), outbox.unwritten()), (1, 2, (0, 0)), "in the writer's hands");
        outbox.written(&rows([7, 8]), decided);
        assert_eq!((outbox.depth(), outbox.room()), (2, MAX_PENDING - 2));
        assert_eq!(order(&outbox), rows([7, 8]));
    }

    #[test]
    fn what_is_sent_again_takes_no_room() {
        let mut outbox = outbox(&[5], &[2]);
        outbox.pending_again(&rows([1, 3]));
        assert_eq!(order(&outbox), rows([1, 2, 3, 5]));
        assert_eq!((outbox.depth(), outbox.room(), outbox.asked_again()), (4, MAX_PENDING - 1, 1));
        assert_eq!(outbox.delivered(RowId(2), Instant::now()), None, "no first delivery");
        assert_eq!(order(&outbox), rows([1, 3, 5]));
    }

    proptest! {
        /// Whatever is delivered in whatever order: the rest stays, in order, and is counted.
        #[test]
        fn nothing_is_lost_or_twice(count in 1i64..60, delivered in prop::collection::vec(0i64..70, 0..80)) {
            let mut outbox = outbox(&(0..count).collect::<Vec<_>>(), &[]);
            let mut left: std::collections::BTreeSet<i64> = (0..count).collect();
            for row in delivered {
                prop_assert_eq!(outbox.delivered(RowId(row), Instant::now()).is_some(), left.remove(&row));
                prop_assert_eq!(order(&outbox), rows(left.iter().copied()));
                prop_assert_eq!(outbox.depth(), left.len());
            }
        }
    }
}
