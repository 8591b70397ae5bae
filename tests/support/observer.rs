//! Somebody on the broker who hears everything, and speaks as a backend would.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use cartvision_wire::event::{CONTENT_TYPE, MAX_EVENT_BYTES};
use cartvision_wire::{CartId, CommandName, Root, StoreId, schema};
use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, PublishProperties};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};
use serde_json::Value;

use crate::log::{EventLog, expect_valid, validator};
use crate::mosquitto::Mosquitto;
use crate::program::PATIENCE;

/// The topics of `store-1`'s `cart-1`, whom all configurations of the tests name.
pub fn root() -> Root {
    Root::new(StoreId::new("store-1").unwrap(), CartId::new("cart-1").unwrap())
}

/// One message as it was heard.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload, unread.
    pub payload: Vec<u8>,
    /// As it was published; also set on what the broker had kept.
    pub retained: bool,
    qos: QoS,
    content_type: Option<String>,
    /// What ties an answer to its question.
    pub correlation: Option<Vec<u8>>,
}

impl Message {
    /// The payload as JSON; `null` for anything else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Heard {
    messages: Mutex<Vec<Message>>,
    changed: Condvar,
    subscribed: AtomicBool,
    gone: AtomicBool,
}

/// A client of the broker's open listener. Comes back and subscribes again when the broker does.
pub struct Observer {
    client: Client,
    heard: Arc<Heard>,
    root: Root,
    asked: AtomicUsize,
}

impl Observer {
    /// Subscribes to everything, and waits until the broker has confirmed it.
    pub fn of(broker: &Mosquitto, root: Root) -> Self {
        Self::on(broker, root, "#")
    }

    /// Subscribes to a filter.
    ///
    /// # Panics
    /// When the broker does not confirm it.
    pub fn on(broker: &Mosquitto, root: Root, filter: &str) -> Self {
        let id = format!("observer-{:?}", thread::current().id());
        let mut options = MqttOptions::new(format!("{id}-{filter}"), "127.0.0.1", broker.observer_port());
        options.set_max_packet_size(Some(1024 * 1024));
        options.set_connection_timeout(PATIENCE.as_secs());
        options.set_network_options(at_once());
        let (client, connection) = Client::new(options, 64);
        let heard = Arc::new(Heard::default());
        let mut filter = Filter::new(filter, QoS::AtLeastOnce);
        // The retain flag as the cart set it.
        filter.preserve_retain = true;
        let (ear, speaker) = (heard.clone(), client.clone());
        thread::spawn(move || listen(connection, &speaker, &filter, &ear));
        let observer = Self { client, heard, root, asked: AtomicUsize::new(0) };
        observer.wait("the observer's subscription", |_| {
            observer.heard.subscribed.load(Ordering::SeqCst).then_some(())
        });
        observer
    }

    /// Everything so far.
    pub fn messages(&self) -> Vec<Message> {
        self.heard.messages.lock().unwrap().clone()
    }

    /// Waits for something in what was heard.
    ///
    /// # Panics
    /// After [`PATIENCE`], with what was heard instead.
    pub fn wait<T>(&self, what: &str, mut find: impl FnMut(&[Message]) -> Option<T>) -> T {
        let mut found = None;
        let messages = self.heard.messages.lock().unwrap();
        let (messages, _) = self
            .heard
            .changed
            .wait_timeout_while(messages, PATIENCE, |messages| {
                found = find(messages);
                found.is_none()
            })
            .unwrap();
        found.unwrap_or_else(|| {
            let told: Vec<_> = messages
                .iter()
                .map(|m| format!("{} {}", m.topic, String::from_utf8_lossy(&m.payload)))
                .collect();
            drop(messages);
            panic!("waited {} s for {what}; heard\n{}", PATIENCE.as_secs(), told.join("\n"))
        })
    }

    /// Waits for a message on a topic of which `fits` holds.
    pub fn wait_on(&self, topic: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Message {
        self.wait(what, |messages| messages.iter().find(|m| m.topic == topic && fits(&m.json())).cloned())
    }

    /// Waits for a state of that status (and of `fits`).
    pub fn wait_state(&self, status: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let what = format!("state {status}");
        self.wait_on(&self.root.state(), &what, |s| s["status"] == status && fits(s)).json()
    }

    /// Waits for a degraded state with this among its reasons.
    pub fn wait_degraded(&self, reason: &str) -> Value {
        self.wait_state("degraded", |state| state["reasons"].to_string().contains(reason))
    }

    /// Waits for the event of that sequence, and gives all so far.
    pub fn wait_events(&self, sequence: usize) -> EventLog {
        let (topic, last) = (self.root.events(), format!("{sequence:020}"));
        self.wait(&format!("event {sequence}"), |messages| {
            messages.iter().any(|m| m.topic == topic && m.json()["sequence"] == last).then_some(())
        });
        self.events()
    }

    /// The events so far, checked.
    pub fn events(&self) -> EventLog {
        EventLog::new(self.event_messages().iter().map(Message::json))
    }

    /// The events as they came, repeated ones too.
    pub fn event_messages(&self) -> Vec<Message> {
        let topic = self.root.events();
        self.messages().into_iter().filter(|m| m.topic == topic).collect()
    }

    /// Publishes a message on any topic.
    ///
    /// # Panics
    /// When the client has ended.
    pub fn publish(&self, topic: &str, payload: &str, retain: bool, properties: PublishProperties) {
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, retain, payload.to_owned(), properties)
            .unwrap();
    }

    /// Sends a command with a payload as it is, and waits for the answer.
    ///
    /// # Panics
    /// When none comes, or one that answers something else.
    pub fn ask(&self, name: &str, payload: &str, retain: bool) -> Value {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let base = self.root.command(CommandName::Snapshot);
        let topic = base.replace("commands/snapshot", &format!("commands/{name}"));
        let answer = base.replace("commands/snapshot", &format!("replies/{number}"));
        let correlation = format!("question {number}");
        let properties = PublishProperties {
            response_topic: Some(answer.clone()),
            correlation_data: Some(correlation.clone().into()),
            ..Default::default()
        };
        self.publish(&topic, payload, retain, properties);
        let reply = self.wait_on(&answer, &format!("the answer to {name} {payload}"), |_| true);
        assert_eq!(reply.correlation, Some(correlation.into_bytes()), "{name}");
        assert_eq!(reply.json()["command"], name, "{:#}", reply.json());
        reply.json()
    }

    /// Sends a command issued now.
    ///
    /// # Panics
    /// When it does not fit the published schema, or as [`Self::ask`] does.
    pub fn command(&self, name: CommandName, mut payload: Value) -> Value {
        payload["issued_at"] = utc_now().into();
        expect_valid(&validator(schema::for_command(name)), &payload);
        self.ask(name.as_str(), &payload.to_string(), false)
    }

    /// Holds every message that the cart sent against the contract: a topic of its own, the schema of that topic,
    /// retention, quality of service, content type, size.
    ///
    /// # Panics
    /// At the first that is not as it should be.
    pub fn expect_contract(&self) {
        let root = &self.root;
        let messages = self.messages();
        assert!(!messages.is_empty(), "something was heard");
        for message in messages {
            let Message { topic, payload, retained, qos, content_type, .. } = &message;
            if root.command_name(topic).is_some() {
                // The observer's own; some are meant to be wrong.
                continue;
            }
            let text = String::from_utf8_lossy(payload);
            let schema = schema::for_topic(root, topic)
                .unwrap_or_else(|| panic!("outside the cart's topics: {topic} {text}"));
            if payload.is_empty() {
                panic!("an empty message on {topic}");
            }
            expect_valid(&validator(schema), &message.json());
            let event = *topic == root.events();
            assert_eq!(*retained, *topic == root.state() || *topic == root.basket(), "retention of {topic}");
            let once = if *topic == root.telemetry() { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            assert_eq!(*qos, once, "{topic}");
            let expected = if event { CONTENT_TYPE } else { "application/json" };
            assert_eq!(content_type.as_deref(), Some(expected), "{topic}");
            assert!(!event || payload.len() <= MAX_EVENT_BYTES, "{} bytes: {text}", payload.len());
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.heard.gone.store(true, Ordering::SeqCst);
        // The broker may be gone already; then there is nobody to say goodbye to.
        _ = self.client.try_disconnect();
    }
}

fn listen(mut connection: Connection, client: &Client, filter: &Filter, heard: &Heard) {
    for notification in connection.iter() {
        match notification {
            Ok(Event::Incoming(Packet::ConnAck(_))) => _ = client.try_subscribe_many([filter.clone()]),
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                // Under the lock, or a waiter could miss it.
                let _messages = heard.messages.lock().unwrap();
                heard.subscribed.store(true, Ordering::SeqCst);
                heard.changed.notify_all();
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                heard.messages.lock().unwrap().push(read(publish));
                heard.changed.notify_all();
            }
            Ok(_) => {}
            Err(_) if heard.gone.load(Ordering::SeqCst) => return,
            // The broker is away: no haste.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn read(publish: Publish) -> Message {
    let properties = publish.properties.unwrap_or_default();
    Message {
        topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
        payload: publish.payload.to_vec(),
        retained: publish.retain,
        qos: publish.qos,
        content_type: properties.content_type,
        correlation: properties.correlation_data.map(|c| c.to_vec()),
    }
}

/// Every packet goes out at once, as a cart's do.
pub fn at_once() -> NetworkOptions {
    let mut options = NetworkOptions::new();
    options.set_tcp_nodelay(true);
    options
}

/// Now, as commands carry it.
pub fn utc_now() -> String {
    utc_shifted(0)
}

/// So long ago, as commands carry it.
pub fn utc_before(ago: Duration) -> String {
    utc_shifted(-i64::try_from(ago.as_millis()).unwrap())
}

/// So many milliseconds ahead of now (or behind), as commands carry it.
pub fn utc_shifted(ahead_ms: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let moment = i64::try_from(now).unwrap() + ahead_ms;
    cartvision_wire::UtcTime::from_ms(u64::try_from(moment).unwrap()).to_string()
}
