//! Signals that end the program.

use std::sync::mpsc::SyncSender;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::facts::Fact;
use crate::failure::Failure;

/// SIGTERM and SIGINT become facts.
pub(crate) fn stop_on(facts: &SyncSender<Fact>) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::environment(format_args!("cannot wait for signals: {e}"));
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(failed)?;
    let facts = facts.clone();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                if facts.send(Fact::Stop).is_err() {
                    return;
                }
            }
        })
        .map(drop)
        .map_err(failed)
}
