//! The broker: who we are to it ([`credentials`]), what waits for it ([`post`]), and the [`link`] to it, one
//! [`connection`] after the other.

mod connection;
mod credentials;
mod error;
mod last_word;
mod link;
mod options;
mod post;
mod probe;

pub(crate) use credentials::{Credentials, Files};
pub(crate) use error::BrokerError;
pub(crate) use link::Link;
pub(crate) use options::Identity;
pub(crate) use post::{Post, ResponseAddress};
pub(crate) use probe::probe;

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
