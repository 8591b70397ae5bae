//! The retained state: whether the cart can be relied on.

use serde::{Deserialize, Serialize};

use crate::bounded::{List, Text};
use crate::event::{BundleName, Reason};
use crate::name::SessionId;
use crate::position::ConnectionId;
use crate::time::{Clock, UtcTime};

/// Whether the cart can be relied on.
///
/// ```text
///            ┌────────► degraded
///  offline ──┤             │ ▲
///     ▲ ▲    └► online ◄───┘ │
///     │ └───────── │ ────────│── clean stop, said by the cart
///     └────────────┴─────────┴── connection lost, said by the broker (the will)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Works as it should.
    Online,
    /// Works, and `reasons` say what is wrong.
    Degraded,
    /// Not connected.
    Offline,
}

/// The cart's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Whether the cart can be relied on.
    pub status: Status,
    /// Why it is not `online`; empty when it is.
    pub reasons: List<Reason, 16>,
    /// The connection that says so. A will that carries an older one than the cart's last state is out of date.
    pub connection_id: ConnectionId,
    /// The daemon's version.
    pub version: Text<64>,
    /// The model bundle at work.
    pub bundle: BundleName,
    /// How far to trust the cart's clock; in a will, as of the connection's start.
    pub clock: Clock,
    /// The open session, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// When it was said; left out of a will, which is written long before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<UtcTime>,
}

impl State {
    /// The will that goes with this state: what the broker says when the connection is lost.
    pub fn will(&self) -> Self {
        Self {
            status: Status::Offline,
            reasons: ["connection lost".into()].into_iter().collect(),
            session: None,
            time: None,
            ..self.clone()
        }
    }
}
