//! How a connection to the broker is asked for.

use std::sync::Arc;
use std::time::Duration;

use cartvision_wire::topic::{SESSION_EXPIRY_S, WILL_DELAY_S};
use cartvision_wire::{Address, Root, State};
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, LastWillProperties};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::{BrokerError, Credentials};

/// Packets larger than this are refused, both ways: an event has at most 8 KiB, a basket some 40.
const MAX_PACKET_BYTES: u32 = 256 * 1024;
/// A dead link shows after one and a half times this.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const CONNECT_WITHIN_S: u64 = 5;
/// Publishes on their way at once, of every kind.
pub(super) const MAX_IN_FLIGHT: u16 = 64;

/// Whom the link connects as.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) address: Address,
    pub(crate) credentials: Credentials,
    pub(crate) root: Root,
}

impl Identity {
    /// The options of one connection. `will` is published by the broker if the connection breaks.
    pub(super) fn options(
        &self,
        client_id: String,
        will: Option<&State>,
    ) -> Result<MqttOptions, BrokerError> {
        let mut options = MqttOptions::new(client_id, self.address.host.clone(), self.address.port);
        options.set_keep_alive(KEEP_ALIVE);
        options.set_connection_timeout(CONNECT_WITHIN_S);
        options.set_max_packet_size(Some(MAX_PACKET_BYTES));
        options.set_outgoing_inflight_upper_limit(MAX_IN_FLIGHT);
        // Packets are small: one would wait for the other side's delayed acknowledgement of the one before.
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        if let Some(user) = &self.address.user {
            options.set_credentials(user.clone(), self.credentials.password.clone().unwrap_or_default());
        }
        if let Some(will) = will {
            // The session outlives the connection for commands that come in between.
            options.set_clean_start(false);
            options.set_session_expiry_interval(Some(SESSION_EXPIRY_S));
            let payload = serde_json::to_vec(will).unwrap_or_default();
            let properties = LastWillProperties {
                delay_interval: Some(WILL_DELAY_S),
                content_type: Some("application/json".to_owned()),
                payload_format_indicator: Some(1),
                message_expiry_interval: None,
                response_topic: None,
                correlation_data: None,
                user_properties: Vec::new(),
            };
            let will = LastWill::new(self.root.state(), payload, QoS::AtLeastOnce, true, Some(properties));
            options.set_last_will(will);
        }
        if self.address.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(self.tls()?)));
        }
        Ok(options)
    }

    /// `cartlab watch` has the like; why it is written twice stands there.
    fn tls(&self) -> Result<Arc<ClientConfig>, BrokerError> {
        let failed = |reason: String| BrokerError::Tls { address: self.address.to_string(), reason };
        let mut roots = RootCertStore::empty();
        match &self.credentials.ca {
            Some(authority) => {
                for certificate in authority {
                    roots.add(certificate.clone()).map_err(|e| failed(format!("the CA file: {e}")))?;
                }
            }
            None => {
                let system = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(system.certs);
                if roots.is_empty() {
                    return Err(failed(
                        "the system has no certificate authorities; name a CA file".to_owned(),
                    ));
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| failed(e.to_string()))?
            .with_root_certificates(roots);
        let config = match &self.credentials.own {
            Some((certificates, key)) => config
                .with_client_auth_cert(certificates.clone(), key.clone_key())
                .map_err(|e| failed(format!("the cart's own certificate and key: {e}")))?,
            None => config.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}
