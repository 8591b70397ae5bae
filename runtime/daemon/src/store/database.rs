//! The tables, and all that is asked of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cartvision_wire::{Epoch, Sequence, UtcTime};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, params};
use uuid::Uuid;

use super::{Position, StoreError};

/// The file in the state directory. SQLite keeps its log beside it (`-wal`, `-shm`).
pub(super) const FILE: &str = "cart.db";
/// `PRAGMA user_version` of what is written here.
pub(super) const FORMAT: i64 = 1;
/// No format will ever have a greater number: one that does is no number.
const MAX_FORMAT: i64 = 1000;
/// Rows kept in all, for `events/replay`. Beyond it the oldest delivered ones are forgotten.
pub(super) const MAX_KEPT: i64 = 20_000;
/// Delivered rows older than this are forgotten, where the clock could be trusted when they came.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// Pages of 4 KiB that SQLite's log may have.
const LOG_PAGES: i64 = 256;
/// How long a connection waits for the other one.
const BUSY: Duration = Duration::from_secs(2);

/// `delivery`: nobody has it yet.
const DUE: i64 = 0;
/// `delivery`: the broker has it.
const DONE: i64 = 1;
/// `delivery`: the broker had it, and is to get it once more.
const AGAIN: i64 = 2;

// `row` is the order of decision over all epochs. `kept_ms` is null where the clock could not be trusted.
const TABLES: &str = "
CREATE TABLE event (
    row INTEGER PRIMARY KEY,
    epoch BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    topic TEXT NOT NULL,
    json TEXT NOT NULL,
    kept_ms INTEGER,
    delivery INTEGER NOT NULL,
    UNIQUE (epoch, sequence)
) STRICT;
CREATE INDEX pending ON event (row) WHERE delivery <> 1;
CREATE TABLE cart (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    root TEXT NOT NULL,
    machine TEXT,
    epoch BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    epoch_before BLOB,
    state TEXT NOT NULL
) STRICT;
";

/// A row's place in the order of decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowId(pub(crate) i64);

/// The one line about the cart itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CartLine {
    pub(super) root: String,
    pub(super) machine: Option<String>,
    pub(super) last: Position,
    /// The epoch before this one.
    pub(super) before: Option<Epoch>,
    pub(super) state: String,
}

/// A connection that writes.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    place: PathBuf,
}

/// Rows to be delivered: for the first time, and once more.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Pending {
    pub(crate) due: Vec<RowId>,
    pub(crate) again: Vec<RowId>,
}

impl Database {
    /// Opens the database at `place`, and makes its tables where there are none. Whatever is wrong with one that is
    /// there is found now.
    pub(super) fn open(place: &Path, durable: bool) -> Result<Self, StoreError> {
        let failed = |what| move |reason| StoreError::Database { place: place.to_owned(), what, reason };
        let connection = Connection::open(place).map_err(failed("open it"))?;
        let database = Self { connection, place: place.to_owned() };
        let connection = &database.connection;
        connection.busy_timeout(BUSY).map_err(failed("open it"))?;
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed("read it"))?;
        match found {
            0..=FORMAT => {}
            ..=MAX_FORMAT if found > 0 => {
                return Err(StoreError::Later { place: place.to_owned(), found, known: FORMAT });
            }
            _ => return Err(database.damaged(format!("its format says {found}"))),
        }
        let mode: String = connection
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
            .map_err(failed("open it"))?;
        if mode != "wal" {
            tracing::warn!(mode, "the database has no write-ahead log: each commit costs more");
        }
        // Beyond this the log's content is moved into the file: a full disk must not be full of the log.
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(failed("open it"))?;
        // FULL: a commit is on the disk when it returns. A replay's database lives as long as the process.
        let synchronous = if durable { "full" } else { "off" };
        connection.pragma_update(None, "synchronous", synchronous).map_err(failed("open it"))?;
        if found == 0 {
            let make = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;");
            connection.execute_batch(&make).map_err(failed("make its tables"))?;
        }
        Ok(database)
    }

    pub(super) fn failed(&self, what: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let place = self.place.clone();
        move |reason| StoreError::Database { place: place.clone(), what, reason }
    }

    /// SQLite's own look at every page.
    fn check(&self) -> Result<(), StoreError> {
        let verdict: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(self.failed("check it"))?;
        if verdict == "ok" {
            return Ok(());
        }
        Err(self.damaged(verdict))
    }

    /// That, and all that an opening reads: the check does not hold indices against rows.
    pub(super) fn sound(&self) -> Result<(), StoreError> {
        self.check()?;
        self.cart()?;
        self.last()?;
        self.pending().map(drop)
    }

    fn damaged(&self, why: String) -> StoreError {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        self.failed("trust it")(rusqlite::Error::SqliteFailure(code, Some(why)))
    }

    /// Moves what stands in the log into the file.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        let settled = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        settled.map_err(self.failed("settle its log"))
    }

    /// What is kept of the cart; nothing before its first commit.
    pub(super) fn cart(&self) -> Result<Option<CartLine>, StoreError> {
        self.connection
            .query_row("SELECT root, machine, epoch, sequence, epoch_before, state FROM cart", [], |row| {
                let before: Option<[u8; 16]> = row.get(4)?;
                Ok(CartLine {
                    root: row.get(0)?,
                    machine: row.get(1)?,
                    last: (Epoch(uuid(row, 2)?), positive(row.get(3)?, 3)?),
                    before: before.map(|bytes| Epoch(Uuid::from_bytes(bytes))),
                    state: row.get(5)?,
                })
            })
            .optional()
            .map_err(self.failed("read the cart's state"))
    }

    /// The newest row's position.
    pub(super) fn last(&self) -> Result<Option<Position>, StoreError> {
        self.connection
            .query_row("SELECT epoch, sequence FROM event ORDER BY row DESC LIMIT 1", [], |row| {
                Ok((Epoch(uuid(row, 0)?), positive(row.get(1)?, 1)?))
            })
            .optional()
            .map_err(self.failed("read its last event"))
    }

    /// What is to be delivered, in order.
    pub(super) fn pending(&self) -> Result<Pending, StoreError> {
        let failed = self.failed("read what is pending");
        let mut pending = Pending::default();
        let mut query = self
            .connection
            .prepare("SELECT row, delivery FROM event WHERE delivery <> 1 ORDER BY row")
            .map_err(&failed)?;
        let mut rows = query.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let id = RowId(row.get(0).map_err(&failed)?);
            match row.get(1).map_err(&failed)? {
                DUE => pending.due.push(id),
                _ => pending.again.push(id),
            }
        }
        Ok(pending)
    }

    /// All of it, or nothing.
    pub(super) fn write<T>(
        &mut self,
        what: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let failed = self.failed(what);
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(&failed)?;
        let done = change(&transaction).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(done)
    }

    /// The rows that nobody has yet, as far as they can be read: from the front, and where that ends from the back.
    /// Each with its topic.
    pub(super) fn readable(&self) -> Vec<(Position, String, String)> {
        let mut found: std::collections::BTreeMap<i64, (Position, String, String)> = Default::default();
        for order in ["ASC", "DESC"] {
            // Without the index: it may be what is damaged.
            let query = format!(
                "SELECT row, epoch, sequence, topic, json FROM event NOT INDEXED WHERE +delivery <> 1 ORDER BY row {order}"
            );
            let Ok(mut query) = self.connection.prepare(&query) else { continue };
            let Ok(mut rows) = query.query([]) else { continue };
            while let Ok(Some(row)) = rows.next() {
                let read = || -> rusqlite::Result<_> {
                    let position = (Epoch(uuid(row, 1)?), positive(row.get(2)?, 2)?);
                    Ok((row.get(0)?, (position, row.get(3)?, row.get(4)?)))
                };
                if let Ok((id, event)) = read() {
                    found.insert(id, event);
                }
            }
        }
        found.into_values().collect()
    }
}

/// Adds an event. `kept` is the moment, where the clock can be trusted.
pub(super) fn insert(
    to: &Transaction<'_>,
    (epoch, sequence): Position,
    topic: &str,
    json: &str,
    kept: Option<UtcTime>,
) -> rusqlite::Result<RowId> {
    let kept = kept.map(|at| i64::try_from(at.as_ms()).unwrap_or(i64::MAX));
    to.prepare_cached(
        "INSERT INTO event (epoch, sequence, topic, json, kept_ms, delivery) VALUES (?, ?, ?, ?, ?, 0)",
    )?
    .execute(params![epoch.0.as_bytes(), number(sequence), topic, json, kept])?;
    Ok(RowId(to.last_insert_rowid()))
}

/// Puts the line about the cart in the place of the one before.
pub(super) fn set_cart(to: &Transaction<'_>, line: &CartLine) -> rusqlite::Result<()> {
    let (epoch, sequence) = line.last;
    to.prepare_cached(
        "INSERT OR REPLACE INTO cart (one, root, machine, epoch, sequence, epoch_before, state)
         VALUES (1, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        line.root,
        line.machine,
        epoch.0.as_bytes(),
        number(sequence),
        line.before.as_ref().map(|epoch| epoch.0.as_bytes()),
        line.state
    ])
    .map(drop)
}

/// The broker has these.
pub(super) fn mark_delivered(to: &Transaction<'_>, rows: &[RowId]) -> rusqlite::Result<()> {
    let mut mark = to.prepare_cached("UPDATE event SET delivery = ? WHERE row = ?")?;
    rows.iter().try_for_each(|row| mark.execute(params![DONE, row.0]).map(drop))
}

/// Makes every delivered row from this position on pending again. `None` where no row of this position is kept; else
/// how many rows there are from it on, and those that are to be sent once more.
pub(super) fn send_again(
    to: &Transaction<'_>,
    (epoch, sequence): Position,
) -> rusqlite::Result<Option<(usize, Vec<RowId>)>> {
    let from: Option<i64> = to
        .query_row(
            "SELECT row FROM event WHERE epoch = ? AND sequence = ?",
            params![epoch.0.as_bytes(), number(sequence)],
            |row| row.get(0),
        )
        .optional()?;
    let Some(from) = from else { return Ok(None) };
    let count: i64 = to.query_row("SELECT count(*) FROM event WHERE row >= ?", [from], |row| row.get(0))?;
    let mut again = to
        .prepare("UPDATE event SET delivery = ? WHERE row >= ? AND delivery = ? RETURNING row")?
        .query_map(params![AGAIN, from, DONE], |row| row.get(0).map(RowId))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    again.sort_unstable();
    Ok(Some((usize::try_from(count).unwrap_or(0), again)))
}

/// Forgets delivered rows that are too old or too many.
pub(super) fn forget(to: &Transaction<'_>, now: UtcTime) -> rusqlite::Result<usize> {
    let oldest = i64::try_from(now.as_ms()).unwrap_or(i64::MAX) - KEPT_FOR.as_millis() as i64;
    to.prepare_cached(
        "DELETE FROM event WHERE delivery = ?1 AND (kept_ms < ?2
             OR row <= (SELECT row FROM event ORDER BY row DESC LIMIT 1 OFFSET ?3))",
    )?
    .execute(params![DONE, oldest, MAX_KEPT])
}

/// A connection that reads what is sent.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: Connection,
    place: PathBuf,
}

impl Reader {
    pub(super) fn open(place: &Path) -> Result<Self, StoreError> {
        let failed = |reason| StoreError::Database { place: place.to_owned(), what: "read it", reason };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(place, flags).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        Ok(Self { connection, place: place.to_owned() })
    }

    /// A row's topic and bytes; `None` if it is not kept any more.
    pub(crate) fn row(&self, row: RowId) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        let read = || {
            self.connection
                .prepare_cached("SELECT topic, json FROM event WHERE row = ?")?
                .query_row([row.0], |row| Ok((row.get(0)?, row.get::<_, String>(1)?.into_bytes())))
                .optional()
        };
        read().map_err(|reason| StoreError::Database {
            place: self.place.clone(),
            what: "read an event",
            reason,
        })
    }
}

fn number(sequence: Sequence) -> i64 {
    i64::try_from(sequence.get()).unwrap_or(i64::MAX)
}

fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(Uuid::from_bytes(bytes))
}

fn positive(number: i64, column: usize) -> rusqlite::Result<Sequence> {
    let sequence = u64::try_from(number).ok().and_then(Sequence::new);
    sequence.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, number))
}
