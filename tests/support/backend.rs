//! The store's backend: has a cart decide, hears what it sends, and holds both against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cartvision_wire::CommandName;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::cart::replies;
use crate::observer::{Message, Observer, root, utc_shifted};
use crate::program::wait_until;

/// Adjustments of one session: each has a quantity of its own, by which its event is known.
pub const IN_A_SESSION: usize = 100;

/// When an answer that did not come is asked for again.
const AGAIN: Duration = Duration::from_secs(5);

/// The backend of one cart.
pub struct Backend {
    /// What it hears.
    pub observer: Observer,
    database: PathBuf,
    sessions: usize,
    asked: usize,
    /// How far the cart's clock is ahead, seconds.
    pub ahead_s: i64,
}

/// What became of a cart's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows in the cart's database.
    pub decided: usize,
    /// Different events that were heard.
    pub received: usize,
    /// In the database and never heard, or confirmed to whoever asked and never heard.
    pub lost: usize,
    /// Numbers that are missing within an epoch.
    pub gaps: usize,
    /// Events that came before an earlier one had come at all.
    pub out_of_order: usize,
    /// Heard again, with the same id and the same bytes.
    pub repeated: usize,
    /// Logs of events.
    pub epochs: usize,
}

impl Backend {
    /// Of the cart with this state directory.
    pub fn of(observer: Observer, state: &Path) -> Self {
        Self { observer, database: state.join("cart.db"), sessions: 0, asked: 0, ahead_s: 0 }
    }

    /// Ends the session, and opens the next one.
    ///
    /// # Panics
    /// When that is refused.
    pub fn next_session(&mut self) {
        if self.sessions > 0 {
            let ended = self.observer.command(CommandName::SessionEnd, json!({}));
            assert_eq!(ended["ok"], true, "{ended:#}");
        }
        self.sessions += 1;
        self.asked = 0;
        let started = self.observer.command(CommandName::SessionStart, json!({ "session": self.session() }));
        assert_eq!(started["ok"], true, "{started:#}");
    }

    fn session(&self) -> String {
        format!("visit-{}", self.sessions)
    }

    /// How many more adjustments this session takes.
    pub fn room(&self) -> usize {
        IN_A_SESSION - self.asked
    }

    /// Has so many decided, and does not wait for it.
    pub fn adjust(&mut self, count: usize) {
        for _ in 0..count.min(self.room()) {
            self.asked += 1;
            let name = format!("{} {}", self.session(), self.asked);
            let changes = json!([{ "id": "42", "delta": self.asked }]);
            let payload = json!({ "session": self.session(), "by": "staff", "changes": changes });
            self.ask(CommandName::BasketAdjust, payload, "adjusted", name);
        }
    }

    /// Sends a command, issued now by the cart's clock; the answer comes on `replies/{answer}` with that name.
    fn ask(&self, command: CommandName, mut payload: Value, answer: &str, name: String) {
        payload["issued_at"] = utc_shifted(self.ahead_s * 1000).into();
        let properties = PublishProperties {
            response_topic: Some(replies() + answer),
            correlation_data: Some(name.into()),
            ..Default::default()
        };
        self.observer.publish(&root().command(command), &payload.to_string(), false, properties);
    }

    /// Adjustments of which the cart said that they are done, as session and quantity.
    fn confirmed(&self) -> BTreeSet<(String, u64)> {
        let messages = self.observer.messages();
        let replies = replies() + "adjusted";
        let done = messages.iter().filter(|m| m.topic == replies && m.json()["ok"] == true);
        done.filter_map(|m| {
            let name = String::from_utf8(m.correlation.clone()?).ok()?;
            let (session, quantity) = name.split_once(' ')?;
            Some((session.to_owned(), quantity.parse().ok()?))
        })
        .collect()
    }

    /// How many adjustments were confirmed so far.
    pub fn confirmations(&self) -> usize {
        self.confirmed().len()
    }

    /// Rows, and of them those that are still to be delivered.
    ///
    /// # Panics
    /// When the database cannot be read.
    pub fn rows(&self) -> (usize, usize) {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.database, flags).unwrap();
        let counts = "SELECT count(*), count(*) FILTER (WHERE delivery <> 1) FROM event";
        let count = |row: &rusqlite::Row<'_>, column| row.get(column).map(|n: u32| n as usize);
        connection.query_row(counts, [], |row| Ok((count(row, 0)?, count(row, 1)?))).unwrap()
    }

    /// Waits until nothing is left to be delivered.
    pub fn wait_delivered(&self) {
        wait_until(
            || (self.rows().1 == 0).then_some(()),
            || format!("everything is delivered; of {:?} rows the second are not", self.rows()),
        );
    }

    /// Waits until the cart has decided what it was asked for so far, and has delivered it. Commands come in order: when
    /// a later one (the open session is opened again, which changes nothing) is answered, none is on its way any more.
    pub fn settle(&self) {
        let (replies, mut asked) = (replies() + "settled", None::<(Instant, String)>);
        wait_until(
            || {
                // An answer is not kept: a connection that breaks takes it along.
                if asked.as_ref().is_none_or(|(at, _)| at.elapsed() >= AGAIN) {
                    let name = self.observer.messages().len().to_string();
                    let session = json!({ "session": self.session() });
                    self.ask(CommandName::SessionStart, session, "settled", name.clone());
                    asked = Some((Instant::now(), name));
                }
                let (_, name) = asked.as_ref()?;
                let messages = self.observer.messages();
                let answers = |m: &Message| m.correlation.as_deref() == Some(name.as_bytes());
                messages.iter().any(|m| m.topic == replies && answers(m)).then_some(())
            },
            || "the cart answers".to_owned(),
        );
        self.wait_delivered();
    }

    /// Holds what was heard against the cart's database and its own word.
    ///
    /// # Panics
    /// When an event came again with other bytes.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let mut heard: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut numbers: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        let mut adjusted: BTreeSet<(String, u64)> = BTreeSet::new();
        for message in self.observer.event_messages() {
            let event = message.json();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if let Some(before) = heard.get(&text(&event["id"])) {
                assert_eq!(*before, message.payload, "an event that comes again is the same");
                tally.repeated += 1;
                continue;
            }
            heard.insert(text(&event["id"]), message.payload.clone());
            let of_epoch = numbers.entry(text(&event["epoch"])).or_default();
            let number: u64 = text(&event["sequence"]).parse().unwrap();
            tally.out_of_order += usize::from(of_epoch.last().is_some_and(|last| *last > number));
            of_epoch.insert(number);
            if let Some(quantity) = event["data"]["quantity"].as_u64() {
                adjusted.insert((text(&event["subject"]), quantity));
            }
        }
        tally.received = heard.len();
        tally.epochs = numbers.len();
        let missing = |n: &BTreeSet<u64>| n.last().map_or(0, |last| *last as usize - n.len());
        tally.gaps = numbers.values().map(missing).sum();
        tally.decided = self.rows().0;
        let unconfirmed = self.confirmed().difference(&adjusted).count();
        tally.lost = tally.decided.saturating_sub(tally.received) + unconfirmed;
        tally
    }
}

impl Tally {
    /// Asserts that nothing is lost, nothing is missing, and everything came in order.
    ///
    /// # Panics
    /// When that is not so.
    pub fn expect_whole(self, fault: &str) -> Self {
        assert_eq!((self.lost, self.gaps, self.out_of_order), (0, 0, 0), "{fault}: {self:?}");
        assert!(self.decided > 0 && self.received == self.decided, "{fault}: {self:?}");
        self
    }
}
