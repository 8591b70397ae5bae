//! Whether the broker takes us.

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event};
use uuid::Uuid;

use super::{BrokerError, Identity};

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
                Err(e) => return Err(BrokerError::of(address, e, false)),
            }
        }
    })
}
