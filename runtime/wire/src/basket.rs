//! The retained basket: what the session's basket holds as of a position.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::bounded::List;
use crate::item::Item;
use crate::name::SessionId;
use crate::position::{Epoch, Sequence};

/// The session's basket as of (`epoch`, `sequence`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basket {
    /// The session; `null` when none has been opened.
    pub session: Option<SessionId>,
    /// With `sequence`, the last event that it takes into account.
    pub epoch: Epoch,
    /// With `epoch`, the last event that it takes into account.
    pub sequence: Sequence,
    /// One line for each different item.
    pub lines: List<BasketLine, 256>,
}

/// So many of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasketLine {
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// How many of it.
    pub quantity: NonZeroU32,
}
