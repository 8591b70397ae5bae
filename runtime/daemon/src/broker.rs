//! The broker: who we are to it ([`credentials`]), what waits for it ([`post`]), and the link to it ([`link`]).

mod credentials;
mod last_word;
mod link;
mod options;
mod post;

pub(crate) use credentials::Credentials;
pub(crate) use link::{Link, probe};
pub(crate) use options::Identity;
pub(crate) use post::{Post, ResponseAddress};

use crate::commands::Incoming;

/// What the link tells the loop.
#[derive(Debug)]
pub(crate) enum BrokerFact {
    /// Connected and subscribed to commands.
    Connected,
    /// Not connected (any more); the link tries again.
    Lost(BrokerError),
    /// Another client has this cart's name: the link has given up for good.
    TakenOver,
    /// The broker acknowledged an event with "nobody subscribed" (0x10) or "refused" (0x80 and above), or, after
    /// that, took one again.
    Events(Taking),
    /// Somebody wants something.
    Command { incoming: Incoming, response: Option<ResponseAddress> },
}

/// How the broker takes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// It takes them.
    Fine,
    /// Nobody subscribed to them.
    NobodySubscribed,
    /// It refuses them.
    Refused,
}

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
