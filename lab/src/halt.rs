//! Being told to stop: Ctrl-C, a service manager, a terminal that goes away.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Somebody said stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped;

/// Asked between pieces of work, so that what was begun is cleared away by its owners on the way out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Halt(Arc<AtomicBool>);

impl Halt {
    /// One that a signal sets.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let halt = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, halt.0.clone())?;
        }
        Ok(halt)
    }

    /// An error once it was told to stop.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}
