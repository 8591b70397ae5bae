//! How the database is found at a start: as it was left, new, or not to be trusted.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use cartvision_wire::event::LogReason;
use cartvision_wire::{Epoch, Event, Root, Sequence};

use super::database::{self, CartLine, Database, FILE, Pending};
use super::witness::Witness;
use super::{Position, StoreError};

/// Where this is written on every system with systemd; one for each installation.
const MACHINE: &str = "/etc/machine-id";
/// The most databases of one kind that are kept aside. The oldest gives way.
const MAX_ASIDE: usize = 3;

/// Where the database lies and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) root: Root,
    /// Which computer this is; nothing where that is not known.
    pub(crate) machine: Option<String>,
}

/// How the log of events goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// After this position.
    Continued(Position),
    /// With a new epoch.
    Opened { reason: LogReason, previous: Option<Position> },
}

/// A database that is ready.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(super) database: Database,
    pub(super) witness: Option<Witness>,
    pub(super) place: Place,
    /// What is to be delivered.
    pub(crate) pending: Pending,
    pub(crate) log: Log,
    /// The cart's state as of the last commit, as it was given; nothing where there is none to be trusted.
    pub(crate) state: Option<String>,
    /// The epoch before this one.
    pub(super) before: Option<Epoch>,
    /// Where a replay's database lies: gone with it.
    pub(super) temporary: Option<tempfile::TempDir>,
}

impl Place {
    /// The place of a running cart.
    pub(crate) fn of(directory: &Path, root: &Root) -> Self {
        let machine =
            fs::read_to_string(MACHINE).ok().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        Self { directory: directory.to_owned(), root: root.clone(), machine }
    }

    fn file(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// What identifies the cart.
    pub(super) fn identity(&self) -> String {
        format!("{}/{}", self.root.store(), self.root.cart())
    }
}

impl Opening {
    /// Opens the database of a running cart, or makes one. What cannot be read is set aside, and what nobody has got
    /// yet is taken over from it.
    pub(crate) fn of(place: Place) -> Result<Self, StoreError> {
        let (witness, witnessed) = Witness::open(&place.directory)?;
        let opened = Database::open(&place.file(), true).and_then(|found| found.sound().map(|()| found));
        let (database, damage) = match opened {
            Ok(database) => (database, None),
            Err(e) if e.is_damage() => {
                tracing::error!("{e}");
                let (database, saved) = salvage(&place)?;
                (database, Some(saved))
            }
            Err(e) => return Err(e),
        };
        let found = match &damage {
            Some(_) => None,
            None => database.cart()?,
        };
        let opened = |reason, previous| Log::Opened { reason, previous };
        let (log, state, database) = match (damage, &found) {
            (Some(saved), _) => {
                (opened(LogReason::Damaged, later(saved.last, witnessed)), saved.state, database)
            }
            (None, None) => match database.last()? {
                // Rows, and nothing about the cart: they were saved from a damaged one, and then the power went.
                Some(last) => (opened(LogReason::Damaged, later(Some(last), witnessed)), None, database),
                None => (opened(LogReason::New, witnessed), None, database),
            },
            (None, Some(line)) if line.root != place.identity() => {
                let fresh = another_carts(database, &place, line)?;
                (opened(LogReason::Cloned, Some(line.last)), None, fresh)
            }
            (None, Some(line)) => {
                let elsewhere = matches!((&line.machine, &place.machine), (Some(a), Some(b)) if a != b);
                let older = behind(line.last, line.before, witnessed);
                let previous = later(Some(line.last), witnessed);
                match (elsewhere, older) {
                    // What the basket holds by now, another copy knows.
                    (true, _) => (opened(LogReason::Cloned, previous), None, database),
                    (false, true) => (opened(LogReason::Restored, previous), None, database),
                    (false, false) => (Log::Continued(line.last), Some(line.state.clone()), database),
                }
            }
        };
        let before = match log {
            Log::Opened { previous, .. } => previous.map(|(epoch, _)| epoch),
            Log::Continued(_) => found.and_then(|line| line.before),
        };
        if let Log::Opened { reason, previous } = log {
            tracing::warn!(
                ?reason,
                previous = previous.map(|(_, sequence)| sequence.get()),
                "a new log of events"
            );
        }
        let pending = database.pending()?;
        Ok(Self { database, witness: Some(witness), place, pending, log, state, before, temporary: None })
    }

    /// A database for as long as this process lives.
    pub(crate) fn temporary(root: Root) -> Result<Self, StoreError> {
        let directory = tempfile::tempdir().map_err(|reason| StoreError::File {
            place: std::env::temp_dir(),
            what: "make a directory there",
            reason,
        })?;
        let place = Place { directory: directory.path().to_owned(), root, machine: None };
        let database = Database::open(&place.file(), false)?;
        let log = Log::Opened { reason: LogReason::Replay, previous: None };
        let pending = Pending::default();
        let (witness, state, before) = (None, None, None);
        Ok(Self { database, witness, place, pending, log, state, before, temporary: Some(directory) })
    }

    /// A connection to read what is sent by.
    pub(crate) fn reader(&self) -> Result<database::Reader, StoreError> {
        database::Reader::open(&self.place.file())
    }
}

/// Sets another cart's database aside; gives a new one.
fn another_carts(database: Database, place: &Place, line: &CartLine) -> Result<Database, StoreError> {
    let unsent = database.pending()?.due.len();
    drop(database);
    let aside = set_aside(&place.file(), "of-another-cart")?;
    tracing::error!(
        belongs_to = line.root,
        unsent,
        kept_as = %aside.display(),
        "the database is another cart's: it is set aside, with the events that it has not delivered"
    );
    Database::open(&place.file(), true)
}

/// Whether a database that has come to `last` was once further.
fn behind(last: Position, before: Option<Epoch>, witnessed: Option<Position>) -> bool {
    match witnessed {
        Some((epoch, sequence)) if epoch == last.0 => sequence > last.1,
        // The first commit of an epoch, and then the power went: the witness has not heard of it.
        Some((epoch, _)) => Some(epoch) != before,
        // It is made before the database is.
        None => true,
    }
}

/// The later one of two that are told; of different epochs the first, which stands in the database.
fn later(a: Option<Position>, b: Option<Position>) -> Option<Position> {
    match (a, b) {
        (Some(a), Some(b)) if a.0 == b.0 => Some((a.0, a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// What was saved besides rows.
struct Saved {
    last: Option<Position>,
    state: Option<String>,
}

/// Sets a damaged database aside and makes a new one with what nobody has got yet, as far as it can be read.
fn salvage(place: &Place) -> Result<(Database, Saved), StoreError> {
    let aside = set_aside(&place.file(), "damaged")?;
    let mut fresh = Database::open(&place.file(), true)?;
    let mut saved = Saved { last: None, state: None };
    let mut rows = vec![];
    // On a copy: what is set aside stays as it was found.
    let copy = aside.with_extension("salvage");
    for attempt in [Attempt::AsItIs, Attempt::WithFirstPage] {
        if copy_all(&aside, &copy).is_err()
            || (attempt == Attempt::WithFirstPage && graft(&fresh, &place.file(), &copy).is_err())
        {
            continue;
        }
        let Ok(damaged) = Database::open(&copy, false) else { continue };
        rows = damaged.readable();
        if let Ok(Some(line)) = damaged.cart()
            && line.root == place.identity()
        {
            saved = Saved { last: Some(line.last), state: Some(line.state) };
        }
        if !rows.is_empty() || saved.last.is_some() {
            break;
        }
    }
    for suffix in SUFFIXES {
        _ = fs::remove_file(with_suffix(&copy, suffix));
    }
    rows.retain(|((epoch, sequence), _, json)| is_event(json, *epoch, *sequence));
    saved.last = later(saved.last, rows.last().map(|(position, ..)| *position));
    let took = rows.len();
    fresh.write("keep what was saved", |to| {
        rows.iter().try_for_each(|(position, topic, json)| {
            database::insert(to, *position, topic, json, None).map(drop)
        })
    })?;
    tracing::error!(events = took, kept_as = %aside.display(), "saved what was not delivered yet from the damaged database");
    Ok((fresh, saved))
}

/// How a damaged database is read.
#[derive(Clone, Copy, PartialEq)]
enum Attempt {
    AsItIs,
    /// Its first page says where everything lies, and that is the same in each of them.
    WithFirstPage,
}

/// Whether it is an event of this position, whole.
fn is_event(json: &str, epoch: Epoch, sequence: Sequence) -> bool {
    matches!(Event::from_json(json.as_bytes()), Ok(Some(event)) if (event.epoch, event.sequence) == (epoch, sequence))
}

/// Bytes of a page: SQLite's default.
const PAGE_BYTES: u64 = 4096;
/// Where the first page says how many there are: four bytes, most significant first.
const PAGES_AT: usize = 28;

/// Puts the first page of `fresh` into the copy of a damaged database.
fn graft(fresh: &Database, from: &Path, copy: &Path) -> std::io::Result<()> {
    fresh.settle().map_err(std::io::Error::other)?;
    let mut page = vec![0; PAGE_BYTES as usize];
    fs::File::open(from)?.read_exact_at(&mut page, 0)?;
    let file = fs::OpenOptions::new().write(true).open(copy)?;
    let pages = u32::try_from(file.metadata()?.len() / PAGE_BYTES).unwrap_or(u32::MAX);
    page[PAGES_AT..PAGES_AT + 4].copy_from_slice(&pages.to_be_bytes());
    file.write_all_at(&page, 0)
}

/// SQLite's files of one database.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    for suffix in SUFFIXES {
        let (from, to) = (with_suffix(from, suffix), with_suffix(to, suffix));
        match fs::copy(&from, &to) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            Err(_) => _ = fs::remove_file(&to),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Renames a database out of the way; gives its new name.
fn set_aside(file: &Path, why: &str) -> Result<PathBuf, StoreError> {
    let failed = |reason| StoreError::File { place: file.to_owned(), what: "set it aside", reason };
    let name = |number: usize| file.with_extension(format!("{why}-{number}"));
    // 1 is the newest.
    for number in (1..=MAX_ASIDE).rev() {
        for suffix in SUFFIXES {
            let from = match number {
                1 => with_suffix(file, suffix),
                _ => with_suffix(&name(number - 1), suffix),
            };
            let to = with_suffix(&name(number), suffix);
            match fs::rename(&from, &to) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => _ = fs::remove_file(&to),
                Err(e) => return Err(failed(e)),
            }
        }
    }
    Ok(name(1))
}
