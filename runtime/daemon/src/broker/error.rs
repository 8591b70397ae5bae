//! Why the broker cannot be used, and what to do about it.

use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{ConnectionError, StateError};

/// Why the broker cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    #[error("{file}: {reason}; give a file that can be read and holds what it should")]
    File { file: String, reason: String },
    #[error("broker {address} cannot be reached: {reason}; does it run, and is the address right?")]
    Unreachable { address: String, reason: String },
    #[error(
        "broker {address}: TLS failed: {reason}; does the CA file fit the broker's certificate, and the host its name?"
    )]
    Tls { address: String, reason: String },
    #[error(
        "broker {address} refused the connection: {reason}; are user and password right, and may this client connect?"
    )]
    Refused { address: String, reason: String },
    #[error("broker {address} broke the connection off: {reason}")]
    Lost { address: String, reason: String },
}

impl BrokerError {
    /// What a connection's error means to people; `connected`: it stood before.
    pub(super) fn of(address: String, e: ConnectionError, connected: bool) -> Self {
        match e {
            ConnectionError::ConnectionRefused(code)
            | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => Self::Refused {
                address,
                reason: match code {
                    ConnectReturnCode::BadUserNamePassword => "wrong user or password".to_owned(),
                    ConnectReturnCode::NotAuthorized => "not authorized".to_owned(),
                    other => format!("{other:?}"),
                },
            },
            ConnectionError::Tls(rumqttc::TlsError::Io(e)) if e.kind() != std::io::ErrorKind::InvalidData => {
                Self::Lost {
                    address,
                    reason: format!("{e} (during the TLS handshake: does the port speak TLS?)"),
                }
            }
            ConnectionError::Tls(e) => Self::Tls { address, reason: e.to_string() },
            ConnectionError::Timeout(_) if !connected => {
                Self::Unreachable { address, reason: "no answer in time".to_owned() }
            }
            ConnectionError::Io(e) if !connected && e.kind() != std::io::ErrorKind::ConnectionAborted => {
                Self::Unreachable { address, reason: e.to_string() }
            }
            other => Self::Lost { address, reason: other.to_string() },
        }
    }
}
