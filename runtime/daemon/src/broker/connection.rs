//! One connection to the broker. Its two halves (what comes in, what goes out) take turns on one thread.
//!
//! A row is delivered when the PUBACK of its packet says 0x00. Packet ids are matched by order: rumqttc reports
//! `Outgoing::Publish(id)` for each publish in the order in which they were handed in.

mod listen;
mod speak;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use cartvision_wire::{ConnectionId, State};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rumqttc::v5::{AsyncClient, ClientError, ConnectionError, EventLoop, MqttOptions};
use tokio::time::sleep;
use uuid::Uuid;

use super::last_word::LastWord;
use super::link::Stop;
use super::options::Identity;
use super::post::Post;
use super::{BrokerError, BrokerFact, Taking};
use crate::facts::Fact;
use crate::store::{Reader, RowId};

/// A broker that answers pings and owes an acknowledgement for so long is given up: the next connection may do better.
const OWED: Duration = Duration::from_secs(15);
/// How long after its time is up a connection may still try to take leave.
const LAST_WORD: Duration = Duration::from_millis(800);
/// How often it is looked whether something stands still.
const GLANCE: Duration = Duration::from_millis(200);

/// How a connection ended.
pub(super) enum Ended {
    /// As it was asked to.
    Farewell,
    Broken(BrokerError),
    /// Another client speaks in our name.
    TakenOver,
}

/// What a publish was for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Purpose {
    Event(RowId),
    State,
    Farewell,
    Other,
}

/// Publishes on their way.
#[derive(Debug, Default)]
struct OnTheWay {
    /// Subscriptions.
    confirmed: usize,
    connected: bool,
    /// Handed to rumqttc, packet id not known yet.
    handed_in: VecDeque<Purpose>,
    /// Sent, by packet id.
    sent: HashMap<u16, Purpose>,
    rows: usize,
    /// Since when the broker owes an acknowledgement.
    owed: Option<Instant>,
    taking: Option<Taking>,
    retry_at: Option<Instant>,
    farewell_acknowledged: bool,
}

/// One connection.
pub(super) struct Connection<'a> {
    identity: &'a Identity,
    post: &'a Post,
    reader: &'a Reader,
    facts: &'a SyncSender<Fact>,
    stop: &'a Stop,
    last_word: &'a LastWord,
    id: ConnectionId,
    on_the_way: RefCell<OnTheWay>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(
        identity: &'a Identity,
        (post, reader): (&'a Post, &'a Reader),
        facts: &'a SyncSender<Fact>,
        stop: &'a Stop,
        last_word: &'a LastWord,
    ) -> Self {
        let id = ConnectionId(Uuid::now_v7());
        Self { identity, post, reader, facts, stop, last_word, id, on_the_way: RefCell::default() }
    }

    /// What it is asked for with.
    pub(super) fn options(&self) -> Result<MqttOptions, BrokerError> {
        let will = self.post.lock().state().map(|state| self.named(state).will());
        self.identity.options(self.identity.root.client_id(), will.as_ref())
    }

    /// The state with this connection's id.
    fn named(&self, state: &State) -> State {
        State { connection_id: self.id, ..state.clone() }
    }

    /// Lives until it ends.
    pub(super) async fn live(&self, client: AsyncClient, events: EventLoop) -> Ended {
        tokio::select! {
            ended = self.listen(&client, events) => ended,
            ended = self.speak(&client) => ended,
            ended = self.watch() => ended,
        }
    }

    /// Gives up what stands still: to speak waits for rumqttc, and that waits for the broker.
    async fn watch(&self) -> Ended {
        loop {
            sleep(GLANCE).await;
            if self.stop.by().is_some_and(|by| Instant::now() >= by + LAST_WORD) {
                return Ended::Farewell;
            }
            if self.on_the_way.borrow().owed.is_some_and(|since| since.elapsed() >= OWED) {
                return Ended::Broken(self.lost(format!("it acknowledged nothing for {} s", OWED.as_secs())));
            }
        }
    }

    /// Whether it ever stood.
    pub(super) fn was_connected(&self) -> bool {
        self.on_the_way.borrow().connected
    }

    #[expect(clippy::too_many_arguments, reason = "an MQTT publish has that many parts")]
    async fn publish(
        &self,
        client: &AsyncClient,
        topic: String,
        retain: bool,
        payload: Vec<u8>,
        content_type: &str,
        correlation: Option<Vec<u8>>,
        purpose: Purpose,
    ) -> Result<(), ClientError> {
        let properties = PublishProperties {
            payload_format_indicator: Some(1),
            content_type: Some(content_type.to_owned()),
            correlation_data: correlation.map(Into::into),
            ..Default::default()
        };
        self.on_the_way.borrow_mut().handed_in.push_back(purpose);
        client.publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties).await
    }

    fn tell(&self, fact: BrokerFact) {
        // The loop takes facts until the link has ended; if it is gone, nobody wants to know.
        _ = self.facts.send(Fact::Broker(fact));
    }

    fn lost(&self, reason: String) -> BrokerError {
        BrokerError::Lost { address: self.identity.address.to_string(), reason }
    }

    fn broken(&self, e: ConnectionError) -> BrokerError {
        let connected = self.on_the_way.borrow().connected;
        BrokerError::of(self.identity.address.to_string(), e, connected)
    }
}
