//! What goes to the broker.

use std::time::{Duration, Instant};

use cartvision_wire::event::CONTENT_TYPE;
use cartvision_wire::{State, Status};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rumqttc::v5::{AsyncClient, ClientError};
use tokio::time::timeout;

use super::{Connection, Ended, Purpose, Taking};
use crate::broker::options::MAX_IN_FLIGHT;
use crate::store::{RowId, StoreError};

/// Event rows on their way at once; below [`MAX_IN_FLIGHT`], so that a state or a reply always gets through. Only
/// one until the broker has taken one, and again after it did not: a subscriber who comes while several are on
/// their way would get the later ones first.
const MAX_ROWS: usize = MAX_IN_FLIGHT as usize / 2;
/// How long the farewell may take after the rows' own time is up.
const FAREWELL: Duration = Duration::from_millis(400);
/// Without anything to say, it looks again after this long.
const NAP: Duration = Duration::from_secs(30);
const JSON: &str = "application/json";

/// Why something could not be handed to the client.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Connection<'_> {
    /// What goes to the broker, until there is nothing more to say.
    pub(super) async fn speak(&self, client: &AsyncClient) -> Ended {
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
                    way.retry_at.filter(|_| way.rows == 0).unwrap_or(now + NAP)
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
        cursor: &mut Option<RowId>,
    ) -> Result<(), Unsent> {
        let root = &self.identity.root;
        let state = self.post.lock().state_since(state_seen);
        if let Some(state) = state {
            let json = serde_json::to_vec(&self.named(&state)).unwrap_or_default();
            self.last_word.say(self.id);
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
                if waits { None } else { self.post.lock().outbox.next_after(*cursor) }
            };
            let Some(row) = row else { break };
            *cursor = Some(row);
            // One that is not kept any more was delivered, and is to be sent again no longer.
            let Some((topic, json)) = self.reader.row(row)? else {
                self.post.lock().outbox.delivered(row, Instant::now());
                continue;
            };
            self.on_the_way.borrow_mut().rows += 1;
            self.publish(client, topic, false, json, CONTENT_TYPE, None, Purpose::Event(row)).await?;
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
}
