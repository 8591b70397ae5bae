//! The link to the broker: one connection after the other, on a thread of its own.
//!
//! Each connection is a new rumqttc event loop, and what is pending is taken from the outbox again. So nothing
//! depends on what rumqttc carries over a reconnect: it forgets unsent requests when the broker lost the session,
//! and a packet id collision would block it for good (its issues 1014 and 1056).
//!
//! Another client with this cart's name is noticed by the disconnect reason 0x8E, and by brokers that give no
//! reason (mosquitto up to 2.0.11 at least) by what is kept as our state: [`LastWord`].
//!
//! A row is delivered when the PUBACK of its packet says 0x00. Packet ids are matched by order: rumqttc reports
//! `Outgoing::Publish(id)` for each publish in the order in which they were handed in.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cartvision_wire::event::CONTENT_TYPE;
use cartvision_wire::{ConnectionId, Sequence, State, Status};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode, Packet, PubAckReason, Publish, PublishProperties,
};
use rumqttc::v5::{AsyncClient, ClientError, ConnectionError, Event, EventLoop, StateError};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::last_word::LastWord;
use super::options::{Identity, MAX_IN_FLIGHT};
use super::post::{Post, ResponseAddress};
use super::{BrokerError, BrokerFact, Taking};
use crate::commands::Incoming;
use crate::facts::Fact;

/// Event rows on their way at once; below [`MAX_IN_FLIGHT`], so that a state or a reply always gets through. Only
/// one until the broker has taken one, and again after it did not: a subscriber who comes while several are on
/// their way would get the later ones first.
const MAX_ROWS: usize = MAX_IN_FLIGHT as usize / 2;
/// Requests that rumqttc may hold.
const MAX_REQUESTS: usize = 16;
/// After "nobody subscribed" or "refused", when the pending rows are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Waits between connections: from this, doubled each time, up to that; half of it is chance.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the farewell may take after the rows' own time is up.
const FAREWELL: Duration = Duration::from_millis(400);
const JSON: &str = "application/json";

/// The running link.
#[derive(Debug)]
pub(crate) struct Link {
    stop: Arc<Stop>,
    post: Arc<Post>,
    thread: JoinHandle<()>,
}

/// Tells the link to say goodbye.
#[derive(Debug, Default)]
struct Stop {
    /// By when the rows have to be delivered.
    by: std::sync::Mutex<Option<Instant>>,
    asked: Notify,
}

impl Stop {
    fn by(&self) -> Option<Instant> {
        *self.by.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Link {
    /// Starts to connect, and tells the loop how it goes.
    pub(crate) fn start(
        identity: Identity,
        post: Arc<Post>,
        facts: SyncSender<Fact>,
    ) -> Result<Self, std::io::Error> {
        let stop = Arc::new(Stop::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (linked, posted) = (stop.clone(), post.clone());
        let thread = std::thread::Builder::new().name("broker".into()).spawn(move || {
            runtime.block_on(connect_forever(&identity, &posted, &facts, &linked));
        })?;
        Ok(Self { stop, post, thread })
    }

    /// Delivers what it can until `by`, says `offline`, and ends.
    pub(crate) fn stop(self, by: Instant) {
        *self.stop.by.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(by);
        self.stop.asked.notify_one();
        self.post.wake.notify_one();
        // It cannot panic without ending the process.
        _ = self.thread.join();
    }
}

/// Another client speaks in our name.
#[derive(Debug, PartialEq)]
struct Replaced;

/// How a connection ended.
enum Ended {
    /// As it was asked to.
    Farewell,
    Broken(BrokerError),
    TakenOver,
}

async fn connect_forever(identity: &Identity, post: &Post, facts: &SyncSender<Fact>, stop: &Stop) {
    let mut pause = FIRST_PAUSE;
    let last_word = LastWord::default();
    loop {
        let mut was_connected = false;
        let connection = Connection::new(identity, post, facts, stop, &last_word);
        let ended = match connection.options() {
            Ok(options) => {
                let (client, events) = AsyncClient::new(options, MAX_REQUESTS);
                let ended = connection.live(client, events).await;
                was_connected = connection.on_the_way.borrow().connected;
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

/// What a publish was for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Purpose {
    Event(Sequence),
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
    taking: Option<Taking>,
    retry_at: Option<Instant>,
    farewell_acknowledged: bool,
}

/// One connection. Its two halves (what comes in, what goes out) take turns on one thread.
struct Connection<'a> {
    identity: &'a Identity,
    post: &'a Post,
    facts: &'a SyncSender<Fact>,
    stop: &'a Stop,
    last_word: &'a LastWord,
    id: ConnectionId,
    on_the_way: RefCell<OnTheWay>,
}

impl<'a> Connection<'a> {
    fn new(
        identity: &'a Identity,
        post: &'a Post,
        facts: &'a SyncSender<Fact>,
        stop: &'a Stop,
        last_word: &'a LastWord,
    ) -> Self {
        let id = ConnectionId(Uuid::now_v7());
        Self { identity, post, facts, stop, last_word, id, on_the_way: RefCell::default() }
    }

    fn options(&self) -> Result<rumqttc::v5::MqttOptions, BrokerError> {
        let will = self.post.lock().state().map(|state| self.named(state).will());
        self.identity.options(self.identity.root.client_id(), will.as_ref())
    }

    /// The state with this connection's id.
    fn named(&self, state: &State) -> State {
        State { connection_id: self.id, ..state.clone() }
    }

    async fn live(&self, client: AsyncClient, events: EventLoop) -> Ended {
        tokio::select! {
            ended = self.listen(&client, events) => ended,
            ended = self.speak(&client) => ended,
        }
    }

    /// What comes from the broker, until the connection ends.
    async fn listen(&self, client: &AsyncClient, mut events: EventLoop) -> Ended {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(packet)) => {
                    if self.came(client, packet) == Some(Replaced) {
                        // Without a goodbye the broker would publish our will.
                        _ = client.try_disconnect();
                        while !matches!(
                            events.poll().await,
                            Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)
                        ) {}
                        return Ended::TakenOver;
                    }
                }
                Ok(Event::Outgoing(Outgoing::Publish(id))) => self.went(id),
                Ok(Event::Outgoing(_)) => {}
                Err(ConnectionError::MqttState(StateError::ServerDisconnect {
                    reason_code: DisconnectReasonCode::SessionTakenOver,
                    ..
                })) => return Ended::TakenOver,
                Err(_) if self.on_the_way.borrow().farewell_acknowledged => return Ended::Farewell,
                Err(e) => return Ended::Broken(self.broken(e)),
            }
        }
    }

    fn came(&self, client: &AsyncClient, packet: Packet) -> Option<Replaced> {
        let root = &self.identity.root;
        match packet {
            // The first requests of this connection: the queue is empty. The state first, so that what is kept
            // is here before the second is confirmed and we begin to speak.
            Packet::ConnAck(_) => {
                _ = client.try_subscribe(root.state(), QoS::AtMostOnce);
                _ = client.try_subscribe(root.commands_filter(), QoS::AtLeastOnce);
            }
            Packet::SubAck(_) => {
                let mut way = self.on_the_way.borrow_mut();
                way.confirmed += 1;
                if way.confirmed == 2 {
                    way.connected = true;
                    self.post.wake.notify_one();
                    self.tell(BrokerFact::Connected);
                }
            }
            Packet::PubAck(ack) => self.acknowledged(ack.pkid, ack.reason),
            Packet::Publish(publish) if publish.topic == root.state().as_bytes() => {
                let kept: State = serde_json::from_slice(&publish.payload).ok()?;
                return self.last_word.is_answered_by(&kept, self.id).then_some(Replaced);
            }
            Packet::Publish(publish) => self.asked(publish),
            _ => {}
        }
        None
    }

    /// rumqttc has sent the publish that was handed in first.
    fn went(&self, id: u16) {
        let mut way = self.on_the_way.borrow_mut();
        if let Some(purpose) = way.handed_in.pop_front()
            && id != 0
        {
            way.sent.insert(id, purpose);
        }
    }

    fn acknowledged(&self, id: u16, reason: PubAckReason) {
        let mut way = self.on_the_way.borrow_mut();
        match way.sent.remove(&id) {
            Some(Purpose::Event(sequence)) => {
                way.rows -= 1;
                let taking = {
                    let mut waiting = self.post.lock();
                    match reason {
                        PubAckReason::Success => {
                            if let Some(took) = waiting.outbox.delivered(sequence, Instant::now()) {
                                waiting.note_delivery(took);
                            }
                            Taking::Fine
                        }
                        PubAckReason::NoMatchingSubscribers => {
                            waiting.count_nobody_subscribed();
                            Taking::NobodySubscribed
                        }
                        _ => {
                            waiting.count_refused();
                            Taking::Refused
                        }
                    }
                };
                if taking != Taking::Fine {
                    way.retry_at = Some(Instant::now() + RETRY);
                }
                if way.taking.replace(taking) != Some(taking) {
                    self.tell(BrokerFact::Events(taking));
                }
                self.post.wake_waiters();
            }
            Some(Purpose::State) => self.last_word.set(self.id),
            Some(Purpose::Farewell) => way.farewell_acknowledged = true,
            Some(Purpose::Other) | None => {}
        }
        drop(way);
        self.post.wake.notify_one();
    }

    /// Somebody published on the commands' topics.
    fn asked(&self, publish: Publish) {
        let topic = String::from_utf8_lossy(&publish.topic);
        let Some(name) = self.identity.root.command_name(&topic) else { return };
        let properties = publish.properties.unwrap_or_default();
        let response = match properties.response_topic {
            Some(topic) if self.identity.root.may_answer_on(&topic) => {
                Some(ResponseAddress { topic, correlation: properties.correlation_data.map(|c| c.to_vec()) })
            }
            Some(topic) => {
                tracing::warn!(
                    command = name,
                    response_topic = topic,
                    "the response topic is not under the cart's own root; no answer is sent"
                );
                None
            }
            None => None,
        };
        let incoming =
            Incoming { name: name.to_owned(), payload: publish.payload.to_vec(), retained: publish.retain };
        self.tell(BrokerFact::Command { incoming, response });
    }

    /// What goes to the broker, until there is nothing more to say.
    async fn speak(&self, client: &AsyncClient) -> Ended {
        let (mut state_seen, mut basket_seen) = (0, 0);
        let mut cursor = None;
        let mut asked_again = self.post.lock().outbox.asked_again();
        let mut farewell_sent = false;
        loop {
            let asked = self.post.lock().outbox.asked_again();
            if std::mem::replace(&mut asked_again, asked) != asked {
                // From the oldest on, once what is on its way has arrived.
                self.on_the_way.borrow_mut().retry_at.get_or_insert(Instant::now());
            }
            let may_speak = self.on_the_way.borrow().connected && !farewell_sent;
            if may_speak
                && let Err(e) =
                    self.send_what_waits(client, &mut state_seen, &mut basket_seen, &mut cursor).await
            {
                return Ended::Broken(self.lost(e.to_string()));
            }
            let now = Instant::now();
            let wake_at = match self.stop.by() {
                Some(by) => {
                    let connected = self.on_the_way.borrow().connected;
                    let empty = self.post.lock().outbox.depth() == 0;
                    if self.on_the_way.borrow().farewell_acknowledged || now >= by + FAREWELL {
                        // Without a goodbye the broker would publish the will.
                        if connected {
                            _ = client.disconnect().await;
                            // rumqttc writes it when it is polled next; the other half ends with that.
                            _ = timeout(FAREWELL, std::future::pending::<()>()).await;
                        }
                        return Ended::Farewell;
                    }
                    if connected && !farewell_sent && (empty || now >= by) {
                        farewell_sent = true;
                        if let Err(e) = self.send_farewell(client).await {
                            return Ended::Broken(self.lost(e.to_string()));
                        }
                    }
                    if now < by { by } else { by + FAREWELL }
                }
                None => {
                    let way = self.on_the_way.borrow();
                    // Each acknowledgement of a row wakes us.
                    way.retry_at.filter(|_| way.rows == 0).unwrap_or(now + LONGEST_PAUSE)
                }
            };
            _ = timeout(wake_at.saturating_duration_since(now), self.post.wake.notified()).await;
            let mut way = self.on_the_way.borrow_mut();
            if way.rows == 0 && way.retry_at.is_some_and(|at| Instant::now() >= at) {
                way.retry_at = None;
                cursor = None;
            }
        }
    }

    /// State first, so that an event is never the first that is heard of a cart; then answers; then events.
    async fn send_what_waits(
        &self,
        client: &AsyncClient,
        state_seen: &mut u64,
        basket_seen: &mut u64,
        cursor: &mut Option<Sequence>,
    ) -> Result<(), ClientError> {
        let root = &self.identity.root;
        let state = self.post.lock().state_since(state_seen);
        if let Some(state) = state {
            let json = serde_json::to_vec(&self.named(&state)).unwrap_or_default();
            self.publish(client, root.state(), true, json, JSON, None, Purpose::State).await?;
        }
        loop {
            let Some((to, reply)) = self.post.lock().take_reply() else { break };
            let json = serde_json::to_vec(&reply).unwrap_or_default();
            self.publish(client, to.topic, false, json, JSON, to.correlation, Purpose::Other).await?;
        }
        loop {
            let row = {
                let way = self.on_the_way.borrow();
                let limit = if way.taking == Some(Taking::Fine) { MAX_ROWS } else { 1 };
                let waits = way.retry_at.is_some() || way.rows >= limit;
                if waits { None } else { self.post.lock().outbox.next_after(*cursor).cloned() }
            };
            let Some(row) = row else { break };
            *cursor = Some(row.sequence);
            self.on_the_way.borrow_mut().rows += 1;
            let json = row.json.as_bytes().to_vec();
            self.publish(
                client,
                root.events(),
                false,
                json,
                CONTENT_TYPE,
                None,
                Purpose::Event(row.sequence),
            )
            .await?;
        }
        let basket = self.post.lock().basket_since(basket_seen);
        if let Some(basket) = basket {
            let json = serde_json::to_vec(&basket).unwrap_or_default();
            self.publish(client, root.basket(), true, json, JSON, None, Purpose::Other).await?;
        }
        let telemetry = self.post.lock().take_telemetry();
        if let Some(telemetry) = telemetry {
            let json = serde_json::to_vec(&telemetry).unwrap_or_default();
            let properties = PublishProperties { content_type: Some(JSON.to_owned()), ..Default::default() };
            self.on_the_way.borrow_mut().handed_in.push_back(Purpose::Other);
            client
                .publish_with_properties(root.telemetry(), QoS::AtMostOnce, false, json, properties)
                .await?;
        }
        Ok(())
    }

    async fn send_farewell(&self, client: &AsyncClient) -> Result<(), ClientError> {
        let state = self.post.lock().state().map(|state| State {
            status: Status::Offline,
            reasons: ["stopped".into()].into_iter().collect(),
            session: None,
            ..self.named(state)
        });
        let Some(state) = state else { return Ok(()) };
        let json = serde_json::to_vec(&state).unwrap_or_default();
        self.publish(client, self.identity.root.state(), true, json, JSON, None, Purpose::Farewell).await
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
        classify(&self.identity.address.to_string(), e, connected)
    }
}

/// What a connection's error means to people.
fn classify(address: &str, e: ConnectionError, connected: bool) -> BrokerError {
    let address = address.to_owned();
    match e {
        ConnectionError::ConnectionRefused(code)
        | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => BrokerError::Refused {
            address,
            reason: match code {
                ConnectReturnCode::BadUserNamePassword => "wrong user or password".to_owned(),
                ConnectReturnCode::NotAuthorized => "not authorized".to_owned(),
                other => format!("{other:?}"),
            },
        },
        ConnectionError::Tls(rumqttc::TlsError::Io(e)) if e.kind() != std::io::ErrorKind::InvalidData => {
            BrokerError::Lost {
                address,
                reason: format!("{e} (during the TLS handshake: does the port speak TLS?)"),
            }
        }
        ConnectionError::Tls(e) => BrokerError::Tls { address, reason: e.to_string() },
        ConnectionError::Timeout(_) if !connected => {
            BrokerError::Unreachable { address, reason: "no answer in time".to_owned() }
        }
        ConnectionError::Io(e) if !connected && e.kind() != std::io::ErrorKind::ConnectionAborted => {
            BrokerError::Unreachable { address, reason: e.to_string() }
        }
        other => BrokerError::Lost { address, reason: other.to_string() },
    }
}

/// Tries once whether the broker takes us, under a name of its own, so that a running cart is left alone.
pub(crate) fn probe(identity: &Identity) -> Result<(), BrokerError> {
    let client_id = format!("{}-check-{:08x}", identity.root.client_id(), Uuid::now_v7().as_u128() as u32);
    let options = identity.options(client_id, None)?;
    let address = identity.address.to_string();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| BrokerError::Unreachable { address: address.clone(), reason: e.to_string() })?;
    runtime.block_on(async {
        let (client, mut events) = AsyncClient::new(options, 1);
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    _ = client.disconnect().await;
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return Ok(()),
                Ok(_) => {}
                Err(e) => return Err(classify(&address, e, false)),
            }
        }
    })
}
