//! Puts what several workers finished back into the order in which it was handed out.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

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

    /// One is not under way any more, or will not be: it was not there.
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

/// Holds what came early. Bounded by how much can be under way at once: the ring never grows after its making.
#[derive(Debug)]
pub(crate) struct Order<T> {
    window: Arc<Window>,
    next: u64,
    early: Vec<Option<T>>,
}

/// A ticket that is not one of those under way: a defect of whoever handed it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ticket {0} came twice or too early")]
pub(crate) struct StrayTicket(u64);

impl<T> Order<T> {
    /// For the work that has entered `window`; tickets start at 0.
    pub(crate) fn new(window: Arc<Window>) -> Self {
        let early = (0..window.limit()).map(|_| None).collect();
        Self { window, next: 0, early }
    }

    /// Takes in a finished piece.
    pub(crate) fn put(&mut self, ticket: u64, piece: T) -> Result<(), StrayTicket> {
        let ring = self.early.len() as u64;
        if ticket < self.next || ticket - self.next >= ring {
            return Err(StrayTicket(ticket));
        }
        let place = &mut self.early[(ticket % ring) as usize];
        if place.is_some() {
            return Err(StrayTicket(ticket));
        }
        *place = Some(piece);
        Ok(())
    }

    /// The next piece in order, if it is there: it leaves the window.
    pub(crate) fn take(&mut self) -> Option<T> {
        let ring = self.early.len() as u64;
        let piece = self.early[(self.next % ring) as usize].take()?;
        self.next += 1;
        self.window.leave();
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order with `limit` pieces under way, the tickets below `first` taken long ago.
    fn order<T>(first: u64, limit: usize) -> Order<T> {
        let window = Arc::new(Window::new(limit));
        (0..limit).for_each(|_| assert!(window.enter()));
        Order { next: first, ..Order::new(window) }
    }

    #[test]
    fn order_comes_back_and_the_window_opens() {
        let mut order = order(0, 3);
        let window = order.window.clone();
        let mut out = Vec::new();
        for ticket in [1, 2, 0, 4, 3, 5] {
            order.put(ticket, ticket).unwrap();
            while let Some(piece) = order.take() {
                out.push(piece);
                assert_eq!(window.under_way(), 2);
                assert!(window.enter());
            }
        }
        assert_eq!(out, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut order = order(5, 2);
        assert_eq!(order.put(4, 'a'), Err(StrayTicket(4)), "long past");
        assert_eq!(order.put(7, 'b'), Err(StrayTicket(7)), "too far ahead");
        order.put(6, 'c').unwrap();
        assert_eq!(order.put(6, 'd'), Err(StrayTicket(6)), "twice");
    }
}
