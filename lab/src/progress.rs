//! How far it is, for somebody who waits at a terminal.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    sync::Mutex,
};

/// A line that is written over; nothing where standard error is no terminal.
pub(crate) struct Progress {
    what: &'static str,
    of: usize,
    done: Option<Mutex<usize>>,
}

impl Progress {
    pub(crate) fn new(what: &'static str, of: usize) -> Self {
        Self { what, of, done: stderr().is_terminal().then(Mutex::default) }
    }

    /// One more; which one, or what else there is to say of it.
    pub(crate) fn step(&self, of_it: &str) {
        let Some(Ok(mut done)) = self.done.as_ref().map(Mutex::lock) else { return };
        *done += 1;
        // Nobody is left to tell when standard error is gone.
        _ = write!(stderr(), "\r\x1b[K{} {}/{}  {of_it}", self.what, *done, self.of);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.done.is_some() {
            _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
