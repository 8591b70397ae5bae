//! The thread that writes.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cartvision_wire::{CommandName, Epoch, Refusal, Reply};
use serde_json::{Map, Value};

use super::database::{self, CartLine, Database, RowId};
use super::opening::Opening;
use super::witness::Witness;
use super::{Position, StoreError, StoreFact};
use crate::broker::Post;
use crate::clock::{TimeLine, utc_now};
use crate::facts::Fact;
use crate::outbox::Work;

/// What is delivered may wait so long to be written as that, so that one commit does for many rows: after a power cut
/// the last ones go out once more.
const MARKS_WAIT: Duration = Duration::from_millis(200);
/// After a write that failed, the next one is tried after this long.
const RETRY: Duration = Duration::from_secs(1);
/// So many commits apart, what is old is forgotten.
const FORGET_EVERY: u32 = 256;

/// The thread that writes, and what it needs.
#[derive(Debug)]
pub(crate) struct Writer {
    post: Arc<Post>,
    thread: JoinHandle<()>,
    /// A replay's directory; deleted with this.
    _temporary: Option<tempfile::TempDir>,
}

/// What was written of one batch.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// For each turn its rows.
    pub(crate) turns: Vec<Vec<RowId>>,
    /// For each request its answer.
    pub(crate) again: Vec<Option<(usize, Vec<RowId>)>>,
}

impl Writer {
    /// Starts to write what waits in `post`.
    pub(crate) fn start(
        opening: Opening,
        post: Arc<Post>,
        facts: SyncSender<Fact>,
    ) -> Result<Self, std::io::Error> {
        let (work, temporary) = Writing::of(opening, post.clone(), facts);
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || work.go_on())?;
        Ok(Self { post, thread, _temporary: temporary })
    }

    /// Writes what waits, and ends; by then at the latest.
    pub(crate) fn stop(self, by: Instant) {
        self.post.stop_writing(by);
        // It cannot panic without ending the process.
        _ = self.thread.join();
    }
}

struct Writing {
    database: Database,
    witness: Option<Witness>,
    identity: String,
    topic: String,
    machine: Option<String>,
    /// As of the last commit; nothing before the first of a new log.
    last: Option<Position>,
    before: Option<Epoch>,
    commits: u32,
    post: Arc<Post>,
    facts: SyncSender<Fact>,
}

impl Writing {
    fn of(opening: Opening, post: Arc<Post>, facts: SyncSender<Fact>) -> (Self, Option<tempfile::TempDir>) {
        let last = match opening.log {
            super::Log::Continued(last) => Some(last),
            super::Log::Opened { .. } => None,
        };
        let Opening { database, witness, place, before, temporary, .. } = opening;
        let writing = Self {
            database,
            witness,
            identity: place.identity(),
            topic: place.root.events(),
            machine: place.machine,
            last,
            before,
            commits: 0,
            post,
            facts,
        };
        (writing, temporary)
    }

    fn go_on(mut self) {
        let mut failing = false;
        while let Some((work, marks)) = self.post.wait_for_work(MARKS_WAIT) {
            let written = loop {
                match self.write(&work, &marks) {
                    Ok(written) => break written,
                    Err(e) if e.is_damage() => return self.tell(StoreFact::Broken(e)),
                    Err(e) => {
                        if !std::mem::replace(&mut failing, true) {
                            self.post.lock().outbox.set_failing(true);
                            self.tell(StoreFact::Failing(e));
                        }
                        // What its log takes up may be all the room that there is. If that fails too, it is the same fault.
                        _ = self.database.settle();
                        if self.post.wait_to_retry(RETRY) {
                            let rows =
                                work.iter().map(|w| if let Work::Turn(t) = w { t.rows.len() } else { 0 });
                            let rows: usize = rows.sum();
                            tracing::error!(
                                events = rows,
                                "could not be written before the end: they are lost"
                            );
                            return;
                        }
                    }
                }
            };
            if std::mem::take(&mut failing) {
                self.post.lock().outbox.set_failing(false);
                self.tell(StoreFact::Works);
            }
            self.done(work, written);
        }
    }

    fn tell(&self, fact: StoreFact) {
        // At the end nobody wants to know.
        _ = self.facts.send(Fact::Store(fact));
    }

    fn write(&mut self, work: &[Work], marks: &[RowId]) -> Result<Written, StoreError> {
        let now = utc_now();
        let kept = TimeLine::Live.clock().synced.then_some(now);
        self.commits = self.commits.wrapping_add(1);
        let forget = self.commits.is_multiple_of(FORGET_EVERY);
        let Self { database, identity, machine, topic, before, last, .. } = self;
        let mut latest = *last;
        let written = database.write("write what was decided", |to| {
            // First: what is asked for again may just have been delivered.
            database::mark_delivered(to, marks)?;
            let mut written = Written::default();
            let mut state = None;
            for work in work {
                match work {
                    Work::Turn(turn) => {
                        let rows = turn.rows.iter().map(|row| {
                            database::insert(to, (row.epoch, row.sequence), topic, &row.json, kept)
                        });
                        written.turns.push(rows.collect::<rusqlite::Result<_>>()?);
                        latest = turn.rows.last().map(|row| (row.epoch, row.sequence)).or(latest);
                        state = Some(&turn.state);
                    }
                    Work::SendAgain { from, .. } => written.again.push(database::send_again(to, *from)?),
                }
            }
            if let (Some(state), Some(last)) = (state, latest) {
                let (root, machine, state) = (identity.clone(), machine.clone(), state.clone());
                let line = CartLine { root, machine, last, before: *before, state };
                database::set_cart(to, &line)?;
            }
            if forget {
                database::forget(to, now)?;
            }
            Ok(written)
        })?;
        *last = latest;
        if let (Some(witness), Some(last)) = (&self.witness, latest)
            && let Err(e) = witness.note(last)
        {
            tracing::warn!(
                "cannot note how far the database has come: {e}; an older copy of it may go unnoticed"
            );
        }
        Ok(written)
    }

    fn done(&self, work: Vec<Work>, written: Written) {
        let (mut turns, mut again) = (written.turns.into_iter(), written.again.into_iter());
        for work in work {
            match work {
                Work::Turn(turn) => {
                    let rows = turns.next().unwrap_or_default();
                    self.post.written(&rows, turn.basket, turn.decided);
                    if let Some((to, reply)) = turn.reply {
                        self.post.reply(to, reply);
                    }
                }
                Work::SendAgain { to, .. } => {
                    let answer = again.next().flatten();
                    let reply = reply(answer.as_ref().map(|(count, _)| *count));
                    self.post.pending_again(&answer.map(|(_, rows)| rows).unwrap_or_default());
                    if let Some(to) = to {
                        self.post.reply(to, reply);
                    }
                }
            }
        }
    }
}

/// What `events/replay` is answered.
fn reply(events: Option<usize>) -> Reply {
    match events {
        Some(events) => {
            let result: Map<String, Value> = [("events".to_owned(), events.into())].into_iter().collect();
            Reply::done(CommandName::EventsReplay, result)
        }
        None => {
            let why = "the cart keeps no event of this epoch and sequence";
            Reply::refused(CommandName::EventsReplay.as_str(), Refusal::UnknownPosition, why)
        }
    }
}
