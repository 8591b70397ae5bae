//! Puts what several workers finished back into the order in which it was handed out.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bounds how much work is under way: handed out, and not yet taken back in order. A worker that the scheduler
/// favours waits here for one that it does not.
#[derive(Debug)]
pub(crate) struct Window {
    limit: usize,
    state: Mutex<WindowState>,
    changed: Condvar,
}

#[derive(Debug)]
struct WindowState {
    under_way: usize,
    closed: bool,
}

impl Window {
    /// For at most `limit` (at least 1) pieces of work.
    pub(crate) fn new(limit: usize) -> Self {
        let state = Mutex::new(WindowState { under_way: 0, closed: false });
        Self { limit: limit.max(1), state, changed: Condvar::new() }
    }

    /// The most that is under way at once.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How much is under way.
    pub(crate) fn under_way(&self) -> usize {
        self.lock().under_way
    }

    /// Waits for room for one more; `false` once the window is closed.
    pub(crate) fn enter(&self) -> bool {
        let full = |s: &mut WindowState| !s.closed && s.under_way >= self.limit;
        let mut state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        state.under_way += 1;
        !state.closed
    }

    /// One is not under way any more.
    pub(crate) fn leave(&self) {
        self.lock().under_way -= 1;
        self.changed.notify_one();
    }

    /// Lets everybody go who waits.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, WindowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds what came early. Bounded by how much can be under way at once (a [`Window`]'s limit): the ring never
/// grows after its making.
#[derive(Debug)]
pub(crate) struct Order<T> {
    next: u64,
    early: Vec<Option<T>>,
}

impl<T> Order<T> {
    /// For at most `under_way` pieces of work at once; tickets start at `first`.
    pub(crate) fn new(first: u64, under_way: usize) -> Self {
        Self { next: first, early: (0..under_way.max(1)).map(|_| None).collect() }
    }

    /// Takes in a finished piece. Gives it back if its ticket cannot be: not one of those under way.
    pub(crate) fn put(&mut self, ticket: u64, piece: T) -> Result<(), T> {
        let ring = self.early.len() as u64;
        if ticket < self.next || ticket - self.next >= ring {
            return Err(piece);
        }
        let place = &mut self.early[(ticket % ring) as usize];
        if place.is_some() {
            return Err(piece);
        }
        *place = Some(piece);
        Ok(())
    }

    /// The next piece in order, if it is there.
    pub(crate) fn take(&mut self) -> Option<T> {
        let ring = self.early.len() as u64;
        let piece = self.early[(self.next % ring) as usize].take()?;
        self.next += 1;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_comes_back() {
        let mut order = Order::new(0, 3);
        let mut out = Vec::new();
        for ticket in [1, 2, 0, 4, 3, 5] {
            order.put(ticket, ticket).unwrap();
            out.extend(std::iter::from_fn(|| order.take()));
        }
        assert_eq!(out, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_cannot_be_is_given_back() {
        let mut order = Order::new(5, 2);
        assert_eq!(order.put(4, 'a'), Err('a'), "long past");
        assert_eq!(order.put(7, 'b'), Err('b'), "too far ahead");
        order.put(6, 'c').unwrap();
        assert_eq!(order.put(6, 'd'), Err('d'), "twice");
    }
}
