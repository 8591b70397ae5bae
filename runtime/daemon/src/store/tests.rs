//! The store as the daemon uses it: written, left in every way that a cart leaves it, and opened again.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use cartvision_fuzz::{Edit, Executions, bolero, edited, edits};
use cartvision_wire::event::{LogReason, SessionSettled};
use cartvision_wire::{Clock, Epoch, Event, EventData, Root, Sequence, UtcTime};
use proptest::prelude::*;
use uuid::Uuid;

use super::database::{Database, FILE};
use super::{Log, Opening, Place, Position, RowId, Writer};
use crate::broker::Post;
use crate::facts::Fact;
use crate::journal::{Journal, Row};
use crate::outbox::Turn;

fn root(cart: &str) -> Root {
    Root::new("store".parse().unwrap(), cart.parse().unwrap())
}

fn place(directory: &Path) -> Place {
    Place { directory: directory.to_owned(), root: root("cart"), machine: Some("machine".to_owned()) }
}

fn open(directory: &Path) -> Opening {
    Opening::of(place(directory)).unwrap()
}

fn journal(opening: &Opening) -> Journal {
    let cart = "cart".parse().unwrap();
    match opening.log {
        Log::Continued(last) => Journal::continued(cart, last),
        Log::Opened { .. } => Journal::opened(cart),
    }
}

fn rows(journal: &mut Journal, count: usize) -> Vec<Row> {
    let clock = Clock { synced: false, uncertainty_ms: None };
    let settled = |at| EventData::SessionSettled(SessionSettled { media_time_ms: at, clock });
    (0..count).map(|at| journal.record(None, UtcTime::EPOCH, settled(at as u64)).unwrap()).collect()
}

/// A process of a cart: what it recorded is written, and so much of it is delivered.
struct Process {
    post: Arc<Post>,
    writer: Writer,
    journal: Journal,
    _facts: Receiver<Fact>,
}

impl Process {
    fn start(opening: Opening) -> Self {
        let (sender, facts) = sync_channel(16);
        let (post, journal) = (Arc::new(Post::new(&opening.pending)), journal(&opening));
        let writer = Writer::start(opening, post.clone(), sender).unwrap();
        Self { post, writer, journal, _facts: facts }
    }

    fn record(&mut self, count: usize, state: &str) -> Vec<Position> {
        let rows = rows(&mut self.journal, count);
        let positions = rows.iter().map(|row| (row.epoch, row.sequence)).collect();
        let (state, decided) = (state.to_owned(), Instant::now());
        self.post.put(Turn { rows, basket: None, state, reply: None, decided });
        positions
    }

    /// Waits for what is to be written; then the broker takes the first so many.
    fn deliver(&self, count: usize) {
        self.wait(|post| post.lock().outbox.unwritten().0 == 0);
        for _ in 0..count {
            self.wait(|post| post.lock().outbox.next_after(None).is_some());
            let mut waiting = self.post.lock();
            let row = waiting.outbox.next_after(None).unwrap();
            waiting.outbox.delivered(row, Instant::now());
        }
    }

    fn wait(&self, until: impl Fn(&Post) -> bool) {
        let patience = Instant::now() + Duration::from_secs(20);
        while !until(&self.post) {
            assert!(Instant::now() < patience, "it is never written");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(self) {
        self.writer.stop(Instant::now() + Duration::from_secs(20));
    }
}

/// A directory that a cart left with five events, of which two are delivered.
fn left() -> (tempfile::TempDir, Vec<Position>) {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(open(directory.path()));
    let positions = process.record(5, "state");
    process.deliver(2);
    process.end();
    (directory, positions)
}

/// The positions that are pending, in order, as they would be sent.
fn pending(opening: &Opening) -> Vec<Position> {
    let reader = opening.reader().unwrap();
    let read = |row: &RowId| {
        let (topic, json) = reader.row(*row).unwrap().unwrap();
        assert_eq!(topic, root("cart").events());
        let event = Event::from_json(&json).unwrap().unwrap();
        (event.epoch, event.sequence)
    };
    opening.pending.due.iter().map(read).collect()
}

fn opened(opening: &Opening) -> (LogReason, Option<Position>) {
    match opening.log {
        Log::Opened { reason, previous } => (reason, previous),
        Log::Continued(last) => panic!("it goes on after {last:?}"),
    }
}

#[test]
fn a_new_cart_opens_its_log() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(opened(&open(directory.path())), (LogReason::New, None));
    // Nothing was written: it is still new.
    assert_eq!(opened(&open(directory.path())), (LogReason::New, None));
}

#[test]
fn it_goes_on_where_it_stopped() {
    let (directory, positions) = left();
    for start in 0..3 {
        let opening = open(directory.path());
        assert_eq!(opening.log, Log::Continued(positions[4]), "start {start}");
        assert_eq!(opening.state.as_deref(), Some("state"));
        assert_eq!(pending(&opening), positions[2..]);
    }
    let mut process = Process::start(open(directory.path()));
    let more = process.record(2, "later");
    process.end();
    let (epoch, last) = positions[4];
    assert_eq!(more, [(epoch, last.next()), (epoch, last.next().next())]);
    let opening = open(directory.path());
    assert_eq!((opening.log, opening.state.as_deref()), (Log::Continued(more[1]), Some("later")));
    assert_eq!(pending(&opening), [&positions[2..], &more].concat());
}

#[test]
fn a_deleted_database_opens_a_new_log_that_knows_the_last_position() {
    let (directory, positions) = left();
    fs::remove_file(directory.path().join(FILE)).unwrap();
    assert_eq!(opened(&open(directory.path())), (LogReason::New, Some(positions[4])));
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn a_backup_that_came_back_opens_a_new_log_and_keeps_what_was_pending() {
    let (directory, positions) = left();
    let backup = tempfile::tempdir().unwrap();
    copy(directory.path(), backup.path());
    let mut process = Process::start(open(directory.path()));
    let more = process.record(3, "later");
    process.deliver(6);
    process.end();
    fs::copy(backup.path().join(FILE), directory.path().join(FILE)).unwrap();
    let opening = open(directory.path());
    assert_eq!(opened(&opening), (LogReason::Restored, Some(more[2])));
    assert_eq!(opening.state, None, "what is in the cart by now it cannot know");
    assert_eq!(pending(&opening), positions[2..], "they are recognized by their ids");
    // Only once.
    let mut process = Process::start(opening);
    let [new] = process.record(1, "new")[..] else { panic!() };
    process.end();
    assert_ne!(new.0, more[2].0);
    assert_eq!(open(directory.path()).log, Log::Continued(new));
}

#[test]
fn a_power_cut_before_the_witness_heard_of_a_new_log_is_no_backup() {
    let (directory, _) = left();
    let witness = directory.path().join("position");
    let before = fs::read(&witness).unwrap();
    fs::remove_file(directory.path().join(FILE)).unwrap();
    let mut process = Process::start(open(directory.path()));
    let first = process.record(1, "");
    process.end();
    fs::write(&witness, before).unwrap();
    assert_eq!(open(directory.path()).log, Log::Continued(first[0]));
}

#[test]
fn a_copy_on_another_computer_opens_a_new_log() {
    let (directory, positions) = left();
    let elsewhere = Place { machine: Some("another".to_owned()), ..place(directory.path()) };
    let opening = Opening::of(elsewhere).unwrap();
    assert_eq!(opened(&opening), (LogReason::Cloned, Some(positions[4])));
    assert_eq!(pending(&opening), positions[2..]);
    let unknown = Place { machine: None, ..place(directory.path()) };
    assert_eq!(Opening::of(unknown).unwrap().log, Log::Continued(positions[4]), "nobody can tell");
}

#[test]
fn another_carts_database_is_set_aside_whole() {
    let (directory, positions) = left();
    let other = Place { root: root("other"), ..place(directory.path()) };
    let opening = Opening::of(other).unwrap();
    assert_eq!(opened(&opening), (LogReason::Cloned, Some(positions[4])));
    assert!(opening.pending.due.is_empty() && opening.state.is_none());
    let aside = Database::open(&directory.path().join("cart.of-another-cart-1"), false).unwrap();
    assert_eq!(aside.pending().unwrap().due.len(), 3);
}

#[test]
fn a_later_versions_database_is_refused_and_left_alone() {
    let (directory, _) = left();
    let file = directory.path().join(FILE);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let error = Opening::of(place(directory.path())).unwrap_err().to_string();
    assert!(error.contains("format 7") && error.contains("cart.db"), "{error}");
    assert!(file.exists());
}

#[test]
fn a_directory_that_cannot_be_used_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let absent = Opening::of(place(&directory.path().join("absent"))).unwrap_err().to_string();
    assert!(absent.contains("absent") && absent.contains("see that"), "{absent}");
    fs::create_dir(directory.path().join(FILE)).unwrap();
    let no_file = Opening::of(place(directory.path())).unwrap_err().to_string();
    assert!(no_file.contains("cart.db"), "{no_file}");
}

/// What a disk may have done to the file.
fn damage(file: &Path, at: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(file).unwrap().write_all_at(bytes, at).unwrap();
}

#[test]
fn what_nobody_has_got_is_saved_from_a_damaged_database() {
    let page = 4096;
    // The first page says where everything is; the second begins the events.
    for (name, at, length) in
        [("first page", 0, page), ("header", 0, 16), ("schema", 100, 400), ("format", 60, 4)]
    {
        let (directory, positions) = left();
        damage(&directory.path().join(FILE), at, &vec![0xa5; length]);
        let opening = open(directory.path());
        assert_eq!(opened(&opening), (LogReason::Damaged, Some(positions[4])), "{name}");
        assert_eq!(pending(&opening), positions[2..], "{name}");
        assert_eq!(opening.state.as_deref(), Some("state"), "{name}");
        assert!(directory.path().join("cart.damaged-1").exists(), "{name}: it is kept as it was found");
        assert!(!directory.path().join("cart.salvage").exists(), "{name}");
        let mut process = Process::start(opening);
        let [new] = process.record(1, "new")[..] else { panic!() };
        process.end();
        let again = open(directory.path());
        assert_eq!(again.log, Log::Continued(new), "{name}");
        assert_eq!(pending(&again), [&positions[2..], &[new]].concat(), "{name}");
    }
}

#[test]
fn a_power_cut_after_saving_is_still_a_damaged_database() {
    let (directory, positions) = left();
    damage(&directory.path().join(FILE), 0, &[0xa5; 4096]);
    drop(open(directory.path()));
    assert_eq!(opened(&open(directory.path())), (LogReason::Damaged, Some(positions[4])));
}

#[test]
fn what_is_no_database_at_all_opens_a_new_log() {
    for content in [&b""[..], b"no database", &[0xff; 20_000]] {
        let (directory, positions) = left();
        fs::write(directory.path().join(FILE), content).unwrap();
        let opening = open(directory.path());
        let (reason, previous) = opened(&opening);
        assert!(matches!(reason, LogReason::Damaged | LogReason::New), "{reason:?}");
        assert_eq!(previous, Some(positions[4]), "the witness knows");
        assert!(opening.pending.due.is_empty());
    }
}

#[test]
fn delivered_rows_are_sent_again_when_asked_for() {
    let (directory, positions) = left();
    let process = Process::start(open(directory.path()));
    process.post.ask_again(positions[1], None);
    process.wait(|post| post.lock().outbox.asked_again() == 1);
    assert_eq!(process.post.lock().outbox.depth(), 4);
    process.end();
    let opening = open(directory.path());
    assert_eq!((opening.pending.due.len(), opening.pending.again.len()), (3, 1), "also after a restart");
    let process = Process::start(opening);
    process.post.ask_again((Epoch(Uuid::now_v7()), Sequence::FIRST), None);
    process.wait(|post| post.lock().outbox.asked_again() == 1);
    assert_eq!(process.post.lock().outbox.depth(), 4, "no such position");
    process.end();

    // What was delivered a moment ago, and is not written as that.
    let process = Process::start(open(directory.path()));
    process.deliver(4);
    process.post.ask_again(positions[0], None);
    process.wait(|post| post.lock().outbox.asked_again() == 1);
    assert_eq!(process.post.lock().outbox.depth(), 5);
    process.end();
}

/// A flipped bit, also in an index, where SQLite's quick check does not look: damage is met by a new database.
#[test]
fn any_bit_may_flip() {
    let (directory, _) = left();
    let right = fs::read(directory.path().join(FILE)).unwrap();
    let mut damaged = 0;
    for at in (0..right.len()).step_by(5) {
        let mut bytes = right.clone();
        bytes[at] ^= 1;
        let again = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::write(again.path().join(FILE), bytes).unwrap();
        match Opening::of(place(again.path())) {
            Ok(Opening { log: Log::Opened { reason, .. }, .. }) => {
                damaged += u32::from(reason == LogReason::Damaged);
            }
            Ok(_) => {}
            Err(error) => assert!(!error.is_damage(), "byte {at}: {error}"),
        }
    }
    assert!(damaged > 0, "no flipped bit was noticed");
}

/// A database's bytes edited in any way: it opens as what it is, as a new one, or the daemon says why not.
#[test]
fn fuzz_database() {
    let (directory, _) = left();
    let file = directory.path().join(FILE);
    let right = fs::read(&file).unwrap();
    let files = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap());
    let beside: Vec<_> = files.map(|file| (file.file_name(), fs::read(file.path()).unwrap())).collect();
    let tried = Executions::of("database");
    bolero::check!().with_generator(edits()).for_each(|script: &Vec<Edit>| {
        // In memory: a disk has its own pace.
        let place_of_it = tempfile::tempdir_in("/dev/shm").unwrap();
        for (name, content) in &beside {
            fs::write(place_of_it.path().join(name), content).unwrap();
        }
        fs::write(place_of_it.path().join(FILE), edited(&right, script)).unwrap();
        let opened = Opening::of(place(place_of_it.path()));
        tried.one(opened.as_ref().is_ok_and(|opening| matches!(opening.log, Log::Continued(_))));
        if let Err(error) = opened {
            assert!(!error.is_damage(), "damage is what a new database is for: {error}");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever bytes are overwritten wherever: it opens, never gives out what was not recorded, and numbers go on from
    /// the last one or begin anew.
    #[test]
    fn whatever_is_damaged_it_opens(
        holes in prop::collection::vec((0.0f64..1.0, prop::collection::vec(any::<u8>(), 1..3000)), 1..4),
        cut in prop::option::weighted(0.2, 0.0f64..1.0),
    ) {
        let (directory, positions) = left();
        let file = directory.path().join(FILE);
        let length = fs::metadata(&file).unwrap().len();
        for (at, bytes) in &holes {
            let at = (*at * length as f64) as u64;
            damage(&file, at, &bytes[..bytes.len().min((length - at) as usize)]);
        }
        if let Some(cut) = cut {
            let file = fs::OpenOptions::new().write(true).open(&file).unwrap();
            file.set_len((cut * length as f64) as u64).unwrap();
        }
        // A format of a later version by chance: refused, and said.
        if let Ok(opening) = Opening::of(place(directory.path())) {
            let reader = opening.reader().unwrap();
            let mut process = Process::start(Opening::of(place(directory.path())).unwrap());
            for row in &opening.pending.due {
                if let Ok(Some((_, json))) = reader.row(*row)
                    && let Ok(Some(event)) = Event::from_json(&json)
                {
                    prop_assert!(positions.contains(&(event.epoch, event.sequence)));
                }
            }
            let new = process.record(1, "");
            prop_assert!(!positions.contains(&new[0]));
            process.end();
        }
    }
}
