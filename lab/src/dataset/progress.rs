//! How far long work is, on a terminal.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::{Duration, Instant},
};

/// A line that is written over itself; nothing where standard error is no terminal.
pub(super) struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(super) fn of(what: &'static str, total: usize) -> Self {
        Self { what, total: total as u64, done: 0, shown: None, terminal: stderr().is_terminal() }
    }

    /// Begins with the next part, which is named.
    pub(super) fn next(&mut self, name: &str) {
        self.done += 1;
        if self.terminal && self.shown.is_none_or(|shown| shown.elapsed() > Duration::from_millis(100)) {
            self.shown = Some(Instant::now());
            // Who cannot see it is not told.
            let _ = write!(stderr(), "\r\x1b[K{} {}/{} {name}", self.what, self.done, self.total);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
