//! What the cart keeps on disk: one SQLite database, written by one thread.
//!
//! "Decided" means: committed here. What the loop has recorded waits in the [outbox](crate::outbox) for the [`writer`],
//! who commits it (each commit ends with an fsync) and only then shows it to the link to the broker. So a disk that
//! stalls holds up nobody, and what went out is on disk. The link reads what it sends by its own connection
//! ([`Reader`]).
//!
//! ```text
//! loop ── Turn ──► outbox (queued) ──► writer ── commit ──► outbox (due) ──► link ── PUBACK ──► outbox (marks)
//!                                        ▲                                                         │
//!                                        └──────────────── which rows are delivered ───────────────┘
//! ```

mod database;
mod opening;
#[cfg(test)]
mod tests;
mod witness;
mod writer;

use std::fmt;
use std::path::PathBuf;

use cartvision_wire::{Epoch, Sequence};

pub(crate) use database::{Pending, Reader, RowId};
pub(crate) use opening::{Log, Opening, Place};
pub(crate) use writer::Writer;

/// An event's position: its epoch, and its number in it.
pub(crate) type Position = (Epoch, Sequence);

/// What the writer tells the loop.
#[derive(Debug)]
pub(crate) enum StoreFact {
    /// It cannot write; it tries again. Nothing is lost, and nothing more may be decided.
    Failing(StoreError),
    /// It writes again.
    Works,
    /// The database is damaged: only a new start can put that right.
    Broken(StoreError),
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// SQLite says so.
    #[error("{}: cannot {what}: {reason}{}", place.display(), advice(reason))]
    Database {
        /// The database's file.
        place: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        reason: rusqlite::Error,
    },
    /// The file system says so.
    #[error("{}: cannot {what}: {reason}; see that the disk can be written and has room", place.display())]
    File {
        /// Which file.
        place: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        reason: std::io::Error,
    },
    /// A later version of this program made it.
    #[error(
        "{}: written by a later version of cartvisiond (format {found}, and {known} is known here); install that version again, or give this one another cart.state_dir",
        place.display()
    )]
    Later {
        /// The database's file.
        place: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
}

impl StoreError {
    /// Whether the content is no longer to be trusted, as against a disk that cannot take more just now.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Database { reason, .. } if damaged(reason))
    }
}

fn damaged(reason: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(reason.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// What to do next.
fn advice(reason: &rusqlite::Error) -> impl fmt::Display {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
    match reason.sqlite_error_code() {
        Some(DiskFull) => "; make room on the disk: nothing is lost, and the cart decides nothing until then",
        Some(ReadOnly | PermissionDenied | CannotOpen) => {
            "; see that the state directory can be written by this user and that its disk is not mounted read-only"
        }
        Some(SystemIoFailure) => "; see what the kernel says of the disk (dmesg); it may have to be replaced",
        _ => "",
    }
}
