//! The link to the broker: one connection after the other, on a thread of its own.
//!
//! Each connection is a new rumqttc event loop, and what is pending is taken from the outbox again. So nothing
//! depends on what rumqttc carries over a reconnect: it forgets unsent requests when the broker lost the session,
//! and a packet id collision would block it for good (its issues 1014 and 1056).
//!
//! Another client with this cart's name is noticed by the disconnect reason 0x8E, and by brokers that give no
//! reason (mosquitto up to 2.0.11 at least) by what is kept as our state: [`LastWord`].

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rumqttc::v5::AsyncClient;
use tokio::sync::Notify;
use tokio::time::sleep;
use uuid::Uuid;

use super::BrokerFact;
use super::connection::{Connection, Ended};
use super::last_word::LastWord;
use super::options::Identity;
use super::post::Post;
use crate::facts::Fact;
use crate::store::Reader;

/// Requests that rumqttc may hold.
const MAX_REQUESTS: usize = 16;
/// Waits between connections: from this, doubled each time, up to that; half of it is chance.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The running link.
#[derive(Debug)]
pub(crate) struct Link {
    stop: Arc<Stop>,
    post: Arc<Post>,
    thread: JoinHandle<()>,
}

/// Tells the link to say goodbye.
#[derive(Debug, Default)]
pub(super) struct Stop {
    /// By when the rows have to be delivered.
    by: Mutex<Option<Instant>>,
    asked: Notify,
}

impl Stop {
    /// By when, once it was asked.
    pub(super) fn by(&self) -> Option<Instant> {
        *self.by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Starts to connect, and tells the loop how it goes.
    pub(crate) fn start(
        identity: Identity,
        post: Arc<Post>,
        reader: Reader,
        facts: SyncSender<Fact>,
    ) -> Result<Self, std::io::Error> {
        let stop = Arc::new(Stop::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (linked, posted) = (stop.clone(), post.clone());
        let thread = std::thread::Builder::new().name("broker".into()).spawn(move || {
            runtime.block_on(connect_forever(&identity, (&posted, &reader), &facts, &linked));
        })?;
        Ok(Self { stop, post, thread })
    }

    /// Delivers what it can until `by`, says `offline`, and ends.
    pub(crate) fn stop(self, by: Instant) {
        *self.stop.by.lock().unwrap_or_else(PoisonError::into_inner) = Some(by);
        self.stop.asked.notify_one();
        self.post.wake.notify_one();
        // It cannot panic without ending the process.
        _ = self.thread.join();
    }
}

async fn connect_forever(
    identity: &Identity,
    (post, reader): (&Post, &Reader),
    facts: &SyncSender<Fact>,
    stop: &Stop,
) {
    let mut pause = FIRST_PAUSE;
    let last_word = LastWord::default();
    loop {
        let mut was_connected = false;
        let connection = Connection::new(identity, (post, reader), facts, stop, &last_word);
        let ended = match connection.options() {
            Ok(options) => {
                let (client, events) = AsyncClient::new(options, MAX_REQUESTS);
                let ended = connection.live(client, events).await;
                was_connected = connection.was_connected();
                ended
            }
            Err(e) => Ended::Broken(e),
        };
        match ended {
            Ended::Farewell => return,
            Ended::TakenOver => {
                _ = facts.send(Fact::Broker(BrokerFact::TakenOver));
                return;
            }
            Ended::Broken(error) => {
                if facts.send(Fact::Broker(BrokerFact::Lost(error))).is_err() {
                    return;
                }
            }
        }
        if stop.by().is_some() {
            return;
        }
        pause = if was_connected { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        // A store's carts must not all come back at the same moment. The low bits of a v7 UUID are chance.
        let chance = f64::from(Uuid::now_v7().as_u128() as u32) / f64::from(u32::MAX);
        tokio::select! {
            () = sleep(pause.mul_f64(0.5 + 0.5 * chance)) => {}
            () = stop.asked.notified() => return,
        }
    }
}
