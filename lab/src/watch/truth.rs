//! What really happens, shown beside what the cart says.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use cartvision_metric::{TrueChange, Truth};

use super::{Error, screen::Screen};

/// The changes of a truth file, in the order in which they end.
pub(super) fn read(file: &Path) -> Result<Vec<TrueChange>, Error> {
    let text = fs::read_to_string(file)
        .map_err(|reason| Error::TruthUnreadable { file: file.to_owned(), reason })?;
    let mut changes = Truth::read(&file.display().to_string(), &text)?.changes;
    changes.sort_by(|a, b| a.end.total_cmp(&b.end));
    Ok(changes)
}

/// Prints each change when it has happened, counted from now, on a thread of its own that ends with the last one.
pub(super) fn play(changes: Vec<TrueChange>, screen: &Screen) -> io::Result<()> {
    let lines: Vec<_> = changes.iter().map(|change| (change.end, screen.truth(change))).collect();
    let began = Instant::now();
    thread::Builder::new().name("truth".into()).spawn(move || {
        for (end, line) in lines {
            let at = began + Duration::try_from_secs_f64(end).unwrap_or_default();
            thread::sleep(at.saturating_duration_since(Instant::now()));
            let mut out = io::stdout().lock();
            if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                // The events' own writing will say so.
                return;
            }
        }
    })?;
    Ok(())
}
