//! Being told to stop: Ctrl-C, a service manager, a terminal that goes away.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::Error;

/// Asked between frames, so that what was begun is cleared away by its owners on the way out.
#[derive(Clone, Debug, Default)]
pub(super) struct Halt(Arc<AtomicBool>);

impl Halt {
    /// One that a signal sets.
    pub(super) fn on_signals() -> Result<Self, Error> {
        let halt = Self::default();
        let register = |signal| signal_hook::flag::register(signal, halt.0.clone());
        let registered: io::Result<Vec<_>> = [SIGINT, SIGTERM, SIGHUP].into_iter().map(register).collect();
        registered.map_err(|e| Error::System { reason: e.to_string() })?;
        Ok(halt)
    }

    /// An error once it was told to stop.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}
