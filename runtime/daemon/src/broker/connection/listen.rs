//! What comes from the broker.

use std::time::{Duration, Instant};

use cartvision_wire::State;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Packet, PubAckReason, Publish};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, StateError};

use super::{BrokerFact, Connection, Ended, Purpose, Taking};
use crate::broker::ResponseAddress;
use crate::commands::Incoming;

/// After "nobody subscribed" or "refused", when the pending rows are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Another client speaks in our name.
#[derive(Debug, PartialEq)]
struct Replaced;

impl Connection<'_> {
    /// What comes from the broker, until the connection ends.
    pub(super) async fn listen(&self, client: &AsyncClient, mut events: EventLoop) -> Ended {
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
            way.owed.get_or_insert_with(Instant::now);
        }
    }

    fn acknowledged(&self, id: u16, reason: PubAckReason) {
        let mut way = self.on_the_way.borrow_mut();
        let purpose = way.sent.remove(&id);
        way.owed = (!way.sent.is_empty()).then(Instant::now);
        match purpose {
            Some(Purpose::Event(row)) => {
                way.rows -= 1;
                let taking = {
                    let mut waiting = self.post.lock();
                    match reason {
                        PubAckReason::Success => {
                            if let Some(took) = waiting.outbox.delivered(row, Instant::now()) {
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
}
